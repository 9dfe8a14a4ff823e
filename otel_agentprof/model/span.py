"""One span, wherever it came from: a live program, a file, a tracing backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_agentprof.model.quick_init import quick_init

if TYPE_CHECKING:
    from collections.abc import Mapping


@quick_init
@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one moment of a span's life."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@quick_init
@dataclass(frozen=True, slots=True)
class Link:
    """A pointer to another span, in this trace or in another one."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@quick_init
@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of work with a name, a parent and attributes.

    Attributes:
        trace_id: Lower-case hex, 32 digits.
        span_id: Lower-case hex, 16 digits.
        parent_span_id: Likewise, or None for a span without a parent.
        name: As the tracer gave it; may hold anything, control characters too.
        start_ns: Nanoseconds since the epoch.
        end_ns: Likewise; None for a span that is still open.
        kind: INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER.
        status: UNSET, OK or ERROR.
        scope: Name of the instrumentation scope; it tells dialects apart.
        resource: Attributes of the process that made the span.
        lane: Thread and asyncio task it started in, when recorded.
        status_message: What an ERROR says of itself.
        dropped_attributes: How many attributes the tracer had no room for.
        dropped_events: Likewise events.
        dropped_links: Likewise links.
        has_remote_parent: True where the tracer says that the parent is a span of another process.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start_ns: int
    end_ns: int | None
    kind: str = "INTERNAL"
    status: str = "UNSET"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    scope: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
    lane: str | None = None
    status_message: str = field(default="", kw_only=True)
    dropped_attributes: int = field(default=0, kw_only=True)
    dropped_events: int = field(default=0, kw_only=True)
    dropped_links: int = field(default=0, kw_only=True)
    has_remote_parent: bool = field(default=False, kw_only=True)
