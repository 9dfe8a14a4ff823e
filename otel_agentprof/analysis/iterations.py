"""The rounds of each agent: an iteration is a model call directly under one agent span.

chat   |---|
chat   |-----|              beside the one above: the same round
chat           |--|         a second round
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role


def iterations(
    tree: SpanTree, roles: Sequence[Role], llm_calls: Iterable[int]
) -> Mapping[int, tuple[int, ...]]:
    """Return for each agent span its model calls by start, wrappers of a call left out."""
    parents = tree.parents
    found: defaultdict[int, list[int]] = defaultdict(list)
    for index in llm_calls:
        above = parents[index]
        while above >= 0 and roles[above] in semconv.LEAF_ROLES:
            above = parents[above]
        if above >= 0 and roles[above] == "agent":
            found[above].append(index)
    return {agent: tuple(sorted(calls, key=tree.starts.__getitem__)) for agent, calls in found.items()}


def one_after_another(tree: SpanTree, calls: Sequence[int]) -> list[int]:
    """Return the longest row of calls, given by start, of which each began when the one before was over."""
    starts, ends = tree.starts, tree.ends
    by_end = sorted(calls, key=ends.__getitem__)
    found = by_end[:1]
    for call in by_end[1:]:
        if starts[call] >= ends[found[-1]]:
            found += (call,)  # an append is a call, and this is done for each
    return found
