"""Which span really ran inside which, where threads and asyncio tasks were recorded.

    agent      |-----------------|   one task streams an answer and runs a tool in the middle of it:
      stream     |------------|      both hang below the agent, but a task does one thing at a time,
        search       |----|          so the stream was waiting for the search

Definition: critical_path.md section C2, rule 1. A span that starts while a sibling of its own lane is open
is hung below that sibling; if it outlives it, it is hoisted again like any other span.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_agentprof.model.tree import parents_first

if TYPE_CHECKING:
    from otel_agentprof.model.tree import SpanTree

Lanes = tuple[str | None, ...]


def lanes_of(tree: SpanTree) -> Lanes | None:
    """Return the lane of each span, None where no lane was recorded at all."""
    lanes = tuple([span.lane for span in tree.spans])
    return lanes if any(lanes) else None


def nested_by_lane(tree: SpanTree, lanes: Lanes) -> SpanTree:
    """Return the tree with overlapping siblings of one lane below each other."""
    if not _overlap(tree, lanes):
        return tree
    parents = _parents(tree, lanes)
    return replace(tree, parents=parents, top_down=parents_first(parents))


def _overlap(tree: SpanTree, lanes: Lanes) -> bool:
    """Return whether any siblings of one lane overlap: seldom, and finding that out is less work.

    Two that start at the same instant are taken to overlap, although one of them may have no length.
    """
    starts, ends = tree.starts, tree.ends
    for siblings in tree.children:
        if len(siblings) < 2:  # noqa: PLR2004 - one span alone has no sibling
            continue
        free_at: dict[str | None, int] = {}
        for index in siblings:
            lane, start, end = lanes[index], starts[index], ends[index]
            if lane in free_at and start < free_at[lane]:
                return True
            if lane is not None:
                free_at[lane] = end if end > start else start + 1
    return False


def _parents(tree: SpanTree, lanes: Lanes) -> tuple[int, ...]:
    parents, starts, ends = list(tree.parents), tree.starts, tree.ends
    elsewhere = _working_elsewhere(tree, lanes)
    open_siblings: dict[tuple[int, str], list[int]] = {}
    for index in _outer_first(tree):
        lane, parent = lanes[index], tree.parents[index]
        if lane is None or (parent < 0 <= tree.root):  # what is beside the root is nobody's sibling
            continue
        around = open_siblings.get((parent, lane))
        if around is None:
            around = open_siblings[parent, lane] = []
        while around and ends[around[-1]] <= starts[index]:
            around.pop()
        if around and (starts[around[-1]], ends[around[-1]]) != (starts[index], ends[index]):
            parents[index] = around[-1]
        if index not in elsewhere:
            around.append(index)
    return tuple(parents)


def _outer_first(tree: SpanTree) -> list[int]:
    """Return the spans by start; of spans that start together the longest is around the others."""
    order = sorted(range(len(tree.spans)), key=tree.ends.__getitem__, reverse=True)
    order.sort(key=tree.starts.__getitem__)
    return order


def _working_elsewhere(tree: SpanTree, lanes: Lanes) -> set[int]:
    """Return the spans with children in other lanes: their own lane only began them, and was free again.

    So does LangChain's ``batch``: it starts the spans of all inputs, and hands the work to threads then.
    """
    return {
        parent
        for parent, lane in zip(tree.parents, lanes, strict=True)
        if parent >= 0 and lane is not None and lane != lanes[parent]
    }
