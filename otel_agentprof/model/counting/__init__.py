"""Which spans of a tree stand for a call, so that no token is counted twice.

    agent            in=300      its tokens repeat those below: left out (R5)
      chat gateway   in=100      wraps the call below: no call of its own (R3)
        chat         in=100      the call
      chat           in=200      the call
      openai.chat    in=200      shows the same response again: no call of its own (R2)

Every span keeps its timing; only one span per call keeps its tokens. R-numbers: dialects.md, section 4.
R1 is what ``model.dialects`` does; R9 is the sum over ``Ledger.usage``; R11 and R12 need nothing: calls with
different response ids are never joined, and a part that is missing is a part without tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.model.counting.calls import (
    join_same_responses,
    join_twins,
    leave_out_covered,
    leave_out_inner_tools,
    leave_out_wrappers,
)
from otel_agentprof.model.counting.draft import LEAF_KINDS, Draft
from otel_agentprof.model.counting.ledger import Ledger, RollUp
from otel_agentprof.model.counting.misplaced import join_logs, split_polluted, take_details
from otel_agentprof.model.counting.sums import compare_sums, has_sums, leave_out_sums, take_differences

if TYPE_CHECKING:
    from otel_agentprof.model.tree import SpanTree

__all__ = ["Ledger", "RollUp", "count"]


def count(tree: SpanTree) -> Ledger:
    """Return the ledger of a tree: roles, and tokens once per call."""
    draft = Draft(tree)
    split_polluted(draft)
    take_details(draft)
    join_logs(draft)
    draft.tell_reranks()
    leaves = [index for index, kind in enumerate(draft.kinds) if kind in LEAF_KINDS]
    join_same_responses(draft, leaves)
    join_twins(draft, leaves)
    present = set(draft.kinds)
    above = set(tree.parents)
    if not above.isdisjoint(leaves):
        for kind in sorted(LEAF_KINDS & present):
            leave_out_wrappers(draft, kind)
        leave_out_covered(draft)
    if has_sums(draft):
        take_differences(draft)
        leave_out_sums(draft)
    if "tool" in present:
        leave_out_inner_tools(draft)
    roll_ups = compare_sums(draft)
    draft.gather()
    return Ledger(
        roles=tuple(draft.roles),
        counted=tuple(draft.counted),
        usage=tuple([usage if has else None for usage, has in zip(draft.usage, draft.weights, strict=True)]),
        models=tuple(draft.models),
        providers=tuple(draft.providers),
        costs_reported=tuple(draft.costs),
        roll_ups=frozenset(draft.roll_ups),
        run_costs=draft.run_costs,
        billed_runs=frozenset(index for index in draft.run_costs if draft.dialects[index].is_billed),
        roll_up_deltas=roll_ups,
        doubles=frozenset(draft.doubles),
        shown_again=draft.shown_again(),
        coarse=frozenset(draft.coarse),
        maybe_cumulative=frozenset(draft.coarse & draft.maybe_cumulative),
        coverage_unknown=frozenset(draft.coverage_unknown),
        reranks=frozenset([index for index in leaves if draft.kinds[index] == "rerank"])
        if "rerank" in present
        else frozenset(),
    )
