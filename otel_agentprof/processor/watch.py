"""A look at one span and what is below it, without waiting for the rest of its trace."""

from __future__ import annotations

import threading
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from opentelemetry.trace import format_span_id

from otel_agentprof.processor.left_out import note
from otel_agentprof.processor.spans import ended_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import SpanContext

    from otel_agentprof.config import Config
    from otel_agentprof.model import span as model
    from otel_agentprof.processor.left_out import Limit
    from otel_agentprof.report.report import Report

    Analyser = Callable[[Sequence[model.Span], Sequence[tuple[str, str]]], Report | None]

_POLL_S = 0.01


class Watch:
    """The spans that happen below one span, from now until that span has ended.

    Spans of the same trace that are beside or above it are left out. What is still running below it when it
    ends is in the report too: open, or ended if it has by the time of the first call of :meth:`report`. The
    report's ``data_quality`` says what a limit left out.

        watch = processor.watch(span.get_span_context())
        ...  # the work, in whatever threads and tasks
        span.end()
        report = watch.report()

    Attributes:
        trace_id: The trace of the span.
        dropped_count: Spans that a limit left out.
        is_blind: It will see nothing: the span was started by an ``on_report``.
    """

    def __init__(
        self, watched: SpanContext, config: Config, *, catch_up: Callable[[], None], analyse: Analyser
    ) -> None:
        """Keep spans within the limits of ``config``; ``catch_up`` brings in what has happened so far."""
        self.trace_id = watched.trace_id
        self.dropped_count = 0
        self.is_blind = False
        self._limit: Limit = "spans_per_trace"
        self._span_id = watched.span_id
        self._max_spans = config.max_spans_per_trace
        self._max_size = config.max_bytes
        self._size = 0
        self._catch_up = catch_up
        self._analyse = analyse
        self._spans: list[ReadableSpan] = []
        self._open: dict[int, Span] = {}
        self._lanes: dict[int, str] = {}
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._report: Report | None = None

    def started(self, span: Span, lane: str | None) -> None:
        """Note a span of the trace that starts, in a lane if that is known."""
        if span.context is not None and len(self._open) < self._max_spans:
            self._open[span.context.span_id] = span
            if lane is not None and len(self._lanes) < self._max_spans:
                self._lanes[span.context.span_id] = lane

    def ended(self, span: ReadableSpan, size: int) -> bool:
        """Note an ended span of the trace, of about ``size`` bytes; return whether it is the watched one."""
        span_id = span.context.span_id if span.context is not None else None
        is_watched = span_id == self._span_id
        if span_id is not None:
            self._open.pop(span_id, None)
        self._size += size
        if is_watched or (len(self._spans) < self._max_spans and self._size <= self._max_size):
            self._spans.append(span)
        else:
            self.dropped_count += 1
            self._limit = "spans_per_trace" if len(self._spans) >= self._max_spans else "bytes"
        if is_watched:
            self._is_over.set()
        return is_watched

    def missed(self, count: int, open_spans: Mapping[int, Span]) -> bool:
        """Note ended spans of the trace that never came in; those whose start did are known anyhow.

        Args:
            count: How many.
            open_spans: The spans of the trace that seem to be open, by span id.

        Returns:
            Whether the watched span is one of them.
        """
        watched = open_spans.get(self._span_id)
        has_ended = watched is not None and watched.end_time is not None
        lost = count - has_ended - ended_count(self._open.values())
        if lost > 0:
            self.dropped_count += lost
            self._limit = "queue"
        if watched is not None and has_ended:
            self.ended(watched, 0)
        return has_ended

    def report(self, timeout_s: float = 0.0) -> Report | None:
        """Return the report of the watched span; the same one every time.

        Args:
            timeout_s: How long to wait for the span to end; not needed once its ``end()`` has returned.

        Returns:
            None while the span has not ended, or when it is not recorded, or when the analysis failed.
        """
        if self.is_blind:
            return None
        until = monotonic() + timeout_s
        self._catch_up()
        while not self._is_over.is_set():
            rest_s = until - monotonic()
            if rest_s <= 0:
                return None
            self._is_over.wait(min(rest_s, _POLL_S))
            self._catch_up()
        with self._lock:
            if self._report is None:
                notes = [note(self._limit, self.dropped_count)] if self.dropped_count else []
                self._report = self._analyse(self._subtree(), notes)
            return self._report

    def _subtree(self) -> list[model.Span]:
        from otel_agentprof.readers.sdk import span_of  # noqa: PLC0415 - not needed before the first report

        spans = [span_of(span, self._lanes) for span in (*self._spans, *self._open.values())]
        top_id = format_span_id(self._span_id)
        top = next(span for span in spans if span.span_id == top_id)
        if top.parent_span_id is None:
            return spans  # the whole trace, also what hangs from a span that was not sampled
        below = _descendants(top_id, spans)
        return [replace(top, parent_span_id=None), *(span for span in spans if span.span_id in below)]


def _descendants(top_id: str, spans: Iterable[model.Span]) -> set[str]:
    children: dict[str | None, list[str]] = {}
    for span in spans:
        children.setdefault(span.parent_span_id, []).append(span.span_id)
    found: set[str] = set()
    to_visit = [top_id]
    while to_visit:
        for child in children.pop(to_visit.pop(), ()):
            found.add(child)
            to_visit.append(child)
    return found - {top_id}
