"""The starts and ends of a trace in an order in which each comes after everything that it can depend on.

Time gives that order but for events of one instant. There, ends come before starts, children end before
their parents and start after them, and a span of no length lies between the two: after what ended at that
instant beside it, before the end of what is around it.
"""

from __future__ import annotations

from operator import ge, invert
from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof.model.tree import parents_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.analysis.windows import Windows
    from otel_agentprof.model.tree import SpanTree


class Order(NamedTuple):
    """Events in order. Sequences but ``events`` have one entry more than spans: the virtual root's.

    Attributes:
        top: Index of the root; the number of spans for a virtual root.
        events: A start is the index of its span, an end its complement (``~index``); without background. The
            first is the start of the top, the last its end.
        starts: Start of each window, as ``ends``.
        parents: Effective parents; of the top itself its own index.
    """

    top: int
    events: list[int]
    starts: Sequence[int]
    ends: Sequence[int]
    parents: list[int]


def event_order(tree: SpanTree, view: Windows) -> Order:
    """Return the events of a trace in order."""
    size = len(tree.spans)
    top = tree.root if tree.root >= 0 else size
    starts, ends = (*view.starts, tree.start_ns), (*view.ends, tree.end_ns)
    parents = [size if parent < 0 else parent for parent in view.parents]
    parents.append(size)
    parents[top] = top
    spans = _below(tree, view, top)
    if any(map(ge, starts, ends)):
        return Order(top, _sorted(spans, starts, ends, parents), starts, ends, parents)
    times = [*starts, *reversed(ends)]
    # Without instants it is enough that of events of one time ends come first, those of children before those
    # of their parents.
    events = sorted([*map(invert, reversed(spans)), *spans], key=times.__getitem__)
    return Order(top, events, starts, ends, parents)


def depths_of(spans: Iterable[int], parents: Sequence[int]) -> list[int]:
    """Return how many effective parents are above each span.

    Args:
        spans: The top, then the spans below it, each after its parent.
        parents: Effective parents, as in :class:`Order`.
    """
    depths = [-1] * len(parents)
    for span in spans:
        depths[span] = depths[parents[span]] + 1  # the top is its own parent: 0
    return depths


def _below(tree: SpanTree, view: Windows, top: int) -> list[int]:
    """Return the top and everything below it, each span after the one that it was started in."""
    order = tree.top_down if view.creators == tree.parents else parents_first(view.creators)
    off = view.background
    if order and order[0] == top and not off:
        return list(order)
    return [top, *[span for span in order if span != top and span not in off]]


def _sorted(
    spans: list[int], starts: Sequence[int], ends: Sequence[int], parents: Sequence[int]
) -> list[int]:
    """Sort by time; events of one instant by class, those of class 0 by place.

    Classes: 0 ends, and instants inside a span that began earlier; 1 starts; 2 ends of instants that are at
    the very start of a longer span. Places: the deepest first, there ends before instants.

    Every sort is stable and by a key that is at hand, so none of them runs Python code per event.
    """
    depths = depths_of(spans, parents)
    levels = _levels(spans, starts, ends, parents, depths)
    inner = [span for span, level in levels.items() if level is not None]
    apart = frozenset(inner)
    # The entry of an end, ~index, counts from the end of a list: what is written backwards is found there.
    places = [-2 * depth for depth in reversed(depths)]
    if inner:
        places = [-2 * (levels.get(span) or 0) + 1 for span in range(len(starts))] + places
        for span in inner:
            places[~span] = places[span]
    ending = [~span for span in reversed(spans) if span not in levels]
    ending += inner
    ending += [~span for span in reversed(inner)]
    ending.sort(key=places.__getitem__)
    starting = [span for span in spans if span not in apart] if apart else spans
    last = [~span for span in reversed(spans) if span in levels and span not in apart] if levels else []
    times = [*starts, *reversed(ends)]
    return sorted([*ending, *starting, *last], key=times.__getitem__)


def _levels(
    spans: list[int], starts: Sequence[int], ends: Sequence[int], parents: Sequence[int], depths: list[int]
) -> dict[int, int | None]:
    """Return for each instant the depth of the topmost one around it; None at the start of a longer span."""
    levels: dict[int, int | None] = {}
    for span in [span for span in spans if starts[span] >= ends[span]]:
        parent = parents[span]
        if parent in levels:
            levels[span] = levels[parent]
        else:
            levels[span] = depths[span] if span != spans[0] and starts[parent] < starts[span] else None
    return levels
