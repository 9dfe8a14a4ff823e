"""Spans that are made inside what we call, such as a callback: they pass by, or it would feed itself.

    on_report --> a span of its own --> on_end --> a report --> on_report --> ...

They are told by the thread they start in and, for what a callback hands to other threads, by their trace.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from otel_agentprof.processor.spans import is_analysis_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

_REMEMBERED: Final = 1_000


class _Here(threading.local):
    is_inside = False


HERE: Final = _Here()  # one for all processors: callbacks of two would feed each other


@contextmanager
def inside() -> Iterator[None]:
    """Do work of ours in here: exports, analyses, callbacks."""
    before, HERE.is_inside = HERE.is_inside, True
    try:
        yield
    finally:
        HERE.is_inside = before


class Apart:
    """The spans that passed by one processor, and may still have children.

    Attributes:
        ids: Of traces that began inside, and of spans that were started inside a trace of the program.
    """

    def __init__(self) -> None:
        self.ids: dict[int, None] = {}

    def has_started(self, span: ReadableSpan) -> bool:
        """Return whether a span that starts here and now is one of them."""
        context, parent = span.context, span.parent
        if context is None or context.trace_id in self.ids:
            return context is not None
        if not HERE.is_inside and (parent is None or parent.span_id not in self.ids):
            return False
        if is_analysis_span(span):  # the buffer knows it
            return False
        self.ids[context.trace_id if parent is None else context.span_id] = None
        if len(self.ids) > _REMEMBERED:
            self.ids.pop(next(iter(self.ids), 0), None)
        return True

    def has_ended(self, span: ReadableSpan) -> bool:
        """Return whether a span that has ended is one of them."""
        context = span.context
        if context is None or not self.holds(context):
            return False
        self.ids.pop(context.span_id, None)
        return True

    def holds(self, context: SpanContext) -> bool:
        """Return whether a span that has not ended yet is one of them."""
        return context.trace_id in self.ids or context.span_id in self.ids
