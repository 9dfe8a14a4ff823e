"""The starts and ends of a trace in an order in which each comes after everything that it can depend on.

Time gives that order but for events of one instant. There, ends come before starts, children end before
their parents and start after them, and a span of no length lies between the two: after what ended at that
instant beside it, before the end of what is around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_agentprof.model.tree import parents_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.analysis.windows import Windows
    from otel_agentprof.model.tree import SpanTree


@dataclass(frozen=True, slots=True)
class Order:
    """Events in order. Sequences but ``events`` have one entry more than spans: the virtual root's.

    Attributes:
        top: Index of the root; the number of spans for a virtual root.
        events: A start is the index of its span, an end its complement (``~index``); without background.
        starts: Start of each window, as ``ends``.
        parents: Effective parents; of the top itself its own index.
        depths: How many effective parents are above each span.
    """

    top: int
    events: Sequence[int]
    starts: Sequence[int]
    ends: Sequence[int]
    parents: Sequence[int]
    depths: Sequence[int]


def event_order(tree: SpanTree, view: Windows) -> Order:
    """Return the events of a trace in order."""
    size = len(tree.spans)
    top = tree.root if tree.root >= 0 else size
    starts, ends = (*view.starts, tree.start_ns), (*view.ends, tree.end_ns)
    parents = [size if parent < 0 else parent for parent in view.parents]
    parents.append(size)
    parents[top] = top
    spans = _below(tree, view, top)
    depths = [0] * (size + 1)
    for span in spans[1:]:
        depths[span] = depths[parents[span]] + 1
    events = _sorted(spans, starts, ends, parents, depths)
    return Order(top, events, starts, ends, parents, depths)


def _below(tree: SpanTree, view: Windows, top: int) -> list[int]:
    """Return the top and everything below it, each span after the one that it was started in."""
    order = tree.top_down if view.creators == tree.parents else parents_first(view.creators)
    off = view.background
    return [top, *(span for span in order if span != top and span not in off)]


def _sorted(
    spans: list[int], starts: Sequence[int], ends: Sequence[int], parents: Sequence[int], depths: list[int]
) -> list[int]:
    """Sort by (time, class, place): one integer each, since there are two of them per span.

    Classes: 0 ends, and instants inside a span that began earlier; 1 starts; 2 ends of instants that are at
    the very start of a longer span. Places of class 0: the deepest first, there ends before instants.
    """
    count = len(spans)
    zero = starts[spans[0]]
    deepest = max(depths) + 1
    places = 2 * count  # of instants at one depth: their starts top-down, then their ends bottom-up
    width = (2 * deepest + 2) * places
    keys: list[tuple[int, int]] = []
    levels: dict[int, int | None] = {}  # of instants: the depth of the topmost, None at the start of a span
    for rank, span in enumerate(spans):
        start, end = starts[span], ends[span]
        time = (start - zero) * 3
        if start < end:
            keys.append(((time + 1) * width + rank, span))
            keys.append(
                ((end - zero) * 3 * width + 2 * (deepest - depths[span]) * places + count - rank, ~span)
            )
            continue
        parent = parents[span]
        if parent in levels:
            level = levels[parent]
        else:
            level = depths[span] if rank and starts[parent] < start else None
        levels[span] = level
        if level is None:
            keys.append(((time + 1) * width + rank, span))
            keys.append(((time + 2) * width + count - rank, ~span))
        else:
            base = time * width + (2 * (deepest - level) + 1) * places
            keys.append((base + rank, span))
            keys.append((base + places - rank, ~span))
    keys.sort()
    return [event for _, event in keys]
