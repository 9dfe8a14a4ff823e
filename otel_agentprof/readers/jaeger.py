"""Jaeger's legacy JSON (``GET /api/traces/{id}``, the download button of its UI) to spans.

    {"data": [trace, ...]}  |  trace  |  [trace, ...]
       trace: traceID, spans [...], processes {"p1": {serviceName, tags}}

Times are microseconds. Jaeger keeps as tags what OpenTelemetry keeps in fields (kind, status, scope): they
go back to where they came from. Arrays come as JSON text, and are arrays again where semconv says so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.readers.any_value import BAD_VALUE, binary, integer
from otel_agentprof.readers.fields import (
    KINDS,
    STATUSES,
    choice_of,
    count_of,
    lane_of,
    object_of,
    objects_of,
    text_of,
    time_of,
)
from otel_agentprof.readers.ids import SPAN_DIGITS, TRACE_DIGITS, hex_id, parent_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_MICROSECOND_NS: Final = 1000
_SCOPE_NAMES: Final = ("otel.scope.name", "otel.library.name")
# The translation's own, and what a Span has no field for: a live span does not show them either.
_TRANSLATION_TAGS: Final = (
    "internal.span.format",
    "otel.scope.version",
    "otel.library.version",
    "w3c.tracestate",
)
_ARRAYS: Final = frozenset(
    {
        semconv.RESPONSE_FINISH_REASONS,
        semconv.REQUEST_STOP_SEQUENCES,
        semconv.REQUEST_ENCODING_FORMATS,
        semconv.TOOL_CALL_IDS,
        semconv.TOOL_RESULT_IDS,
    }
)


def traces_of(document: Mapping[str, Json]) -> Json | None:
    """Return the list of Jaeger traces in a document, None where it is no Jaeger JSON."""
    if "data" in document:
        return [] if document["data"] is None else document["data"]
    return [document] if "traceID" in document and "spans" in document else None


def spans_of_traces(traces: Json, losses: Losses) -> Iterator[Span]:
    """Yield the spans of a list of Jaeger traces, duplicates too, in the order in which they are written."""
    for trace in objects_of(traces, "bad_group", losses):
        processes = object_of(trace.get("processes"), losses)
        resources = {key: _resource(process, losses) for key, process in processes.items()}
        for raw in objects_of(trace.get("spans"), "bad_span", losses):
            key = raw.get("processID")
            inline = raw.get("process")
            resource = resources.get(key) if isinstance(key, str) else None
            if resource is None:
                resource = _resource(inline, losses)
            span = _span(raw, trace.get("traceID"), resource, losses)
            if span is not None:
                yield span


def _span(
    raw: Mapping[str, Json], trace_of: Json, resource: Mapping[str, Any], losses: Losses
) -> Span | None:
    trace_id = hex_id(raw.get("traceID") or trace_of, TRACE_DIGITS, losses, may_be_short=True)
    span_id = hex_id(raw.get("spanID"), SPAN_DIGITS, losses, may_be_short=True)
    if trace_id is None or span_id is None:
        losses.add("bad_id")
        return None
    start_ns = time_of(raw.get("startTime"), losses, unit_ns=_MICROSECOND_NS)
    if start_ns is None:
        losses.add("bad_span")
        return None
    duration_ns = time_of(raw.get("duration"), losses, unit_ns=_MICROSECOND_NS)
    tags = _tags(raw.get("tags"), losses)
    parent, links = _references(raw, trace_id, losses)
    status = _status(tags, losses)
    scopes = [text_of(tags.pop(name, None), losses) for name in _SCOPE_NAMES]
    for name in _TRANSLATION_TAGS:
        tags.pop(name, None)
    return Span(
        trace_id,
        span_id,
        parent,
        text_of(raw.get("operationName"), losses),
        start_ns,
        None if duration_ns is None else start_ns + duration_ns,
        choice_of(KINDS, _upper(tags.pop("span.kind", None)), losses),
        status,
        status_message=text_of(tags.pop("otel.status_description", None), losses),
        dropped_attributes=count_of(tags.pop("otel.dropped_attributes_count", None), losses),
        attributes=tags,
        events=tuple(_event(log, losses) for log in objects_of(raw.get("logs"), "bad_value", losses)),
        links=links,
        scope=next(filter(None, scopes), ""),
        resource=resource,
        lane=lane_of(tags),
    )


def _resource(process: Json, losses: Losses) -> dict[str, Any]:
    fields = object_of(process, losses)
    name = text_of(fields.get("serviceName"), losses)
    return ({"service.name": name} if name else {}) | _tags(fields.get("tags"), losses)


def _references(
    raw: Mapping[str, Json], trace_id: str, losses: Losses
) -> tuple[str | None, tuple[Link, ...]]:
    """Return the parent (first CHILD_OF inside the trace, else first FOLLOWS_FROM) and the rest as links."""
    references = list(objects_of(raw.get("references"), "bad_value", losses))
    traces = [
        hex_id(one.get("traceID") or trace_id, TRACE_DIGITS, losses, may_be_short=True) for one in references
    ]
    inside = [one for one, trace in zip(references, traces, strict=True) if trace == trace_id]
    parent = min(inside, key=lambda one: one.get("refType") != "CHILD_OF", default=None)
    links = tuple(
        Link(trace, span_id)
        for one, trace in zip(references, traces, strict=True)
        if one is not parent
        and trace
        and (span_id := hex_id(one.get("spanID"), SPAN_DIGITS, losses, may_be_short=True))
    )
    named = parent.get("spanID") if parent else raw.get("parentSpanID")
    return parent_id(named, losses, may_be_short=True), links


def _status(tags: dict[str, Any], losses: Losses) -> str:
    """Take the status out of the tags: ``otel.status_code``, else the older ``error``."""
    code = tags.pop("otel.status_code", None)
    has_error = tags.get("error") in (True, "true")
    status = choice_of(STATUSES, _upper(code), losses) if code is not None else "UNSET"
    if has_error and (code is None or status == "ERROR"):
        del tags["error"]
        return "ERROR"
    return status


def _event(log: Mapping[str, Json], losses: Losses) -> Event:
    fields = _tags(log.get("fields"), losses)
    name = text_of(fields.pop("event", None), losses)
    return Event(name or "log", time_of(log.get("timestamp"), losses, unit_ns=_MICROSECOND_NS) or 0, fields)


def _upper(value: Json) -> Json:
    return value.upper() if isinstance(value, str) else value


def _tags(raw: Json, losses: Losses) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in objects_of(raw, "bad_value", losses):
        key = tag.get("key")
        try:
            value = _TYPES.get(tag.get("type"), _natural)(tag.get("value"))
        except BAD_VALUE:
            losses.add("bad_value")
            continue
        if isinstance(key, str):
            found[key] = _array(value) if key in _ARRAYS else value
        else:
            losses.add("bad_value")
    return found


def _array(value: Any) -> Any:
    try:
        members = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return value
    is_flat = isinstance(members, list) and all(isinstance(member, str) for member in members)
    return tuple(members) if is_flat else value


def _boolean(value: Json) -> bool:
    return {True: True, False: False, "true": True, "false": False}[value]


def _natural(value: Json) -> str | bool | int | float:
    """Return a value whose type JSON itself tells."""
    if isinstance(value, str | bool | int | float):
        return value
    raise TypeError(value)


_TYPES: Final[Mapping[Json, Callable[[Json], Any]]] = {
    "bool": _boolean,
    "int64": integer,
    "float64": float,
    "binary": binary,
}
