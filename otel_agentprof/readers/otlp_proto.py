"""OTLP protobuf (ExportTraceServiceRequest, TracesData, Tempo's Trace) in the shape of OTLP JSON.

    1 resource_spans            the three messages differ in name only
       1 resource   2 scope_spans
                       1 scope   2 spans

What becomes of it is decided where JSON is read, so that both give the same spans. Of a message that is
broken or cut off, every part that is whole is kept, down to the single span.
"""

from __future__ import annotations

import base64
import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_FIRST_TAG: Final = 0x0A  # field 1, of known length; in a text it is a line feed
# A message holds tags such as 0x12 in its first bytes; no text has control characters but white space.
_IN_NO_TEXT: Final = frozenset(range(0x20)) - frozenset(b"\t\n\v\f\r\x1b")
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT: Final = 10


def is_message(head: bytes) -> bool:
    """Return whether data that begins so is an OTLP message rather than text."""
    return head[:1] == bytes([_FIRST_TAG]) and not _IN_NO_TEXT.isdisjoint(head)


def document_of(data: bytes, losses: Losses) -> dict[str, Json]:
    """Return one message as the JSON document that it would be; what is broken is counted."""
    broken = importlib.import_module("google.protobuf.message").DecodeError  # it has no types
    from opentelemetry.proto.trace.v1 import trace_pb2  # noqa: PLC0415 - slow import, and few sources are protobuf

    def whole(kind: Any, part: bytes) -> Any:
        try:
            return kind.FromString(part)
        except broken:
            return None

    message = whole(trace_pb2.TracesData, data)
    if message is not None:
        return {"resourceSpans": [_group(group) for group in message.resource_spans]}
    losses.add("cut_proto")
    return {"resourceSpans": list(_salvaged(data, trace_pb2, whole, losses))}


def _salvaged(
    data: bytes, messages: Any, whole: Callable[[Any, bytes], Any], losses: Losses
) -> Iterator[dict[str, Json]]:
    """Yield the groups of a broken message, each with the spans that are whole."""
    for number, part in _fields(data):
        if number != 1:
            continue
        group = whole(messages.ResourceSpans, part)
        if group is not None:
            yield _group(group)
            continue
        resource: dict[str, Json] = {}
        scopes: list[Json] = []
        for inner, piece in _fields(part):
            if inner == 1:
                resource = _owner(getattr(whole(messages.ResourceSpans, _field(1, piece)), "resource", None))
            elif inner == 2:  # noqa: PLR2004 - the number of scope_spans
                scopes.append(_salvaged_scope(piece, messages, whole, losses))
        yield {"resource": resource, "scopeSpans": scopes}


def _salvaged_scope(
    data: bytes, messages: Any, whole: Callable[[Any, bytes], Any], losses: Losses
) -> dict[str, Json]:
    spans: list[Json] = []
    owner: dict[str, Json] = {}
    for number, part in _fields(data):
        if number == 1:
            owner = _owner(getattr(whole(messages.ScopeSpans, _field(1, part)), "scope", None))
        elif number == 2:  # noqa: PLR2004 - the number of spans
            span = whole(messages.Span, part)
            if span is None:
                losses.add("bad_span")
            else:
                spans.append(_span(span))
    return {"scope": owner, "spans": spans}


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of the fields that have a length; the last one may be cut short."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == _DELIMITED:
            size, position = _varint(data, position)
            yield tag >> 3, data[position : position + size]
            position += size
        elif kind == _VARINT:
            _, position = _varint(data, position)
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:  # no field begins so: where the next one is cannot be told
            return


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for place, byte in enumerate(data[position : position + _MAX_VARINT]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that there is more
            return number, position + place + 1
    return 0, len(data)


def _field(number: int, content: bytes) -> bytes:
    """Return a message of one field."""
    size, length = len(content), bytearray()
    while size > 0x7F:  # noqa: PLR2004 - what seven bits hold
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | _DELIMITED, *length, size]) + content


def _group(group: Any) -> dict[str, Json]:
    return {
        "resource": _owner(group.resource),
        "scopeSpans": [
            {"scope": _owner(scope.scope), "spans": [_span(span) for span in scope.spans]}
            for scope in group.scope_spans
        ],
    }


def _owner(message: Any) -> dict[str, Json]:
    """Return a resource or a scope, empty where it could not be read."""
    if message is None:
        return {}
    return {"name": getattr(message, "name", ""), "attributes": _attributes(message.attributes)}


def _span(span: Any) -> dict[str, Json]:
    written: dict[str, Json] = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "attributes": _attributes(span.attributes),
        "droppedAttributesCount": span.dropped_attributes_count,
        "droppedEventsCount": span.dropped_events_count,
        "droppedLinksCount": span.dropped_links_count,
        "flags": span.flags,
        "status": {"code": span.status.code, "message": span.status.message},
    }
    if span.events:
        written["events"] = [
            {
                "timeUnixNano": event.time_unix_nano,
                "name": event.name,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        written["links"] = [
            {
                "traceId": link.trace_id.hex(),
                "spanId": link.span_id.hex(),
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ]
    return written


def _attributes(pairs: Iterable[Any]) -> list[Json]:
    return [{"key": pair.key, "value": _value(pair.value)} for pair in pairs]


def _value(value: Any) -> dict[str, Json]:
    kind = value.WhichOneof("value")
    name, content_of = _VALUES.get(kind, ("", None))
    if content_of is None:  # an empty value, or one of a later version of OTLP
        return {}
    return {name: content_of(getattr(value, kind))}


def _same(content: Any) -> Any:
    return content


_VALUES: Final[Mapping[str | None, tuple[str, Callable[[Any], Json]]]] = {
    "string_value": ("stringValue", _same),
    "bool_value": ("boolValue", _same),
    "int_value": ("intValue", _same),
    "double_value": ("doubleValue", _same),
    "bytes_value": ("bytesValue", lambda content: base64.b64encode(content).decode("ascii")),
    "array_value": ("arrayValue", lambda content: {"values": [_value(member) for member in content.values]}),
    "kvlist_value": ("kvlistValue", lambda content: {"values": _attributes(content.values)}),
}
