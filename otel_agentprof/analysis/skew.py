"""Spans that began before what they are a part of: clocks that differ, or times that were set by hand.

agent          |------------|
  call            |------|        on this machine
    serve      |------|           on another one, whose clock is behind
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.windows import TOLERANCE_NS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from otel_agentprof.model.tree import SpanTree

_ROUNDING_NS: Final = 2_000_000


def early_spans(tree: SpanTree) -> Mapping[int, int]:
    """Return by how many ns spans start before their parent, or before the root where they have none.

    What two tracers on one clock may differ by is not told: one that cuts times to milliseconds is 1 ms early
    at most, one that rounds them 0.5 ms late, and seconds in floating point are off by some 200 ns.
    """
    starts = (*tree.starts, tree.start_ns)
    return {
        index: starts[parent] - start
        for index, (parent, start) in enumerate(zip(tree.parents, tree.starts, strict=True))
        if starts[parent] - start > _ROUNDING_NS
    }


def before_the_wait(
    tree: SpanTree, early: Mapping[int, int], background: AbstractSet[int]
) -> AbstractSet[int]:
    """Return the background spans that nobody waited for only because they are early, with all below them."""
    found: set[int] = set()
    if early and background:
        latest_ns = tree.end_ns + TOLERANCE_NS
        for index in tree.top_down:
            if index in background and (
                tree.parents[index] in found or (index in early and tree.ends[index] <= latest_ns)
            ):
                found.add(index)
    return found
