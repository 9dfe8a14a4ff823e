"""Ways out of a span other than its end: spans that were started inside it and outlive it.

agent        |----------------|
  plan         |------|           search is hoisted to the agent: it leaves plan, and what is between
    step         |--|             plan and its creator
      search       |-------|
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from otel_agentprof.analysis.events import depths_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis.forward import Forward

    Front = list[tuple[int, int]]  # (depth that is reached, time), both growing: what is neither is no use


class Exits:
    """The hoisted spans of a trace and when the trace ends by each of them.

    Attributes:
        were_found: Whether there are any.
    """

    def __init__(self, model: Forward) -> None:
        self.were_found = False
        self._model = model
        self._fronts: dict[int, Front] = {}
        self._siblings: dict[int, int] | None = None
        self._depths: list[int] = []

    def add(self, span: int, end: int) -> int:
        """Note a hoisted span and when the trace ends by it; return the sibling inside which it started."""
        self.were_found = True
        model = self._model
        if self._siblings is None:
            self._depths = depths_of([event for event in model.events if event >= 0], model.parents)
            self._siblings = _siblings(model, self._depths)
        _put(self._fronts.setdefault(model.starters[span], []), self._depths[model.parents[span]], end)
        return self._siblings[span]

    def longest(self) -> Iterator[tuple[int, int, int]]:
        """Yield (span, child, time): the trace ends then by what leaves both the span and its child."""
        model, fronts, depths = self._model, self._fronts, self._depths
        for event in reversed(model.events):
            if event < 0 or event == model.top:
                continue
            front = fronts.pop(event, None)
            if front is None:
                continue
            parent = model.parents[event]
            while front and front[-1][0] >= depths[parent]:
                front.pop()
            if not front:
                continue
            yield parent, event, front[-1][1]
            fronts[parent] = _merged(front, fronts.get(parent))


def _merged(one: Front, other: Front | None) -> Front:
    if other is None:
        return one
    small, large = sorted((one, other), key=len)
    for depth, end in small:
        _put(large, depth, end)
    return large


def _put(front: Front, depth: int, end: int) -> None:
    at = bisect_left(front, (depth + 1,))
    if at and front[at - 1][1] >= end:
        return
    if at and front[at - 1][0] == depth:
        at -= 1
    until = at
    while until < len(front) and front[until][1] <= end:
        until += 1
    front[at:until] = [(depth, end)]


def _siblings(model: Forward, depths: Sequence[int]) -> dict[int, int]:
    """Return for each hoisted span the child of its parent inside which it started.

    Goes through the trace depth first with the way down at hand, so that no chain is climbed twice.
    """
    started: dict[int, list[int]] = {}
    children: dict[int, list[int]] = {}
    for event in model.events:
        if event < 0 or event == model.top:
            continue
        children.setdefault(model.parents[event], []).append(event)
        if model.starters[event] != model.parents[event]:
            started.setdefault(model.starters[event], []).append(event)
    found: dict[int, int] = {}
    way: list[int] = []
    todo = [model.top]
    while todo:
        span = todo.pop()
        del way[depths[span] :]
        way.append(span)
        for hoisted in started.get(span, ()):
            found[hoisted] = way[depths[model.parents[hoisted]] + 1]
        todo += children.get(span, ())
    return found
