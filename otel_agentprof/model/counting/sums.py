"""Rules about tokens on spans that are no calls: sums, counters and copies (R5, R6, R7, R8, R15).

crew         in=310     nothing below it is a call: its own share is 310 - 290 (R8)
agent      in=290     the data, though nobody knows of which calls (R5)
planner      in=100     a counter of the agent object:
planner      in=150     the second run took 50 (R6)
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from otel_agentprof import semconv
from otel_agentprof.model.counting.draft import LEAF_KINDS
from otel_agentprof.model.counting.ledger import RollUp
from otel_agentprof.model.dialects import agent_name_of, aggregated_of, bare_total_of
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from otel_agentprof.model.counting.draft import Draft

_NOTHING = TokenUsage()


def has_sums(draft: Draft) -> bool:
    """Return whether any span that is no leaf names tokens or money: else R5, R6 and R8 change nothing."""
    leaves = semconv.LEAF_ROLES
    for role, usage, cost in zip(draft.roles, draft.usage, draft.costs, strict=True):
        if (usage is not None or cost is not None) and role not in leaves:
            return True
    return False


def take_differences(draft: Draft) -> None:
    """R6: where tokens are a counter that runs on, a run took what it has beyond the run before it.

    Strands can be told to write each run's own tokens instead, and its spans do not say which they have. So
    a run with more than the one before it is taken for a counter, one with fewer for a new start; it only
    matters where the calls themselves are not in the trace, and the first run is marked as uncertain.
    """
    tree = draft.tree
    runs: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, weight in enumerate(draft.weights):
        dialect, role = draft.dialects[index], draft.roles[index]
        if weight and role in dialect.cumulative:
            span = tree.spans[index]
            runs[dialect.name, role, agent_name_of(span) or span.name].append(index)
    for same in runs.values():
        same.sort(key=lambda index: (tree.ends[index], tree.starts[index], tree.spans[index].span_id))
        written = [draft.usage[index] or _NOTHING for index in same]
        draft.maybe_cumulative.add(same[0])
        for index, before, now in zip(same[1:], written, written[1:], strict=False):
            if now.input >= before.input and now.output >= before.output:  # else the counter began anew
                draft.usage[index] = now.minus(before)


def leave_out_sums(draft: Draft) -> None:
    """R5: tokens of a span that is no leaf are a sum of those below; without any below they are the data.

    R8: among such spans one inside the other, the outer one has what the inner ones leave of its sum.
    """
    tree, roles, usage = draft.tree, draft.roles, draft.usage
    size = len(roles) + 1
    has_leaf = bytearray(size)
    below: list[TokenUsage | None] = [None] * size  # coarse tokens below each span
    below_agents: list[TokenUsage | None] = [None] * size  # those of them that other agents took
    for index in reversed(tree.top_down):
        parent = tree.parents[index]
        written, role = usage[index], roles[index]
        # A rerank may sum up models that it asks; one around another rerank is left out already.
        is_sum = draft.kinds[index] == "rerank" and has_leaf[index] and draft.weights[index]
        if draft.kinds[index] in LEAF_KINDS and not is_sum:
            if written is not None:
                has_leaf[parent] = True
        elif has_leaf[index]:
            _leave_to_leaves(draft, index)
        elif written is not None:
            _leave_to_inner(draft, index, below[index], below_agents[index])
            below[index] = _plus(below[index], usage[index] if draft.weights[index] else None)
        if has_leaf[index]:
            has_leaf[parent] = True
        if below[index] is not None:
            below[parent] = _plus(below[parent], below[index])
            inner = below[index] if role == "agent" else below_agents[index]
            below_agents[parent] = _plus(below_agents[parent], inner)


def _leave_to_leaves(draft: Draft, index: int) -> None:
    cost = draft.costs[index]
    if cost is not None:
        draft.run_costs[index] = cost
        draft.costs[index] = None
    if draft.weights[index]:
        draft.weights[index] = False
        draft.roll_ups.append(index)


def _leave_to_inner(
    draft: Draft, index: int, below: TokenUsage | None, below_agents: TokenUsage | None
) -> None:
    """Take what coarse spans below have off a coarse span, except other agents' where it leaves them out."""
    written = draft.usage[index] or _NOTHING
    if below is not None and below_agents is not None and _leaves_agents_out(draft, index):
        below = below.minus(below_agents)
    draft.coarse.add(index)
    if below is None or not below.total:
        return
    left = written.minus(below)
    draft.costs[index] = None  # it paid for what is below too
    if left.total:
        draft.usage[index] = left
    else:
        draft.weights[index] = False
        draft.coarse.discard(index)
        draft.roll_ups.append(index)


def _leaves_agents_out(draft: Draft, index: int) -> bool:
    dialect = draft.dialects[index]
    return dialect.sums == "own" or draft.roles[index] in dialect.cumulative


def compare_sums(draft: Draft) -> tuple[RollUp, ...]:
    """R15: beside each sum that was left out, what the calls below it say; R7: likewise for marked sums.

    Copies and counters are no sums of what is below, so there is nothing to compare.
    """
    if not draft.roll_ups and True not in draft.summing:
        return ()
    left_out = set(draft.roll_ups)
    checked = left_out.union(index for index, has in enumerate(draft.summing) if has)
    tree = draft.tree
    size = len(tree.spans) + 1
    all_below, own_below = [0] * size, [0] * size
    for index in reversed(tree.top_down):
        usage = draft.usage[index]
        if usage is not None and draft.weights[index]:
            all_below[index] += usage.total
            own_below[index] += usage.total
        parent = tree.parents[index]
        all_below[parent] += all_below[index]
        if draft.roles[index] != "agent":
            own_below[parent] += own_below[index]
    found = []
    for index in sorted(checked):
        said = total = None
        if draft.summing[index]:
            said, total = aggregated_of(tree.spans[index]), bare_total_of(tree.spans[index])
        if said is not None:
            found.append(RollUp(index, said, own_below[index]))
        elif total is not None and draft.kinds[index] not in LEAF_KINDS:
            found.append(RollUp(index, total, all_below[index]))
        elif index in left_out and _is_sum(draft, index):
            usage = draft.usage[index] or _NOTHING
            is_own = draft.dialects[index].sums == "own"
            found.append(RollUp(index, usage.total, (own_below if is_own else all_below)[index]))
    # A sum of its own without a call below it tells of tokens that nobody counted.
    return tuple(entry for entry in found if entry.said and (entry.counted or draft.summing[entry.index]))


def _is_sum(draft: Draft, index: int) -> bool:
    dialect = draft.dialects[index]
    if draft.kinds[index] in LEAF_KINDS:
        return True
    return (
        dialect.sums != "partial"
        and draft.roles[index] not in dialect.cumulative
        and not draft.tree.spans[index].name.startswith(dialect.loose_sums)
    )


def _plus(one: TokenUsage | None, other: TokenUsage | None) -> TokenUsage | None:
    if one is None or other is None:
        return one or other
    return one.plus(other)
