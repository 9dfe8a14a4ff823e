"""The spans of traces that are still running, until each trace is complete or a limit is reached.

    start --+                     +--> complete  its roots have ended, nothing is open or the grace is over
            +--> live[trace_id] --+--> partial   spans are missing: silent for too long, over a limit, the end
    end ----+         |           +--> bare      late, left out, or flushed early: without analysis
                      +--> watches

A trace that is too large keeps the spans that it has, and its root; the others are counted, and its report
says so. Where that makes no room, or there are too many traces, the oldest one goes with what there is of it.

Not thread-safe: the owner holds a lock around every call. Nothing here does I/O or looks at a clock.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet

from otel_agentprof.processor.spans import ended_count, is_analysis_span, is_local_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_agentprof.config import Config
    from otel_agentprof.processor.left_out import Limit
    from otel_agentprof.processor.watch import Watch

Outcome = Literal["complete", "partial", "bare"]
_REMEMBERED = 10_000  # ids of traces handed on: enough to know a late span, small enough to forget about


@dataclass(slots=True, eq=False)
class LiveTrace:
    """One trace that is still running.

    Attributes:
        spans: Ended spans, in the order in which they ended.
        open_spans: Spans that have started and not ended, by span id.
        lanes: Thread and task that each span started in, by span id, as far as known.
        sent: How many of ``spans``, from the front, an early flush has forwarded.
        size: Rough bytes of ``spans``.
        seen: Monotonic time of the last span.
        deadline: When the grace for open spans is over; None while a root is still to end.
        origin: A live span of the trace: it knows the pipeline that it came from.
        limit: The limit that keeps further spans out; None as long as there is room.
        left_out: How many ended spans were not kept.
        has_root: Whether a root was kept beyond the limit.
        is_rooted: A span without a local parent was seen: it is above all others.
        outside: Ids of spans whose local parent never came here: roots, while there is nothing above them.
    """

    spans: list[ReadableSpan] = field(default_factory=list)
    open_spans: dict[int, Span] = field(default_factory=dict)
    lanes: dict[int, str] = field(default_factory=dict)
    sent: int = 0
    size: int = 0
    seen: float = 0.0
    deadline: float | None = None
    origin: Span | None = None
    limit: Limit | None = None
    left_out: int = 0
    has_root: bool = False
    is_rooted: bool = False
    outside: set[int] = field(default_factory=set)

    def is_root(self, span: ReadableSpan) -> bool:
        """Return whether nothing that we see is above a span of the trace that has started."""
        return is_local_root(span) or (span.context is not None and span.context.span_id in self.outside)

    @property
    def has_open_root(self) -> bool:
        """Whether the trace is going on."""
        open_spans = self.open_spans
        return not self.outside.isdisjoint(open_spans) or any(map(is_local_root, open_spans.values()))


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """Spans of one trace that leave the buffer together; see :class:`LiveTrace` for the fields.

    Attributes:
        outside: Ids of spans that are roots though their parent is local.
        is_given_up: A limit ended the watching of the trace, not its own end.
    """

    spans: Sequence[ReadableSpan]
    outcome: Outcome
    open_spans: Sequence[Span] = ()
    sent: int = 0
    size: int = 0
    origin: Span | None = None
    lanes: Mapping[int, str] = field(default_factory=dict)
    limit: Limit | None = None
    left_out: int = 0
    outside: AbstractSet[int] = frozenset()
    is_given_up: bool = False

    @property
    def root(self) -> ReadableSpan | None:
        """The local root that started first, None when none has ended."""
        roots = [
            span
            for span in self.spans
            if is_local_root(span) or (span.context is not None and span.context.span_id in self.outside)
        ]
        return min(roots, key=lambda span: span.start_time or 0) if roots else None


class Buffer:
    """All live traces, and what is ready to leave.

    Attributes:
        live: By trace id, the oldest first.
        ready: What is to be taken with :meth:`take`.
    """

    def __init__(self, config: Config, *, forwards: bool) -> None:
        """Hold traces within the limits of ``config``; ``forwards``: no span may get lost on the way."""
        self.live: dict[int, LiveTrace] = {}
        self.ready: deque[Handover] = deque()
        self.seen_count = 0
        self.late_count = 0
        self.partial_count = 0
        self.dropped: Counter[str] = Counter()
        self._config = config
        self._forwards = forwards
        # Half of the budget is for live traces; the rest is for spans on their way in and out.
        self._max_size = config.max_bytes // 2
        self._size = 0
        self._ready_size = 0
        self._ending: dict[int, None] = {}  # traces with a deadline, the earliest first
        self._handed_on: dict[int, bool] = {}  # whether it was rooted
        self._watches: dict[int, WeakSet[Watch]] = {}
        self._next_scan = 0.0

    @property
    def is_full(self) -> bool:
        """Whether so much is waiting to be taken that nothing more should be fed in."""
        return len(self.ready) > self._config.max_traces or self._ready_size > self._max_size // 2

    def watch(self, watch: Watch) -> None:
        """Show all further spans of its trace to a watch, for as long as somebody holds it."""
        self._watches.setdefault(watch.trace_id, WeakSet()).add(watch)

    def start(self, span: Span, lane: str | None, now: float) -> None:
        """Note that a span has started, in a lane if that is known."""
        context = span.context
        if context is None or is_analysis_span(span):
            return
        trace_id = context.trace_id
        for watch in self._watches.get(trace_id, ()):
            watch.started(span, lane)
        trace = self.live.get(trace_id)
        is_outside = self._is_outside(trace_id, trace, span)
        is_root = is_outside or is_local_root(span)
        if trace is None:
            if trace_id in self._handed_on and not is_root:
                return  # its end will count as late
            trace = self._open(trace_id)
        if is_outside:
            trace.outside.add(context.span_id)
        elif is_root:
            trace.is_rooted = True
        if is_root:  # a second request of the same remote parent: the trace is not about to end any more
            trace.deadline = None
            self._ending.pop(trace_id, None)
        trace.origin = trace.origin or span
        trace.open_spans[context.span_id] = span
        if lane is not None and trace.limit is None:
            trace.lanes[context.span_id] = lane
        trace.seen = now

    def end(self, span: ReadableSpan, size: int, now: float) -> None:
        """Take an ended span of about ``size`` bytes in."""
        context = span.context
        if context is None or is_analysis_span(span):
            self._pass_on(span)
            return
        self.seen_count += 1
        trace_id = context.trace_id
        for watch in tuple(self._watches.get(trace_id, ())):
            if watch.ended(span, size):
                self._watches[trace_id].discard(watch)
        trace = self.live.get(trace_id)
        if trace is None:
            if trace_id in self._handed_on:
                self.late_count += 1
                self._pass_on(span)
                return
            trace = self._open(trace_id)  # it started before we were attached
        self._take(trace_id, trace, span, size)
        trace.seen = now
        self._settle(trace_id, trace, span, now)

    def expire(self, now: float) -> None:
        """Hand on traces whose grace is over, and those that were silent for too long."""
        for trace_id in list(self._ending):
            trace = self.live[trace_id]
            if trace.deadline is None or trace.deadline > now:
                break
            self._hand_on(trace_id, "complete")
        if now < self._next_scan:
            return
        self._next_scan = now + self._config.max_age_s / 4
        for trace_id, trace in list(self.live.items()):
            if now - trace.seen > self._config.max_age_s:
                self._hand_on(trace_id, "partial")
        self._watches = {trace_id: held for trace_id, held in self._watches.items() if len(held)}

    def next_time(self) -> float:
        """Return the monotonic time at which :meth:`expire` has something to do."""
        deadlines = (self.live[trace_id].deadline for trace_id in self._ending)
        return min(next(deadlines, None) or self._next_scan, self._next_scan)

    def flush(self) -> None:
        """Hand on what can be: traces whose root has ended; of others, what the next processor lacks."""
        for trace_id, trace in list(self.live.items()):
            if trace.deadline is not None:
                self._hand_on(trace_id, "complete")
            elif self._forwards and trace.sent < len(trace.spans):
                # The spans stay for the analysis of the whole trace.
                self.ready.append(Handover(trace.spans[trace.sent :], "bare"))
                trace.sent = len(trace.spans)

    def close(self) -> None:
        """Hand on everything: no more spans are expected."""
        for trace_id, trace in list(self.live.items()):
            self._hand_on(trace_id, "partial" if trace.deadline is None else "complete")

    def give_up_all(self, turned_away: Mapping[int, int]) -> None:
        """Hand on every trace as it is: spans of any of them may be missing.

        Args:
            turned_away: Ended spans that never came here, by trace id.
        """
        for trace_id, count in turned_away.items():
            trace = self.live.get(trace_id)
            open_spans = {} if trace is None else trace.open_spans
            for watch in tuple(self._watches.get(trace_id, ())):
                if watch.missed(count, open_spans):
                    self._watches[trace_id].discard(watch)
            lost = max(0, count - ended_count(open_spans.values()))
            self.dropped["queue"] += lost
            if trace is not None:
                trace.left_out += lost
        for trace_id in list(self.live):
            self._give_up(trace_id, "queue")

    def take(self) -> Handover | None:
        """Return what has waited longest for being analysed or forwarded."""
        if not self.ready:
            return None
        handover = self.ready.popleft()
        self._ready_size -= handover.size
        return handover

    def _is_outside(self, trace_id: int, trace: LiveTrace | None, span: Span) -> bool:
        """Return whether a span that starts has a local parent that never came here.

        That is a span of another provider, or one that a sampler dropped. What is dropped in the middle of a
        trace is below its root, so nothing is outside of a trace that has one.
        """
        parent = span.parent
        if parent is None or parent.is_remote:
            return False
        if trace is None:
            return not self._handed_on.get(trace_id, False)
        return not trace.is_rooted and trace.limit is None and parent.span_id not in trace.open_spans

    def _open(self, trace_id: int) -> LiveTrace:
        while self.live and len(self.live) >= self._config.max_traces:
            self._give_up(next(iter(self.live)), "traces")
        self._handed_on.pop(trace_id, None)
        trace = self.live[trace_id] = LiveTrace()
        return trace

    def _take(self, trace_id: int, trace: LiveTrace, span: ReadableSpan, size: int) -> None:
        """Keep a span, or count it where there is no room; one root has room in any case."""
        limit = self._limit_reached(trace_id, trace, size)
        if limit is not None:
            trace.limit = limit
            if trace.has_root or not trace.is_root(span):
                trace.left_out += 1
                self.dropped[limit] += 1
                self._pass_on(span)
                return
            trace.has_root = True
        trace.spans.append(span)
        trace.size += size
        self._size += size

    def _limit_reached(self, trace_id: int, trace: LiveTrace, size: int) -> Limit | None:
        """Return the limit that a span of this size would break, after older traces have made way."""
        if trace.limit is not None or len(trace.spans) >= self._config.max_spans_per_trace:
            return trace.limit or "spans_per_trace"
        while self._size + size > self._max_size:
            oldest = next(iter(self.live))
            if oldest == trace_id:
                return "bytes"
            self._give_up(oldest, "bytes")
        return None

    def _settle(self, trace_id: int, trace: LiveTrace, span: ReadableSpan, now: float) -> None:
        """Find out whether the trace is complete now that ``span`` has ended."""
        if span.context is not None:
            trace.open_spans.pop(span.context.span_id, None)
        trace.is_rooted = trace.is_rooted or is_local_root(span)
        if trace.is_root(span) and not trace.has_open_root:
            trace.deadline = now + self._config.grace_s
            self._ending.pop(trace_id, None)
            self._ending[trace_id] = None
        # Without a root of its own the trace waits for the grace: whatever is above may call again at once,
        # or come in itself, where it started before we were attached.
        if trace.is_rooted and trace.deadline is not None and not trace.open_spans:
            self._hand_on(trace_id, "complete")

    def _hand_on(self, trace_id: int, outcome: Outcome, *, is_given_up: bool = False) -> None:
        trace = self._remove(trace_id)
        if not trace.spans:
            return
        if trace.limit is not None:
            outcome = "partial"
        self.partial_count += outcome == "partial"
        self._ready_size += trace.size
        self.ready.append(
            Handover(
                trace.spans,
                outcome,
                tuple(trace.open_spans.values()),
                trace.sent,
                trace.size,
                trace.origin,
                trace.lanes,
                trace.limit,
                trace.left_out,
                trace.outside,
                is_given_up,
            )
        )

    def _give_up(self, trace_id: int, limit: Limit) -> None:
        trace = self.live[trace_id]
        trace.limit = trace.limit or limit
        self._hand_on(trace_id, "partial", is_given_up=True)

    def _remove(self, trace_id: int) -> LiveTrace:
        trace = self.live.pop(trace_id)
        self._ending.pop(trace_id, None)
        self._size -= trace.size
        self._handed_on[trace_id] = trace.is_rooted
        if len(self._handed_on) > _REMEMBERED:
            del self._handed_on[next(iter(self._handed_on))]
        return trace

    def _pass_on(self, span: ReadableSpan) -> None:
        if self._forwards:
            self.ready.append(Handover((span,), "bare"))
