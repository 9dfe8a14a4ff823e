"""What a trace would save after a change: the run gone through again, never a sum of durations.

All functions return the makespan now minus the makespan then, in ns, and 0 where a change would not help:
what the user does not wait for saves nothing however long it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.costs import priced
from otel_agentprof.analysis.operations import total_usd
from otel_agentprof.analysis.rerun import Change, rerun
from otel_agentprof.analysis.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.tokens import TokenUsage


MOST_RERUNS: Final = 4  # of one rule in one trace: the most promising of what it found
NOT_RUN: Final = "no saving in time computed: this run has others of its kind that promise more"


def if_faster(trace: Trace, factors: Mapping[int, float]) -> int:
    """Return what is saved if the own time of some spans is multiplied by a factor of 1 or less."""
    critical = trace.times.critical
    if not any(critical[index] for index in factors):
        return 0  # the path stays as it is
    return _saved(trace, Change(factors=factors))


def if_at_most(trace: Trace, indices: Iterable[int], limit_ns: float) -> int:
    """Return what is saved if no call of some is longer than a limit; what is inside them shrinks alike."""
    factors: dict[int, float] = {}
    for index in indices:
        total_ns = trace.times.total[index]
        if total_ns > limit_ns:
            factors.update(dict.fromkeys(with_descendants(trace, [index]), limit_ns / total_ns))
    return if_faster(trace, factors)


def if_removed(trace: Trace, indices: Iterable[int]) -> int:
    """Return what is saved if some calls are not made, nor anything inside them."""
    return if_faster(trace, dict.fromkeys(with_descendants(trace, indices), 0.0))


def if_not_tried(trace: Trace, attempts: Iterable[int], retries: Iterable[int]) -> int:
    """Return what is saved without some failed calls, and without the waits before the calls made instead."""
    factors = dict.fromkeys(with_descendants(trace, attempts), 0.0)
    waits = dict.fromkeys(retries, 0.0)
    critical, parents = trace.times.critical, trace.tree.parents
    waiting = {parents[retry] for retry in waits}
    if not any(critical[index] for index in factors) and not any(
        index < 0 or critical[index] for index in waiting
    ):
        return 0
    return _saved(trace, Change(factors=factors, waits=waits))


def if_together(trace: Trace, groups: Sequence[Sequence[int]]) -> int:
    """Return what is saved if the spans of each group start together; each group is of siblings."""
    critical = trace.times.critical
    if not any(critical[index] for group in groups for index in with_descendants(trace, group)):
        return 0
    spans = trace.tree.spans
    selection = Selection(trace.tree, trace.forward)
    try:
        follows = selection.follows([[spans[index].span_id for index in group] for group in groups])
    except ValueError:
        return 0  # what looked like siblings is inside each other, by what the lanes say
    return _saved(trace, Change(follows=follows))


def usd_of(trace: Trace, indices: Iterable[int]) -> Decimal | None:
    """Return what some calls and everything inside them cost; None where no price is known."""
    return total_usd(trace.costs[index] for index in with_descendants(trace, indices))


def usd_by_tokens(trace: Trace, index: int) -> Decimal | None:
    """Return what the tokens of a call cost by the price table, whatever its span says; None where unknown.

    Only that can be compared with what other tokens would cost.
    """
    ledger = trace.ledger
    if ledger.costs_reported[index] is None and not ledger.run_costs:
        return trace.costs[index]  # computed before
    usage = ledger.usage[index]
    return None if usage is None else usd_with(trace, index, usage)


def usd_with(trace: Trace, index: int, usage: TokenUsage, model: str | None = None) -> Decimal | None:
    """Return what a call would have cost with other tokens, or of another model; None for no known price."""
    return priced(trace.tree, trace.ledger, index, usage, trace.price, model)


def with_descendants(trace: Trace, indices: Iterable[int]) -> set[int]:
    """Return some spans and all spans below them."""
    children = trace.tree.children
    todo, found = list(indices), set[int]()
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            todo += children[index]
    return found


def _saved(trace: Trace, change: Change) -> int:
    model = trace.forward
    run = rerun(model, change)
    return max(0, model.makespan_ns - (run.ends[model.top] - run.starts[model.top]))
