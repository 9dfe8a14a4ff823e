"""Spans written as OTLP JSON lines, the format of the Collector's ``file`` exporter.

    {"resourceSpans":[{"resource":{...},"scopeSpans":[{"scope":{...},"spans":[{...},...]}]}]}
    ...one such object per line, of a few hundred spans each

Ids are hex, 64-bit integers decimal strings, enums numbers. Spans keep their order: only neighbours of equal
resource and scope share a group, which repeats no more than a scope's name where scopes take turns.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.readers.otlp_json import REMOTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.model.span import Event, Link, Span

_SPANS_PER_LINE: Final = 512
_KINDS: Final = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_STATUSES: Final = {"OK": 1, "ERROR": 2}
_INT64: Final = range(-(2**63), 2**63)
_MAX_DEPTH: Final = 48  # protobuf refuses 100 nested messages, and each level of an AnyValue is two
_TOO_DEEP: Final = "(nested too deeply)"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def render(spans: Iterable[Span]) -> Iterator[str]:
    r"""Yield lines without their "\n", to be written as UTF-8; equal spans give equal lines.

    Half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD; an integer beyond 64 bits becomes a
    string; a value that OTLP knows nothing of becomes its ``str()``.
    """
    todo = iter(spans)
    while chunk := list(islice(todo, _SPANS_PER_LINE)):
        line = json.dumps({"resourceSpans": _groups(chunk)}, ensure_ascii=False, separators=(",", ":"))
        yield _LONE_SURROGATE.sub("\ufffd", line)


def _groups(spans: list[Span]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    resource: Mapping[str, Any] | None = None
    scope: str | None = None
    for span in spans:
        if span.resource is not resource:
            resource = span.resource
            encoded = {"attributes": _attributes(resource)}
            if not groups or groups[-1]["resource"] != encoded:
                groups.append({"resource": encoded, "scopeSpans": []})
                scope = None
        if span.scope != scope:
            scope = span.scope
            groups[-1]["scopeSpans"].append({"scope": {"name": scope} if scope else {}, "spans": []})
        groups[-1]["scopeSpans"][-1]["spans"].append(_span(span))
    return groups


def _span(span: Span) -> dict[str, Any]:
    attributes = span.attributes
    if span.lane is not None:
        attributes = {**attributes, semconv.LANE: span.lane}
    written: dict[str, Any] = {"traceId": span.trace_id, "spanId": span.span_id}
    if span.parent_span_id is not None:
        written["parentSpanId"] = span.parent_span_id
    written |= {
        "name": span.name,
        "kind": _KINDS.get(span.kind, 1),
        "startTimeUnixNano": str(max(0, span.start_ns)),
    }
    if span.end_ns is not None:
        written["endTimeUnixNano"] = str(max(0, span.end_ns))
    written["attributes"] = _attributes(attributes)
    if span.dropped_attributes:
        written["droppedAttributesCount"] = span.dropped_attributes
    if span.events:
        written["events"] = [_event(event) for event in span.events]
    if span.dropped_events:
        written["droppedEventsCount"] = span.dropped_events
    if span.links:
        written["links"] = [_link(link) for link in span.links]
    if span.dropped_links:
        written["droppedLinksCount"] = span.dropped_links
    if span.has_remote_parent:
        written["flags"] = REMOTE
    written["status"] = _status(span)
    return written


def _event(event: Event) -> dict[str, Any]:
    return {
        "timeUnixNano": str(max(0, event.time_ns)),
        "name": event.name,
        "attributes": _attributes(event.attributes),
    }


def _link(link: Link) -> dict[str, Any]:
    return {"traceId": link.trace_id, "spanId": link.span_id, "attributes": _attributes(link.attributes)}


def _status(span: Span) -> dict[str, Any]:
    status: dict[str, Any] = {"message": span.status_message} if span.status_message else {}
    if span.status in _STATUSES:
        status["code"] = _STATUSES[span.status]
    return status


def _attributes(attributes: Mapping[str, Any], depth: int = 0) -> list[dict[str, Any]]:
    return [{"key": str(key), "value": _value(value, depth)} for key, value in attributes.items()]


def _value(value: Any, depth: int) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):  # before int, which it is too
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(int(value))} if value in _INT64 else {"stringValue": str(int(value))}
    if isinstance(value, float):
        return {"doubleValue": float(value) if math.isfinite(value) else _unbounded(value)}
    return _odd_value(value, depth)


def _odd_value(value: Any, depth: int) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytesValue": base64.b64encode(value).decode("ascii")}
    if depth >= _MAX_DEPTH:
        return {"stringValue": _TOO_DEEP}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _attributes(value, depth + 1)}}
    if isinstance(value, list | tuple | set | frozenset):
        return {"arrayValue": {"values": [_value(member, depth + 1) for member in value]}}
    return {"stringValue": str(value)}


def _unbounded(value: float) -> str:
    """Return the name that protojson has for what JSON has no number for."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
