"""How much later each span could end for nothing, and how much sooner the trace would end without it.

    agent     |------------------|     slack of lookup 7: it may end that much later, search is waited for
      search     |-----------|         drag of search 7: without it lookup would be waited for
      lookup     |---|

Slack is the total float of project planning, drag what Devaux calls so, both of the barriers in ``forward``
and both exact: drag is what ``what_if(tree, {span_id: 0})`` saves. All of them come from one pass backwards
and one forwards, since own time of a span moves nothing outside but its end and what is hoisted out of it.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis.exits import Exits
from otel_agentprof.analysis.forward import forward

if TYPE_CHECKING:
    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.model.tree import SpanTree

_NEVER: Final = -(1 << 200)  # beyond any time; an int, so that no sum loses a nanosecond


def slack(tree: SpanTree, *, model: Forward | None = None) -> dict[str, int]:
    """Return by how many ns each span may end later before the trace does; background spans are left out.

    Args:
        tree: The spans.
        model: The barriers of the tree, if they are known already.
    """
    model = forward(tree) if model is None else model
    rests = _rests(model)
    last, ends = model.ends[model.top], model.ends
    return {
        tree.spans[span].span_id: last - ends[span] - rests.of_ends[span]
        for span in sorted(event for event in model.events if 0 <= event < len(tree.spans))
    }


def drag(tree: SpanTree, *, model: Forward | None = None) -> dict[str, int]:
    """Return by how many ns the trace would be shorter if a span took no time of its own.

    Background spans are left out. A span whose own time is not on the critical path has 0.

    Args:
        tree: The spans.
        model: The barriers of the tree, if they are known already.
    """
    model = forward(tree) if model is None else model
    rests = _rests(model)
    around = _longest_around(model, rests)
    through = _Zeroed(model, rests).longest()
    last = model.ends[model.top]
    return {
        tree.spans[span].span_id: last - max(around[span], through[span])
        for span in sorted(event for event in model.events if 0 <= event < len(tree.spans))
    }


class _Rests(NamedTuple):
    """The longest ways from events to the end of the trace in ns, by span.

    Attributes:
        of_starts: From its start.
        of_ends: From its end.
        of_reads: From the slot that its start reads, by those who read it later.
        of_second_reads: Likewise, for a start that reads a second slot.
        of_own: From its own slot, by those who read it after its end.
        of_writes: From its parent's slot at its end.
        of_lane_writes: From the slots of lanes that its end writes besides.
    """

    of_starts: list[int]
    of_ends: list[int]
    of_reads: list[int]
    of_second_reads: dict[int, int]
    of_own: list[int]
    of_writes: list[int]
    of_lane_writes: dict[int, list[int]]


def _rests(model: Forward) -> _Rests:
    size = len(model.starts)
    slots = [_NEVER] * model.slot_count
    rests = _Rests([0] * size, [0] * size, [_NEVER] * size, {}, [_NEVER] * size, [0] * size, {})
    of_starts, of_ends, of_reads, of_second_reads, of_own, of_writes, of_lane_writes = rests
    parents, reads, gaps, tails = model.parents, model.reads, model.gaps, model.tails
    lane_writes, second_reads, top = model.lane_writes, model.second_reads, model.top
    slots[top] = tails[top]
    for event in model.events[-2:0:-1]:  # without the top's
        if event < 0:
            span = ~event
            rest = of_writes[span] = slots[parents[span]]
            if span in lane_writes:
                told = of_lane_writes[span] = [slots[slot] for slot in lane_writes[span]]
                rest = max(rest, *told)
            of_ends[span] = rest
            of_own[span] = slots[span]
            slots[span] = max(slots[span], rest + tails[span])
            continue
        rest = of_starts[event] = slots[event]
        if event in second_reads:
            slot, gap = second_reads[event]
            of_second_reads[event] = slots[slot]
            slots[slot] = max(slots[slot], gap + rest)
        slot = reads[event]
        of_reads[event] = slots[slot]
        slots[slot] = max(slots[slot], gaps[event] + rest)
    of_starts[top] = slots[top]
    return rests


def _longest_around(model: Forward, rests: _Rests) -> list[int]:
    """Return for each span when the trace would end by whatever does not go through it.

    At the moment of a start, every way through the trace that does not take it is waiting in some slot.
    """
    around = [_NEVER] * len(model.starts)
    waiting = _Waiting(model.slot_count)
    starts, ends, top = model.starts, model.ends, model.top
    parents, reads, lane_writes, second_reads = (
        model.parents,
        model.reads,
        model.lane_writes,
        model.second_reads,
    )
    of_starts, _, of_reads, of_second_reads, of_own, of_writes, of_lane_writes = rests
    waiting.reach(top, starts[top], of_starts[top])
    for event in model.events[1:-1]:  # without the top's
        if event < 0:
            span = ~event
            waiting.rest(span, of_own[span])
            waiting.reach(parents[span], ends[span], of_writes[span])
            if span in lane_writes:
                for slot, rest in zip(lane_writes[span], of_lane_writes[span], strict=True):
                    waiting.reach(slot, ends[span], rest)
            continue
        if event in second_reads:
            waiting.rest(second_reads[event][0], of_second_reads[event])
        waiting.rest(reads[event], of_reads[event])
        around[event] = waiting.longest()
        waiting.reach(event, starts[event], of_starts[event])
    return around


class _Waiting:
    """Ways through the trace by the slot that they are in; knows the longest of them."""

    __slots__ = ("_heap", "_reached", "_totals")

    def __init__(self, slot_count: int) -> None:
        self._reached = [0] * slot_count
        self._totals = [_NEVER] * slot_count
        self._heap: list[tuple[int, int]] = []

    def reach(self, slot: int, time: int, rest: int) -> None:
        """Let a slot have got to a time, with a rest of the way from there."""
        self._reached[slot] = time
        self.rest(slot, rest)

    def rest(self, slot: int, rest: int) -> None:
        """Let the rest of the way from a slot be another one: a reader of it has gone by."""
        if rest == _NEVER:
            self._totals[slot] = _NEVER
            return
        total = self._reached[slot] + rest
        if total != self._totals[slot]:
            self._totals[slot] = total
            heappush(self._heap, (-total, slot))

    def longest(self) -> int:
        """Return the longest total."""
        heap, totals = self._heap, self._totals
        while heap and totals[heap[0][1]] != -heap[0][0]:
            heappop(heap)
        return -heap[0][0] if heap else _NEVER


class _Zeroed:
    """For each span the trace in which that span took no time of its own, as far as this differs.

    Below a span everything keeps its length and only moves; so one pass tells for all spans how far their
    children move. A way through the span then leaves it at its end, or by a span hoisted out of it.
    """

    def __init__(self, model: Forward, rests: _Rests) -> None:
        self._model = model
        self._rests = rests
        size = len(model.starts)
        self._longest = [_NEVER] * size
        self._offsets = [0] * size  # of the start from the parent's start, in the parent's zeroed trace
        self._slots = [0] * model.slot_count
        self._exits = Exits(model)

    def longest(self) -> list[int]:
        """Return when the trace would end by whatever goes through each span."""
        for event in self._model.events:
            if event >= 0:
                self._start(event)
            else:
                self._end(~event)
        if self._exits.were_found:
            for span, child, end in self._exits.longest():
                starts = self._model.starts
                moved = starts[child] - starts[span] - self._offsets[child]
                self._longest[span] = max(self._longest[span], end - moved)
        return self._longest

    def _start(self, span: int) -> None:
        model, slots = self._model, self._slots
        if span == model.top:
            return
        starter, parent = model.starters[span], model.parents[span]
        offset = slots[model.reads[span]]
        if starter != parent:
            rest = self._rests.of_starts[span]
            self._longest[starter] = max(self._longest[starter], model.starts[starter] + offset + rest)
            sibling = self._exits.add(span, model.starts[span] + rest)
            offset = self._offsets[sibling] + model.starts[span] - model.starts[sibling]
            if span in model.second_reads:
                offset = max(offset, slots[model.second_reads[span][0]])
        self._offsets[span] = offset

    def _end(self, span: int) -> None:
        model, slots = self._model, self._slots
        end = model.starts[span] + slots[span] + self._rests.of_ends[span]
        self._longest[span] = max(self._longest[span], end)
        if span == model.top:
            return
        offset = self._offsets[span] + model.ends[span] - model.starts[span]
        for slot in (model.parents[span], *model.lane_writes.get(span, ())):
            slots[slot] = max(slots[slot], offset)
