"""Questions that the processor asks a span of the SDK."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import ReadableSpan

_SPAN_BYTES = 1_500  # an ended span without attributes: the objects that the SDK makes for it
_EVENT_BYTES = 500


def is_local_root(span: ReadableSpan) -> bool:
    """Return whether this process has no span above it: a trace, or our part of it, begins here."""
    parent = span.parent
    return parent is None or parent.is_remote


def is_sampled(span: ReadableSpan) -> bool:
    """Return whether the span may be exported; one that is recorded only must not leave the process."""
    return span.context is not None and span.context.trace_flags.sampled


def is_analysis_span(span: ReadableSpan) -> bool:
    """Return whether a processor like ours made the span."""
    scope = span.instrumentation_scope
    return span.name == semconv.ANALYSIS_SPAN_NAME and scope is not None and scope.name == semconv.SCOPE


def ended_count(spans: Iterable[ReadableSpan]) -> int:
    """Return how many of some spans that count as open have ended without our hearing of it."""
    return sum(span.end_time is not None for span in spans)


def rough_size(span: ReadableSpan) -> int:
    """Return about how many bytes an ended span holds; what is nested in its values is not looked at.

    The public views copy and lock for each attribute, so this reads what is behind them while it is there.
    """
    try:
        inner: Any = span
        size = _SPAN_BYTES + sum(map(getsizeof, inner._attributes._dict.values()))  # noqa: SLF001 - see above
        for event in inner._events._dq:  # noqa: SLF001 - see above
            values = event._attributes._dict.values()  # noqa: SLF001 - see above
            size += _EVENT_BYTES + sum(map(getsizeof, values))
    except AttributeError:  # another SDK than the ones that we know
        return _SPAN_BYTES + _EVENT_BYTES * len(span.events)
    return size
