"""Spans of the OpenTelemetry SDK, as a SpanProcessor gets them, to spans of ours.

Needs no import of the SDK: a ReadableSpan is whatever has its attributes. Runs once per span on the
analysis thread, so nothing is copied twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.errors import AgentProfError
from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.readers.fields import lane_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A process has one or two resources and thousands of spans: each is copied once. The resource itself is kept
# beside its copy, so that its id() stays its own.
_RESOURCES: Final[dict[int, tuple[object, dict[str, Any]]]] = {}
_MAX_RESOURCES: Final = 16
_NO_LANES: Final[Mapping[int, str]] = {}


def span_of(readable: Any, lanes: Mapping[int, str] = _NO_LANES) -> Span:
    """Return a span with the data of an SDK ReadableSpan, ended or still open.

    Args:
        readable: The span.
        lanes: By span id, what was noted beside the spans; the attribute of a span wins.

    Raises:
        AgentProfError: The object is no ReadableSpan, or one without a context.
    """
    try:
        return _span(readable, lanes)
    except AttributeError as error:
        raise AgentProfError(_refusal(readable)) from error


def spans_of(spans: Iterable[Any]) -> tuple[Span, ...]:
    """Return spans of ours for any mixture of SDK ReadableSpans and spans of ours.

    Raises:
        AgentProfError: The argument cannot be iterated over, or holds something else.
    """
    if isinstance(spans, str | bytes) or not hasattr(spans, "__iter__"):
        raise AgentProfError(_refusal(spans))
    return tuple([span if isinstance(span, Span) else span_of(span) for span in spans])


def _span(readable: Any, lanes: Mapping[int, str]) -> Span:
    context, parent, status = readable.context, readable.parent, readable.status
    scope = readable.instrumentation_scope
    name, start_ns, end_ns = readable.name, readable.start_time, readable.end_time
    attributes = _plain(readable.attributes)
    events, links = readable.events, readable.links
    return Span(
        format(context.trace_id, "032x"),
        format(context.span_id, "016x"),
        format(parent.span_id, "016x") if parent is not None and parent.span_id else None,
        name if type(name) is str else str(name),
        # A span that was built and never started has no time at all.
        start_ns if start_ns is not None else end_ns or 0,
        end_ns,
        readable.kind.name,
        status.status_code.name,
        attributes,
        tuple([Event(event.name, event.timestamp, _plain(event.attributes)) for event in events])
        if events
        else (),
        tuple([_link(link) for link in links]) if links else (),
        (scope.name or "") if scope is not None else "",
        _resource(readable.resource),
        lane_of(attributes) or lanes.get(context.span_id),
        status_message=status.description or "",
        dropped_attributes=getattr(readable, "dropped_attributes", 0),
        dropped_events=getattr(readable, "dropped_events", 0),
        dropped_links=getattr(readable, "dropped_links", 0),
        has_remote_parent=parent is not None and parent.is_remote,
    )


def _link(link: Any) -> Link:
    context = link.context
    return Link(format(context.trace_id, "032x"), format(context.span_id, "016x"), _plain(link.attributes))


def _resource(resource: Any) -> dict[str, Any]:
    known = _RESOURCES.get(id(resource))
    if known is not None:
        return known[1]
    attributes = _plain(resource.attributes)
    if len(_RESOURCES) >= _MAX_RESOURCES:
        _RESOURCES.clear()
    _RESOURCES[id(resource)] = (resource, attributes)
    return attributes


def _plain(attributes: Any) -> dict[str, Any]:
    try:
        # The SDK's mapping locks and looks up for each key that is iterated over; its copy() does not.
        copy: dict[str, Any] = attributes.copy()
    except AttributeError:
        return dict(attributes or ())
    return copy


def _refusal(thing: object) -> str:
    hint = "; to analyse a file, give it to otel_agentprof.read()" if isinstance(thing, str | bytes) else ""
    return (
        f"expected spans of the OpenTelemetry SDK (ReadableSpan) or otel_agentprof.model.Span, "
        f"got {type(thing).__name__!r}{hint}"
    )
