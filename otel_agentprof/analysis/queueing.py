"""A trace with a limit on how many of some spans run at a time: the others queue, first come, first served.

With a limit the order of things is no longer the recorded one, so this goes through the trace by the clock.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.analysis.rerun import Run


def limited(
    model: Forward, run: Run, follows: Mapping[int, int], capped: AbstractSet[int], capacity: int
) -> None:
    """Write into a run when everything starts and ends.

    Args:
        model: The barriers.
        run: Its gaps and tails are read, all else is written.
        follows: Spans that start together with a sibling, and that sibling.
        capped: Spans that take a place while they run; none of them is inside another one.
        capacity: How many places there are.
    """
    graph = _Graph(model, run, follows)
    agenda: list[tuple[int, bool, int]] = [(model.starts[model.top], True, model.top)]
    queue: deque[int] = deque()
    free = capacity
    while agenda:
        now, is_start, node = heappop(agenda)
        event = graph.events[node]
        if is_start and event in capped:
            if not free:
                queue.append(node)
                continue
            free -= 1
        agenda_items = graph.done(node, now, graph.causes[node])
        for item in agenda_items:
            heappush(agenda, item)
        if not is_start and event is not None and ~event in capped:
            free += 1
            if queue:
                free -= 1
                for item in graph.done(queue.popleft(), now, event):
                    heappush(agenda, item)


class _Graph:
    """What waits for what, one node per event and one per moment at which a slot gets further.

    Attributes:
        events: The event of a node; None for a slot.
        causes: The event that a node waited for last, as far as it is known.
    """

    def __init__(self, model: Forward, run: Run, follows: Mapping[int, int]) -> None:
        self.events: list[int | None] = []
        self.causes: list[int] = []
        self._run = run
        self._times: list[int] = []
        self._missing: list[int] = []
        self._followers: list[list[tuple[int, int, int]]] = []  # (node, how much later, in whose time)
        # Starts come first, so that a span's index is the node of its start.
        for span in range(len(model.starts)):
            self._add(span)
        self._connect(model, run, follows)

    def done(self, node: int, now: int, cause: int) -> list[tuple[int, bool, int]]:
        """Note that a node has happened; return (time, is it a start, node) of what it was the last for."""
        event = self.events[node]
        if event is not None:
            self._write(event, now, cause)
            cause = event
        ready = []
        for follower, later, owner in self._followers[node]:
            time = now + later
            if time >= self._times[follower]:
                self._times[follower], self.causes[follower] = time, cause
                follower_event = self.events[follower]
                if follower_event is not None and follower_event >= 0:
                    self._run.owners[follower_event] = owner
            self._missing[follower] -= 1
            if not self._missing[follower]:
                is_start = follower < len(self._run.starts)
                ready.append((self._times[follower], is_start, follower))
        return ready

    def _write(self, event: int, now: int, cause: int) -> None:
        run = self._run
        if event >= 0:
            run.starts[event], run.start_causes[event] = now, cause
        else:
            run.ends[~event], run.end_causes[~event] = now, cause

    def _add(self, event: int | None) -> int:
        self.events.append(event)
        self.causes.append(0)
        self._times.append(-(1 << 200))
        self._missing.append(0)
        self._followers.append([])
        return len(self.events) - 1

    def _join(self, node: int, follower: int, later: int = 0, owner: int = 0) -> None:
        self._followers[node].append((follower, later, owner))
        self._missing[follower] += 1

    def _connect(self, model: Forward, run: Run, follows: Mapping[int, int]) -> None:
        slots = [-1] * model.slot_count
        for event in model.events:
            if event >= 0:
                slots[event] = event
                if event in follows:
                    self._join(follows[event], event, run.gaps[event], model.starters[event])
                elif event != model.top:
                    self._join(slots[model.reads[event]], event, run.gaps[event], model.starters[event])
                    if event in model.second_reads:
                        slot, parent = model.second_reads[event][0], model.parents[event]
                        self._join(slots[slot], event, run.second_gaps[event], parent)
                continue
            span = ~event
            node = self._add(event)
            self._join(slots[span], node, run.tails[span])
            if span == model.top:
                continue
            for slot in (model.parents[span], *model.lane_writes.get(span, ())):
                if slots[slot] < 0:
                    slots[slot] = node
                    continue
                progress = self._add(None)
                self._join(slots[slot], progress)
                self._join(node, progress)
                slots[slot] = progress
