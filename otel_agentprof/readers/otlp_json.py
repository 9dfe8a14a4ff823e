"""OTLP JSON, as the Collector, Tempo, Jaeger v3 and protobuf libraries write it, to spans.

    {"resourceSpans": [...]}  {"batches": [...]}  {"trace": {"resourceSpans": [...]}}  {"result": ...}
       resource.attributes                                  one mapping, shared by all its spans
       scopeSpans | instrumentationLibrarySpans
          scope.name
          spans: ids hex or base64, enums by number or name, 64-bit integers as strings or numbers

protojson leaves out what is zero, so a missing field is a zero one: a missing end is a span that never
ended. A start of zero under an end that is a real date is no start: the span gets length zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.readers.any_value import attributes_of
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
    from collections.abc import Iterator, Mapping

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_GROUPS: Final = ("resourceSpans", "batches")
_WRAPPERS: Final = ("trace", "result")
REMOTE: Final = 0x300  # flags: it is known where the parent is, and that is another process
_REAL_DATE_NS: Final = 10**15  # eleven days after the epoch: synthetic traces start at zero and stay below


def groups_of(document: Mapping[str, Json]) -> Json | None:
    """Return the list of resource groups in a document, None where it is no OTLP trace."""
    for holder in (document, *map(document.get, _WRAPPERS)):
        if isinstance(holder, dict):
            for key in _GROUPS:
                if key in holder:
                    return [] if holder[key] is None else holder[key]
    is_group = "scopeSpans" in document or "instrumentationLibrarySpans" in document
    return [document] if is_group else None


def spans_of_groups(groups: Json, losses: Losses) -> Iterator[Span]:
    """Yield the spans of a list of resource groups, in the order in which they are written."""
    for group in objects_of(groups, "bad_group", losses):
        resource = attributes_of(object_of(group.get("resource"), losses).get("attributes"), losses)
        scopes = group.get("scopeSpans", group.get("instrumentationLibrarySpans"))
        for scope in objects_of(scopes, "bad_group", losses):
            owner = object_of(scope.get("scope", scope.get("instrumentationLibrary")), losses)
            name = text_of(owner.get("name"), losses)
            for raw in objects_of(scope.get("spans"), "bad_span", losses):
                span = _span(raw, name, resource, losses)
                if span is not None:
                    yield span


def _span(raw: Mapping[str, Json], scope: str, resource: Mapping[str, Any], losses: Losses) -> Span | None:
    get = raw.get
    trace_id = hex_id(get("traceId"), TRACE_DIGITS, losses)
    span_id = hex_id(get("spanId"), SPAN_DIGITS, losses)
    if trace_id is None or span_id is None:
        losses.add("bad_id")
        return None
    start_ns, end_ns = time_of(get("startTimeUnixNano"), losses), time_of(get("endTimeUnixNano"), losses)
    if start_ns is None and not end_ns:
        losses.add("bad_span")
        return None
    if not start_ns:
        start_ns = _first_moment(end_ns, losses)
    attributes = attributes_of(get("attributes"), losses)
    status = get("status")
    code, message = _status(status, losses) if status else ("UNSET", "")
    events, links = get("events"), get("links")
    return Span(
        trace_id,
        span_id,
        parent_id(get("parentSpanId"), losses),
        text_of(get("name"), losses),
        start_ns,
        # A started span cannot end at the epoch: that zero stands for "not ended".
        None if end_ns == 0 and start_ns else end_ns,
        choice_of(KINDS, get("kind"), losses),
        code,
        attributes,
        _events(events, losses) if events else (),
        _links(links, losses) if links else (),
        scope,
        resource,
        lane_of(attributes),
        status_message=message,
        dropped_attributes=count_of(get("droppedAttributesCount"), losses),
        dropped_events=count_of(get("droppedEventsCount"), losses),
        dropped_links=count_of(get("droppedLinksCount"), losses),
        has_remote_parent=count_of(get("flags"), losses) & REMOTE == REMOTE,
    )


def _first_moment(end_ns: int | None, losses: Losses) -> int:
    if end_ns is None or end_ns < _REAL_DATE_NS:
        return 0
    losses.add("bad_time")
    return end_ns


def _events(raw_events: Json, losses: Losses) -> tuple[Event, ...]:
    return tuple(
        Event(
            text_of(raw.get("name"), losses),
            time_of(raw.get("timeUnixNano"), losses) or 0,
            attributes_of(raw.get("attributes"), losses),
        )
        for raw in objects_of(raw_events, "bad_value", losses)
    )


def _links(raw_links: Json, losses: Losses) -> tuple[Link, ...]:
    links: list[Link] = []
    for raw in objects_of(raw_links, "bad_value", losses):
        trace_id = hex_id(raw.get("traceId"), TRACE_DIGITS, losses)
        span_id = hex_id(raw.get("spanId"), SPAN_DIGITS, losses)
        if trace_id is None or span_id is None:
            losses.add("bad_value")
            continue
        links.append(Link(trace_id, span_id, attributes_of(raw.get("attributes"), losses)))
    return tuple(links)


def _status(raw: Json, losses: Losses) -> tuple[str, str]:
    status = object_of(raw, losses)
    return choice_of(STATUSES, status.get("code"), losses), text_of(status.get("message"), losses)
