"""Traces from Jaeger's query service: its v3 API (OTLP JSON), and the older one where that is missing.

    GET /api/v3/traces/{id}      {"result": {"resourceSpans": ...}}, or several in a row
    GET /api/v3/traces?query.*   likewise
    GET /api/traces/{id}         {"data": [...]}, Jaeger's own JSON, in microseconds
    GET /api/traces?service=     likewise; gone in 2.20

Old servers answer with the page of their UI where they have no v3. Traces are asked for as they were written
("raw"): Jaeger would move their times to make up for clocks that differ.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import answers
from otel_agentprof.readers.url import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.readers.answers import Progress
    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.http import Answer, Server
    from otel_agentprof.readers.losses import Losses
    from otel_agentprof.readers.url import Address

_SEARCH_NAMES: Final = {  # ours, v3's, the older API's
    "service": ("query.service_name", "service"),
    "operation": ("query.operation_name", "operation"),
    "min_duration": ("query.duration_min", "minDuration"),
    "max_duration": ("query.duration_max", "maxDuration"),
}

Parameters = list[tuple[str, str]]


def documents_of(server: Server, losses: Losses, _progress: Progress) -> Iterator[Json]:
    """Yield the documents that hold the traces of the server's address.

    Raises:
        UnreadableTraceError: The server has none, or does not give them.
    """
    address = server.address
    if address.trace_id is not None:
        path, new, old = f"/{address.trace_id}", [("raw_traces", "true")], [("raw", "true")]
    else:
        path, (new, old) = "", _search(address)
    answer = server.get(f"/api/v3/traces{path}", new)
    if _is_unknown_to_v3(answer):
        answer = server.get(f"/api/traces{path}", old)
    if not answer.is_found:
        raise UnreadableTraceError(_nothing(address, is_jaeger=_has_error(answer)))
    return answers.documents_in(answer, address, losses)


def _search(address: Address) -> tuple[Parameters, Parameters]:
    """Return the parameters of a search, for v3 and for the older API."""
    new: Parameters = []
    old: Parameters = []
    for name, (new_name, old_name) in _SEARCH_NAMES.items():
        if (value := address.parameters.get(name)) is not None:
            # Go knows no days.
            text = f"{seconds_of(value):.9f}s" if "duration" in name else value
            new.append((new_name, text))
            old.append((old_name, text))
    start, end = address.window(datetime.now(UTC))
    limit = str(address.limit)
    new += [
        ("query.start_time_min", f"{start:%Y-%m-%dT%H:%M:%S.%fZ}"),
        ("query.start_time_max", f"{end:%Y-%m-%dT%H:%M:%S.%fZ}"),
        ("query.search_depth", limit),
        ("query.num_traces", limit),  # what it was called before 2.0
        ("query.raw_traces", "true"),
    ]
    old += [
        ("start", str(int(start.timestamp() * 1_000_000))),
        ("end", str(int(end.timestamp() * 1_000_000))),
        ("limit", limit),
        ("raw", "true"),
    ]
    return new, old


def _is_unknown_to_v3(answer: Answer) -> bool:
    """Return whether the server has no v3, as against one that has it and does not know the trace."""
    if answer.is_page:
        return True
    return not answer.is_found and not _has_error(answer)


def _has_error(answer: Answer) -> bool:
    """Return whether it is an error in Jaeger's words, v3's or the older ones, not just anybody's 404."""
    try:
        return not {"error", "errors"}.isdisjoint(json.loads(answer.body))
    except (ValueError, TypeError, RecursionError):
        return False


def _nothing(address: Address, *, is_jaeger: bool) -> str:
    if not is_jaeger:
        return (
            f"{address.origin} has no API of Jaeger there (404): is it the port of the query service, "
            "often 16686, and is a base path missing?"
        )
    if address.trace_id is not None:
        return f"{address.origin} knows no trace {address.trace_id}"
    return answers.nothing_between(address, f"of service {address.parameters['service']!r}")
