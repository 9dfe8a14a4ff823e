"""The SpanProcessor: it takes spans in as cheaply as it can, and leaves all work to its worker thread.

    on_start, on_end --> queue --> Buffer --> analysis --> enriched spans | analysis span | on_report
    user's threads             |            worker thread

The user's threads only append to a queue, and take no lock unless it is full: spans are also ended by
finalisers, which run anywhere, even in the middle of a block that holds the lock.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import Counter, deque
from os import getpid
from time import monotonic, thread_time, time_ns
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor

from otel_agentprof import semconv
from otel_agentprof.config import Config
from otel_agentprof.instrumentation import fingerprints
from otel_agentprof.optimize.span_listeners import LISTENERS
from otel_agentprof.processor.apart import HERE, Apart, inside
from otel_agentprof.processor.buffer import Buffer
from otel_agentprof.processor.failures import Failures
from otel_agentprof.processor.lanes import LANES
from otel_agentprof.processor.metrics import Meters
from otel_agentprof.processor.next_processor import NextProcessor
from otel_agentprof.processor.outlet import Outlet
from otel_agentprof.processor.spans import rough_size
from otel_agentprof.processor.stats import ProcessorStats
from otel_agentprof.processor.watch import Watch
from otel_agentprof.processor.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import SpanContext, Tracer

    from otel_agentprof.report.report import Report

    # started, with its lane and the time | ended, with its size | from now on
    Entry = tuple[Span, str | None, int] | tuple[ReadableSpan, int] | Watch

_MAX_ENTRIES = 100_000  # spans that start and spans that end
_WAKE_AT = 1_024  # entries after which the worker is woken though no trace has ended
_LIVE_NS = 1_000_000_000  # between a start and our hearing of it, at most
_SHORTEST_WAIT_S = 0.01
_LONGEST_WAIT_S = 30.0
_SHUTDOWN_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0


class AgentProfSpanProcessor(SpanProcessor):
    """Makes a report of every trace that passes by.

    Alone it is *drop-in*: it touches no span, and adds one span ``agentprof.analysis`` to each trace of two
    or more. With ``next`` it *owns* the way to that processor: a trace is held back until it is complete and
    then forwarded as enriched copies.

        provider.add_span_processor(AgentProfSpanProcessor(next=BatchSpanProcessor(OTLPSpanExporter())))
    """

    def __init__(
        self,
        next: SpanProcessor | None = None,  # noqa: A002 - the name that users write; nothing here iterates
        *,
        on_report: Callable[[Report], object] | None = None,
        config: Config | None = None,
    ) -> None:
        """Analyse traces.

        Args:
            next: Where to forward the spans to.
            on_report: Called with each report on a thread of ours; its exceptions are logged and go nowhere.
                Spans that it makes go on to the next processor as they are: no report knows them.
            config: Limits and switches; by default as the environment says.
        """
        self._next = next
        self._next_on_ending = getattr(next, "_on_ending", None)
        self._on_report = on_report
        self._config = config if config is not None else Config.from_env()
        self._forwarded_resource: Resource | None = None
        self._tracer: Tracer | None = None
        self._meter_provider: MeterProvider | None = None
        self._is_shut_down = False
        # A quarter of the bytes may wait here; the rest is the buffer's.
        self._max_waiting_size = self._config.max_bytes // 4
        self._worker = Worker(self._run)
        self._reset()
        _outlive_forks(self)
        self._flush_at_exit = _flush_at_exit(self)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note a span that starts, and tell the next processor."""
        try:
            if getpid() != self._pid:
                self._after_fork()
            for listener in LISTENERS.present:
                listener.started(span)
            if len(self._entries) >= _MAX_ENTRIES:
                self._has_overflowed = True
            elif not (HERE.is_inside or self._apart.ids) or not self._apart.has_started(span):
                lane = LANES.current(span)
                self._entries.append((span, lane, time_ns()))
                if lane is not None:
                    scope = span.instrumentation_scope
                    if scope is not None and scope.name == semconv.SCOPE:
                        span.set_attribute(semconv.LANE, lane)
            if self._next is not None:
                self._next.on_start(span, parent_context)
        except Exception as error:  # noqa: BLE001 - the guard: nothing goes up into the user's code
            self._failures.record("on_start", error)

    def _on_ending(self, span: Span) -> None:
        if self._next_on_ending is not None:
            with self._failures.contained("on_ending of the next processor"):
                self._next_on_ending(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Take an ended span in; the worker is woken when its trace may be complete."""
        try:
            for listener in LISTENERS.present:
                listener.ended(span)
            if self._apart.ids and self._apart.has_ended(span):
                self._let_pass(span)
                return
            is_full = len(self._entries) >= _MAX_ENTRIES or self._waiting_size > self._max_waiting_size
            if is_full or self._is_shut_down:
                self._turn_away(span)
                return
            size = rough_size(span)
            # Two threads at once may lose one addition; the worker sets it to zero again and again.
            self._waiting_size += size
            self._entries.append((span, size))
            if not self._worker.is_woken and self._is_urgent(span):
                self._worker.wake()
            if self._worker.is_stopped:  # meanwhile: nobody else will look at the queue
                self._run()
        except Exception as error:  # noqa: BLE001 - the guard: nothing goes up into the user's code
            self._failures.record("on_end", error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Analyse and forward what has ended; return False if that took longer than ``timeout_millis``.

        Of a trace that is still running the next processor gets what there is, as it is; its spans stay here
        too, for the report of the whole. Without next processor there is nothing to be done about it yet.
        """
        return self._flush(self._buffer.flush, timeout_millis / 1000)

    def shutdown(self) -> None:
        """Analyse and forward everything, traces that are still running too; then end the worker."""
        with self._lock:
            if self._is_shut_down:
                return
            self._is_shut_down = True
        atexit.unregister(self._flush_at_exit)
        if self._way_on is not None:
            self._way_on.hurry()
        self._drain()
        self._worker.stop(_STOP_TIMEOUT_S)
        self._run()  # what came in between the two
        if self._way_on is not None:
            self._way_on.shutdown()
            self._tell_meters(0.0)  # of what the last export lost

    def bind(self, tracer: Tracer) -> None:
        """Send analysis spans through this tracer, not through the pipeline that each trace came from."""
        self._tracer = tracer
        self._outlet.tracer = tracer

    def measure_with(self, meter_provider: MeterProvider | None) -> None:
        """Record metrics there; None: with the global meter provider, if one is set up."""
        self._meter_provider = self._outlet.meters.provider = meter_provider

    def forward_only(self, resource: Resource) -> None:
        """Forward only what has this very resource: spans of other providers have exporters of their own."""
        self._forwarded_resource = resource
        if self._way_on is not None:
            self._way_on.resource = resource

    def watch(self, span_context: SpanContext) -> Watch:
        """Return a watch on a span that has just started, also one inside a trace that goes on after it."""
        watch = Watch(
            span_context,
            self._config,
            catch_up=self._take_in,
            analyse=self._outlet.analyse,
        )
        watch.is_blind = self._apart.holds(span_context)
        if len(self._entries) < _MAX_ENTRIES:
            self._entries.append(watch)
        return watch

    @property
    def on_report(self) -> Callable[[Report], object] | None:
        """What is called with each report; may be changed at any time.

        Spans that it makes, and what it starts in other threads below them, are not analysed: they pass to
        the next processor as they are, so that a callback cannot feed itself.
        """
        return self._on_report

    @on_report.setter
    def on_report(self, callback: Callable[[Report], object] | None) -> None:
        self._on_report = self._outlet.on_report = callback

    @property
    def stats(self) -> ProcessorStats:
        """The counters of this moment."""
        buffer = self._buffer
        dropped = buffer.dropped + self._outlet.skipped
        return ProcessorStats(
            seen=buffer.seen_count + self._turned_away_count,
            forwarded=0 if self._way_on is None else self._way_on.forwarded_count,
            late=buffer.late_count,
            dropped=dict(dropped),
            lost={} if self._way_on is None else self._way_on.lost,
            partial=buffer.partial_count,
            reports=self._outlet.report_count,
            failures=self._failures.count,
            without_fingerprint=fingerprints.without(),
        )

    def _reset(self) -> None:
        self._pid = getpid()
        # Reentrant, because a signal handler may flush while the interrupted thread already holds it.
        self._lock = threading.RLock()
        self._entries: deque[Entry] = deque()
        self._waiting_size = 0
        self._has_overflowed = False
        self._turned_away_count = 0
        self._turned_away: Counter[int] = Counter()  # for lack of room, since the last time, by trace id
        self._apart: Apart = Apart()
        self._failures: Failures = Failures()
        self._way_on = None if self._next is None else NextProcessor(self._next, self._failures)
        if self._way_on is not None:
            self._way_on.resource = self._forwarded_resource
        self._outlet = Outlet(
            self._way_on,
            self._on_report,
            self._config,
            self._failures,
            self._tracer,
            Meters(self._meter_provider),
        )
        self._buffer = Buffer(self._config, forwards=self._next is not None)

    def _after_fork(self) -> None:
        """Begin anew in a child: its copy of the spans belongs to the parent, and the worker is not there."""
        LANES.renew_after_fork()
        self._reset()
        self._worker.reset()

    def _is_urgent(self, span: ReadableSpan) -> bool:
        parent = span.parent
        if parent is None or parent.is_remote or len(self._entries) >= _WAKE_AT:
            return True
        if self._waiting_size > self._max_waiting_size // 2 or span.context is None:
            return True
        # The last child after its root, or a late one.
        trace = self._buffer.live.get(span.context.trace_id)
        if trace is None or trace.deadline is not None:
            return True
        return bool(trace.outside) and span.context.span_id in trace.outside

    def _turn_away(self, span: ReadableSpan) -> None:
        """Let a span pass for which there is no room, or no worker any more."""
        with self._lock:
            self._turned_away_count += 1
            if not self._is_shut_down:
                trace_id = 0 if span.context is None else span.context.trace_id
                has_room = len(self._turned_away) < self._config.max_traces
                self._turned_away[trace_id if has_room else 0] += 1
                # We cannot know what else is missing in the traces that are running now.
                self._has_overflowed = True
        self._let_pass(span)

    def _let_pass(self, span: ReadableSpan) -> None:
        if self._way_on is not None:
            self._way_on.forward((span,), may_wait=False)

    def _finish(self) -> None:
        """Analyse and forward everything, running traces too: the process is about to end."""
        if self._way_on is not None:
            self._way_on.hurry()
        self._drain()
        if self._way_on is not None:
            self._way_on.force_flush(_SHUTDOWN_TIMEOUT_S)

    def _drain(self) -> None:
        """Hand everything on; what is not analysed after half of the time goes on as it is."""
        if not self._settle(self._buffer.close, _SHUTDOWN_TIMEOUT_S / 2):
            self._outlet.has_no_time = True
            self._worker.run_now(_SHUTDOWN_TIMEOUT_S / 2)

    def _flush(self, hand_on: Callable[[], None], timeout_s: float) -> bool:
        until = monotonic() + timeout_s
        is_flushed = self._settle(hand_on, timeout_s)
        if self._way_on is None:
            return is_flushed
        return self._way_on.force_flush(max(0.0, until - monotonic())) and is_flushed

    def _settle(self, hand_on: Callable[[], None], timeout_s: float) -> bool:
        self._take_in()
        with self._lock:
            hand_on()
        # A callback that flushes runs on the worker itself, which cannot wait for itself.
        return self._worker.is_current_thread or self._worker.run_now(timeout_s)

    def _run(self) -> float:
        """Do all that is to be done; return the seconds until there may be more. The job of the worker."""
        with self._failures.contained("the worker"), inside():
            began_s = thread_time()
            self._let_out()
            self._take_in()
            self._let_out()
            self._tell_meters(thread_time() - began_s)
            with self._lock:
                wait_s = self._buffer.next_time() - monotonic()
            return min(max(wait_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
        return _LONGEST_WAIT_S

    def _tell_meters(self, seconds: float) -> None:
        with self._failures.contained("the metrics of the processor"):
            self._outlet.meters.tell(lambda: self.stats, seconds)

    def _let_out(self) -> None:
        """Finish what was ready when this began, and no more: somebody may be waiting for a flush."""
        for _ in range(len(self._buffer.ready)):
            with self._lock:
                handover = self._buffer.take()
            if handover is not None:
                self._outlet.finish(handover)

    def _take_in(self) -> None:
        """Move what is in the queue to the buffer."""
        with self._lock:
            buffer, entries, now = self._buffer, self._entries, monotonic()
            if buffer.is_full:  # the worker is stuck in a callback: then the limits of the queue protect us
                return
            has_overflowed, self._has_overflowed = self._has_overflowed, False
            self._waiting_size = 0
            for _ in range(len(entries)):
                _feed(buffer, entries.popleft(), now)
            if has_overflowed:
                buffer.give_up_all(self._turned_away)
                self._turned_away.clear()
            if self._is_shut_down:
                buffer.close()
            buffer.expire(now)


def _feed(buffer: Buffer, entry: Entry, now: float) -> None:
    if isinstance(entry, Watch):
        buffer.watch(entry)
        return
    if len(entry) == 2:  # noqa: PLR2004 - an end
        buffer.end(*entry, now)
        return
    span, lane, started_ns = entry
    # A span that was made with a start time of its own did not start where it was made.
    is_live = abs((span.start_time or 0) - started_ns) < _LIVE_NS
    buffer.start(span, lane if is_live else None, now)


def _outlive_forks(processor: AgentProfSpanProcessor) -> None:
    if hasattr(os, "register_at_fork"):
        after_fork = weakref.WeakMethod(processor._after_fork)  # noqa: SLF001 - part of the class, beside it

        def in_child() -> None:
            if method := after_fork():
                method()

        os.register_at_fork(after_in_child=in_child)


def _flush_at_exit(processor: AgentProfSpanProcessor) -> Callable[[], None]:
    """Flush when the interpreter ends; a provider with a thread pool of its own fails to shut us down."""
    finish = weakref.WeakMethod(processor._finish)  # noqa: SLF001 - part of the class, beside it

    def at_exit() -> None:
        if method := finish():
            method()

    atexit.register(at_exit)
    return at_exit
