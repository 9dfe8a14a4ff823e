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

from collections import defaultdict
from operator import sub
from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof.analysis.events import Order, event_order
from otel_agentprof.analysis.lane_slots import lane_slots
from otel_agentprof.analysis.windows import windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.analysis.windows import Windows
    from otel_agentprof.model.tree import SpanTree


class Forward(NamedTuple):
    """The barriers of one trace. Indexed like ``tree.spans``, the last entry is the virtual root.

    Background spans have no events, and no time in ``gaps`` and ``tails``.

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
    starters: list[int]
    reads: list[int]
    gaps: list[int]
    tails: list[int]
    holders: list[int]
    last_children: list[int]
    second_reads: Mapping[int, tuple[int, int]]
    lane_writes: Mapping[int, tuple[int, ...]]
    slot_count: int

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
    return _Barriers(tree, view, order).read()


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
    return starters, _on_the_way(spawned, starters, order)


def _on_the_way(spawned: list[int], starters: Sequence[int], order: Order) -> set[int]:
    """Return the spans that lie between who started a span and who waits for it, and are such a span too."""
    if len(spawned) < 2:  # noqa: PLR2004 - a span does not lie on its own way
        return set()
    passing: defaultdict[int, int] = defaultdict(int)  # how many ways lead through a span, or end there
    for span in spawned:
        passing[starters[span]] += 1
        passing[order.parents[span]] -= 1
    found: set[int] = set()
    for event in order.events[:-1]:  # ends come bottom up: what goes through a span goes on to its parent
        if event < 0 and (ways := passing.get(~event)):
            found.add(~event)
            passing[order.parents[~event]] += ways
    return found.intersection(spawned)


class _Barriers:
    """Goes through the events once and writes down what each of them had to wait for."""

    def __init__(self, tree: SpanTree, view: Windows, order: Order) -> None:
        self._order = order
        self._background = view.background
        self._starters, self._reached_twice = _starters(order, view)
        self._recorded_starts = tree.starts
        self._lanes = None if view.lanes is None else lane_slots(order, (*view.lanes, None))
        self._values = list(order.starts)
        self._writers = [-1] * len(order.starts)
        self._second_reads: dict[int, tuple[int, int]] = {}
        self._lane_writes: dict[int, tuple[int, ...]] = {}

    def read(self) -> Forward:
        top, events, starts, ends, parents = self._order
        lanes, values, writers, starters = self._lanes, self._values, self._writers, self._starters
        size, reached_twice = len(starts), self._reached_twice
        groups: Sequence[int] = () if lanes is None else lanes.group_of
        reads, gaps, holders = list(starters), [0] * size, [-1] * size
        for event in events[1:-1]:  # what is left out is the top's
            if event >= 0:
                slot = starters[event]
                if lanes is not None and (groups[event] >= 0 or slot != parents[event]):
                    slot = reads[event] = lanes.start(event, slot)
                holders[event] = writers[slot]
                gaps[event] = starts[event] - values[slot]
                if event in reached_twice:
                    self._read_second(event)
                continue
            span = ~event
            end, slot = ends[span], parents[span]
            if end > values[slot]:
                values[slot], writers[slot] = end, span
            else:
                self._write(slot, span)
            if lanes is not None:
                lanes.last[slot] = groups[span]
                if groups[span] >= 0:
                    self._write_lanes(span, lanes.end(span))
        return Forward(
            top=top,
            events=events,
            starts=starts,
            ends=ends,
            parents=parents,
            starters=starters,
            reads=reads,
            gaps=gaps,
            tails=self._tails(),
            holders=holders,
            last_children=writers[:size],
            second_reads=self._second_reads,
            lane_writes=self._lane_writes,
            slot_count=len(values),
        )

    def _tails(self) -> list[int]:
        top, _, starts, ends, _ = self._order
        tails = list(map(sub, ends, self._values))  # the slots of spans come first, each as it was at the end
        for span in self._background:
            tails[span] = 0
        if top < len(starts) - 1:
            tails[-1] = 0  # there is no virtual root
        return tails

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
        return self._recorded_starts[span], span  # never the top: that writes to nobody's slot
