"""The processor behind ours: paced so that its queue does not overflow, and never waited for too long.

worker --> [ 2,048 spans ] --> exporter      the SDK's batch processor drops spans when it is full, and a
    waits while there is no room             whole trace comes at once

A span that does not fit in is not given to it: it would drop another one or not, by what its exporter takes
meanwhile, and nobody could tell.
"""

from __future__ import annotations

import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.processor.apart import inside
from otel_agentprof.processor.exporter import BoundedSpanExporter
from otel_agentprof.processor.spans import is_sampled

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Iterator, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    from otel_agentprof.processor.failures import Failures

_PATIENCE_S: Final = 1.0  # without any room in the queue: then its exporter is stuck, and reports must go on
_POLL_S: Final = 0.002


class NextProcessor:
    """What is known of the next processor, and how it is treated.

    Attributes:
        forwarded_count: Spans for it, those that did not fit in among them.
        resource: Spans with another one are not for it; None: all are.
    """

    def __init__(self, processor: SpanProcessor, failures: Failures) -> None:
        """Forward to a processor; its errors go to ``failures``."""
        self.forwarded_count = 0
        self.resource: Resource | None = None
        self._processor = processor
        self._failures = failures
        self._members = [(member, _queue_of(member)) for member in _members(processor)]
        self._queues = [queue for _, queue in self._members if queue is not None]
        # So that only an exporter changes a queue between our look at it and what follows. Reentrant, for
        # finalisers and signal handlers end spans too.
        self._lock = threading.RLock()
        self._entering_count = 0  # spans that are about to be in the queue
        exporters = [getattr(member, "span_exporter", None) for member, _ in self._members]
        self._exporters = [one for one in exporters if isinstance(one, BoundedSpanExporter)]
        self._lost_before = sum(exporter.lost_count for exporter in self._exporters)  # as in a forked child
        self._flusher: threading.Thread | None = None

    @property
    def lost(self) -> Mapping[str, int]:
        """Spans that the backend will not have, by reason, as far as that can be known."""
        counts = {
            "next_queue": sum(queue.lost_count for queue in self._queues),
            "export": sum(exporter.lost_count for exporter in self._exporters) - self._lost_before,
        }
        return {reason: count for reason, count in counts.items() if count}

    def forward(self, spans: Iterable[ReadableSpan], *, may_wait: bool) -> None:
        """Give spans to it, but for those that are recorded without being sampled.

        Args:
            spans: Ended spans.
            may_wait: The caller has time: where the queue is full, it may wait until there is room.
        """
        for span in spans:
            if is_sampled(span) and self.takes(span):
                if may_wait:
                    for queue in self._queues:
                        queue.wait_for_room()
                self._give(span)

    def takes(self, span: ReadableSpan) -> bool:
        """Return whether a span is for it."""
        return self.resource is None or span.resource is self.resource

    def _give(self, span: ReadableSpan) -> None:
        if not self._queues:  # it may take its time
            with self._lock:
                self.forwarded_count += 1
            self._end(self._processor, span)
            return
        with self._lock:
            self.forwarded_count += 1
            before = self._entering_count
            self._entering_count += 1  # ahead of the look: what ends on this thread meanwhile has to see it
            try:
                fitting = [member for member, queue in self._members if queue is None or queue.admits(before)]
                for member in fitting if len(fitting) < len(self._members) else (self._processor,):
                    self._end(member, span)
            finally:
                self._entering_count = before

    def _end(self, processor: SpanProcessor, span: ReadableSpan) -> None:
        with self._failures.contained("on_end of the next processor"):
            processor.on_end(span)

    def force_flush(self, timeout_s: float) -> bool:
        """Flush it; return False when that took too long or spans were lost."""
        until, lost_before = monotonic() + timeout_s, self.lost
        # On a thread of its own, because few keep to a time limit. The SDK's own processor knows none here,
        # and tries to send each batch for ten seconds.
        results: list[bool] = []
        if self._flusher is not None:
            self._flusher.join(timeout_s)
            if self._flusher.is_alive():
                return False
        rest_s = max(0.0, until - monotonic())
        self._flusher = threading.Thread(
            target=lambda: results.append(self._flush_on_thread(rest_s)), name="agentprof flush", daemon=True
        )
        try:
            self._flusher.start()
        except RuntimeError:  # none can be started any more once the interpreter is about to end
            self._flusher = None
            results.append(self._flush(rest_s))
        else:
            self._flusher.join(max(0.0, until - monotonic()))
        return results == [True] and self.lost == lost_before

    def hurry(self) -> None:
        """Let nobody wait for a backend that is failing: the process is about to end."""
        for exporter in self._exporters:
            with self._failures.contained("the end of an exporter"):
                exporter.hurry()

    def shutdown(self) -> None:
        """Shut it down."""
        with self._failures.contained("shutdown of the next processor"):
            self._processor.shutdown()

    def _flush_on_thread(self, timeout_s: float) -> bool:
        from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415 - slow import

        with suppress_instrumentation(), inside():
            return self._flush(timeout_s)

    def _flush(self, timeout_s: float) -> bool:
        with self._failures.contained("force_flush of the next processor"):
            # None counts as success: many processors return nothing.
            return self._processor.force_flush(int(timeout_s * 1000)) is not False
        return False


class _Queue:
    """The queue of a batch processor; ``lost_count`` spans met it full."""

    def __init__(self, spans: deque[Any]) -> None:
        self.lost_count = 0
        self._spans = spans
        self._most = spans.maxlen or 0
        self._is_stuck = False

    def admits(self, before: int) -> bool:
        """Return whether a span fits in after so many that are about to enter; count it where it does not."""
        if len(self._spans) + before < self._most:
            return True
        self.lost_count += 1
        return False

    def wait_for_room(self) -> None:
        """Wait until a span fits in; not again after a long time without any room, until there was some."""
        if len(self._spans) >= self._most:
            until = monotonic() + (0.0 if self._is_stuck else _PATIENCE_S)
            while len(self._spans) >= self._most:
                if monotonic() >= until:
                    self._is_stuck = True
                    return
                sleep(_POLL_S)
        self._is_stuck = False


def _members(processor: Any) -> Iterator[Any]:
    """Yield the processors that a processor stands for."""
    several = getattr(processor, "_span_processors", None)
    yield from several if isinstance(several, tuple | list) else (processor,)


def _queue_of(processor: Any) -> _Queue | None:
    """Return the queue of a batch processor of the SDK, which has no public way to ask how full it is."""
    spans: Any = getattr(getattr(processor, "_batch_processor", None), "_queue", None)
    return _Queue(spans) if getattr(spans, "maxlen", None) else None
