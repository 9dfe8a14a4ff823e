"""Spans from Arize Phoenix: ``GET /v1/projects/{project}/spans/otlpv1``, page after page.

    {"data": [span, ...], "next_cursor": "..."}

A span is OTLP JSON with the names of protobuf (``trace_id``, ``int_value``). Phoenix keeps no kinds, links,
scopes and resources, and times to the microsecond.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import answers
from otel_agentprof.readers.fields import object_of, objects_of, text_of
from otel_agentprof.readers.ids import TRACE_DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_agentprof.readers.answers import Progress
    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.http import Server
    from otel_agentprof.readers.losses import Losses

_DEFAULT_PROJECT: Final = "default"
_PAGE_SPANS: Final = 1000  # what Phoenix gives at most
_TRACES_AT_A_TIME: Final = 20  # their ids stand in the URL
_UNDERSCORE: Final = re.compile(r"_([a-z])")


def is_answer(document: Mapping[str, Json]) -> bool:
    """Return whether a document is a page of spans."""
    data = document.get("data")
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "span_id" in data[0]


def groups_of(document: Mapping[str, Json]) -> Json:
    """Return a page of spans as the resource groups that it would be in OTLP, the oldest first."""
    return [{"scopeSpans": [{"spans": _camel_case(document["data"][::-1])}]}]


def documents_of(server: Server, losses: Losses, progress: Progress) -> Iterator[Json]:
    """Yield the documents that hold the traces of the server's address.

    Raises:
        UnreadableTraceError: The server has none, or does not give them.
    """
    address = server.address
    project = address.parameters.get("project", _DEFAULT_PROJECT)
    path = f"/v1/projects/{quote(project, safe='')}"
    if address.trace_id is not None:
        wanted = [address.trace_id.zfill(TRACE_DIGITS)]
    else:
        wanted = list(_traces(server, path, losses))
    if not wanted:
        raise UnreadableTraceError(answers.nothing_between(address, f"in project {project!r}"))
    some = [wanted[at : at + _TRACES_AT_A_TIME] for at in range(0, len(wanted), _TRACES_AT_A_TIME)]
    is_found = False
    for document in answers.one_by_one(some, lambda ids: _spans(server, path, ids, losses), losses, progress):
        if document.get("data"):
            is_found = True
            yield document
    if not is_found:
        raise UnreadableTraceError(f"{address.origin} knows no trace {wanted[0]} in project {project!r}")


def _traces(server: Server, path: str, losses: Losses) -> Iterator[str]:
    start, end = server.address.window(datetime.now(UTC))
    asked = [("limit", str(min(server.address.limit, _PAGE_SPANS)))]
    asked += [("start_time", start.isoformat()), ("end_time", end.isoformat())]
    for document in _pages(server, f"{path}/traces", asked, losses, most=server.address.limit):
        for trace in objects_of(document.get("data"), "bad_value", losses):
            if trace_id := text_of(trace.get("trace_id"), losses):
                yield trace_id


def _spans(server: Server, path: str, trace_ids: Sequence[str], losses: Losses) -> Iterator[Json]:
    asked = [("limit", str(_PAGE_SPANS)), *(("trace_id", trace_id) for trace_id in trace_ids)]
    pages: list[Mapping[str, Json]] = []
    try:
        for page in _pages(server, f"{path}/spans/otlpv1", asked, losses):
            pages.append(page)  # noqa: PERF402 - what came before an error is kept
    except UnreadableTraceError as error:
        if not pages:
            raise
        losses.add("cut_answer", str(error))
    return reversed(pages)  # they come newest first, and so do the spans in each


def _pages(
    server: Server, path: str, asked: list[tuple[str, str]], losses: Losses, *, most: int | None = None
) -> Iterator[Mapping[str, Json]]:
    """Yield pages until there is none, or until there are as many rows as are wanted."""
    cursors: set[str] = set()
    more: list[tuple[str, str]] = []
    rows = 0
    while most is None or rows < most:
        answer = server.get(path, asked + more)
        if not answer.is_found:
            raise UnreadableTraceError(answers.not_found(answer, server.address))
        cursor = ""
        for document in answers.documents_in(answer, server.address, losses):
            fields = object_of(document, losses)
            cursor = text_of(fields.get("next_cursor"), losses)
            rows += len(fields.get("data") or ())
            yield fields
        if not cursor or cursor in cursors:
            return
        cursors.add(cursor)
        more = [("cursor", cursor)]


def _camel_case(value: Json) -> Json:
    """Return JSON with OTLP's names for fields; names of attributes are values there, and stay."""
    if isinstance(value, dict):
        return {
            _UNDERSCORE.sub(lambda found: found[1].upper(), key): _camel_case(content)
            for key, content in value.items()
        }
    return [_camel_case(member) for member in value] if isinstance(value, list) else value
