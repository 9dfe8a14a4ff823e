"""When each span would start and end: the barriers of a trace, read from its times once and run again.

    agent     |---------------------|      a child starts after all siblings that had ended by then,
      plan      |----|                     plus a gap that is the parent's own time;
      search            |------|           a parent ends after all children, plus a tail that is its own
      lookup            |--|

Definition: critical_path.md section D, on the windows of section C1. A hoisted span starts in the progress
of the span that created it, and its effective parent waits for it. Where lanes are known, a span in another
lane than its parent's waits for its own lane, and for lanes that began and ended in the same gap of it.

Everything goes through *slots*: slot ``i`` is how far span ``i`` has got (its start, then the ends of its
children), further slots are how far a lane below a span has got. A start reads a slot, an end writes some.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_agentprof.analysis.events import Order, event_order
from otel_agentprof.analysis.lane_slots import lane_slots
from otel_agentprof.analysis.windows import windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.analysis.lanes import Lanes
    from otel_agentprof.analysis.windows import Windows
    from otel_agentprof.model.tree import SpanTree


@dataclass(frozen=True, slots=True)
class Forward:
    """The barriers of one trace. Indexed like ``tree.spans``, the last entry is the virtual root.

    Attributes:
        top: The root, or the index of the virtual root: the number of spans.
        events: Starts (an index) and ends (the complement of one), each after all that it depends on.
        starts: Start of each window in ns, as ``ends``.
        parents: Who waits for each span.
        starters: In whose own time each span was started.
        reads: The slot that tells when a span can start.
        gaps: Time of the starter between that and the start.
        second_reads: Slot of the effective parent, and gap, of hoisted spans that the critical path may
            reach in two ways.
        tails: Own time of each span after the last of its children, all of it where there are none.
        lane_writes: Slots beside its parent's that the end of a span writes.
        slot_count: How many slots there are.
        holders: For each span, whose end its start waited for last (-1: only for the starter's start).
        last_children: For each span, whose end its own end waited for last (-1: nobody's).
    """

    top: int
    events: Sequence[int]
    starts: Sequence[int]
    ends: Sequence[int]
    parents: Sequence[int]
    depths: Sequence[int]
    starters: list[int]
    reads: list[int]
    gaps: list[int]
    tails: list[int]
    holders: list[int]
    last_children: list[int]
    second_reads: dict[int, tuple[int, int]] = field(default_factory=dict)
    lane_writes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    slot_count: int = 0

    @property
    def makespan_ns(self) -> int:
        """How long the trace took."""
        return self.ends[self.top] - self.starts[self.top]


def forward(tree: SpanTree, view: Windows | None = None) -> Forward:
    """Return the barriers of a trace.

    Args:
        tree: The spans.
        view: Their windows, if they are known already.
    """
    view = windows(tree) if view is None else view
    order = event_order(tree, view)
    return _Barriers(order, _starters(order, view), tree.starts, view.lanes).read()


def _starters(order: Order, view: Windows) -> tuple[list[int], set[int]]:
    """Return in whose time each span was started, and the spans that the path may reach in two ways.

    Those are hoisted spans that lie on the way down to the creator of another hoisted span.
    """
    starters = list(order.parents)
    spawned = []
    for span in view.hoisted:
        creator = view.creators[span]
        if view.starts[creator] <= view.starts[span] <= view.ends[creator]:
            starters[span] = creator
            spawned.append(span)
    on_the_way: set[int] = set()
    for span in spawned:
        step, waiter = starters[span], order.parents[span]
        while step != waiter and step not in on_the_way:
            on_the_way.add(step)
            step = order.parents[step]
    return starters, on_the_way.intersection(spawned)


class _Barriers:
    """Goes through the events once and writes down what each of them had to wait for."""

    def __init__(
        self,
        order: Order,
        starters: tuple[list[int], set[int]],
        recorded_starts: Sequence[int],
        lanes: Lanes | None,
    ) -> None:
        size = len(order.starts)
        self._order = order
        self._starters, self._reached_twice = starters
        self._recorded_starts = (*recorded_starts, order.starts[-1])
        self._lanes = None if lanes is None else lane_slots(order, (*lanes, None))
        self._values = list(order.starts)
        self._writers = [-1] * size
        self._second_reads: dict[int, tuple[int, int]] = {}
        self._lane_writes: dict[int, tuple[int, ...]] = {}

    def read(self) -> Forward:
        order, lanes, values, writers = self._order, self._lanes, self._values, self._writers
        starts, ends, parents, starters = order.starts, order.ends, order.parents, self._starters
        size, top = len(starts), order.top
        reads, gaps, tails, holders = [-1] * size, [0] * size, [0] * size, [-1] * size
        for event in order.events:
            if event >= 0:
                if event == top:
                    continue
                slot = starters[event]
                if lanes is not None:
                    slot = lanes.start(event, slot)
                reads[event], holders[event] = slot, writers[slot]
                gaps[event] = starts[event] - values[slot]
                if event in self._reached_twice:
                    self._read_second(event)
                continue
            span = ~event
            end = ends[span]
            tails[span] = end - values[span]
            if span == top:
                continue
            slot = parents[span]
            if end > values[slot]:
                values[slot], writers[slot] = end, span
            else:
                self._write(slot, span)
            if lanes is not None and (written := lanes.end(span)):
                self._write_lanes(span, written)
        return Forward(
            top=order.top,
            events=order.events,
            starts=starts,
            ends=ends,
            parents=parents,
            depths=order.depths,
            starters=starters,
            reads=reads,
            gaps=gaps,
            tails=tails,
            holders=holders,
            last_children=writers[:size],
            second_reads=self._second_reads,
            lane_writes=self._lane_writes,
            slot_count=len(values),
        )

    def _read_second(self, span: int) -> None:
        parent, lanes = self._order.parents[span], self._lanes
        slot = parent if lanes is None else lanes.read_by(span, parent)
        self._second_reads[span] = slot, self._order.starts[span] - self._values[slot]

    def _write_lanes(self, span: int, written: tuple[int, ...]) -> None:
        end, values = self._order.ends[span], self._values
        self._lane_writes[span] = written
        for slot in written:
            if slot == len(values):
                values.append(0)
                self._writers.append(-1)
            if end > values[slot]:
                values[slot], self._writers[slot] = end, span
            else:
                self._write(slot, span)

    def _write(self, slot: int, span: int) -> None:
        """Write to a slot that got as far as this already, or that nobody wrote to."""
        # Of several that end together the path takes the one that started first.
        last = self._writers[slot]
        if last < 0 or self._rank(span) < self._rank(last):
            self._values[slot], self._writers[slot] = self._order.ends[span], span

    def _rank(self, span: int) -> tuple[int, int]:
        return self._recorded_starts[span], span
