"""The rounds of each agent: an iteration is a model call directly under one agent span."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree


def iterations(tree: SpanTree, ledger: Ledger) -> Mapping[int, tuple[int, ...]]:
    """Return for each agent span its model calls by start, wrappers of a call left out."""
    parents, roles, counted = tree.parents, ledger.roles, ledger.counted
    found: defaultdict[int, list[int]] = defaultdict(list)
    for index in [index for index, role in enumerate(roles) if role == "llm" and counted[index]]:
        above = parents[index]
        while above >= 0 and roles[above] in semconv.LEAF_ROLES:
            above = parents[above]
        if above >= 0 and roles[above] == "agent":
            found[above].append(index)
    return {agent: tuple(sorted(calls, key=tree.starts.__getitem__)) for agent, calls in found.items()}
