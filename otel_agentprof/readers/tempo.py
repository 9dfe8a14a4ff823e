"""Traces from Grafana Tempo: one by its id, or those that a TraceQL query finds.

GET /api/v2/traces/{id}   {"trace": {"resourceSpans": ...}, "status": "PARTIAL", "message": ...}
GET /api/traces/{id}      {"batches": ...}, from servers without the other
GET /api/search?q=        {"traces": [{"traceID": ...}]}, to be fetched one after another
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import answers
from otel_agentprof.readers.fields import object_of, objects_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.readers.answers import Progress
    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.http import Answer, Server
    from otel_agentprof.readers.losses import Losses

_PATHS: Final = ("/api/v2/traces", "/api/traces")
_PARTIAL: Final = ("PARTIAL", 1)


def documents_of(server: Server, losses: Losses, progress: Progress) -> Iterator[Json]:
    """Yield the documents that hold the traces of the server's address.

    Raises:
        UnreadableTraceError: The server has none, or does not give them.
    """
    trace_id = server.address.trace_id
    if trace_id is not None:
        yield from _trace(server, trace_id, losses)
        return
    found = [(one,) for one in _search(server, losses)]
    yield from answers.one_by_one(found, lambda group: _trace(server, group[0], losses), losses, progress)


def _trace(server: Server, trace_id: str, losses: Losses) -> Iterator[Json]:
    answer = _first_found(server, trace_id)
    for document in answers.documents_in(answer, server.address, losses):
        fields = object_of(document, losses)
        if fields.get("status") in _PARTIAL:
            losses.add("partial_trace", text_of(fields.get("message"), losses))
        yield document


def _first_found(server: Server, trace_id: str) -> Answer:
    for path in _PATHS:
        answer = server.get(f"{path}/{trace_id}")
        if answer.is_found:
            return answer
    raise UnreadableTraceError(f"{server.address.origin} knows no trace {trace_id}")


def _search(server: Server, losses: Losses) -> list[str]:
    address = server.address
    start, end = address.window(datetime.now(UTC))
    answer = server.get(
        "/api/search",
        [
            ("q", address.parameters["q"]),
            ("limit", str(address.limit)),
            # Without them Tempo looks at what is not in a block yet, and at nothing else.
            ("start", str(int(start.timestamp()))),
            ("end", str(int(end.timestamp()) + 1)),
        ],
    )
    found: dict[str, None] = {}
    for document in answers.documents_in(answer, address, losses) if answer.is_found else ():
        for trace in objects_of(object_of(document, losses).get("traces"), "bad_value", losses):
            if trace_id := text_of(trace.get("traceID"), losses):
                found[trace_id] = None
    if not found:
        raise UnreadableTraceError(answers.nothing_between(address, f"for {address.parameters['q']!r}"))
    return list(found)
