"""What a trace would save after a change: the run gone through again, never a sum of durations.

All functions return the makespan now minus the makespan then, in ns, and 0 where a change would not help:
what the user does not wait for saves nothing however long it takes. A call that several spans show
(``analysis.doubles``) changes in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.costs import priced
from otel_agentprof.analysis.operations import total_usd
from otel_agentprof.analysis.rerun import Change, makespan_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from decimal import Decimal

    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.model.tokens import TokenUsage


MOST_RERUNS: Final = 4  # of one rule in one trace: the most promising of what it found
FEW_RERUNS: Final = 2  # likewise, of rules that seldom find more, and tell nothing that they did not compute
NOT_RUN: Final = "no saving in time computed: this run has others of its kind that promise more"


def is_worthwhile(trace: Trace, saving_ns: int, config: Config) -> bool:
    """Return whether a saving is more than nothing, and enough of the run to be told."""
    return saving_ns > 0 and saving_ns >= trace.tree.duration_ns * config.min_saving_ratio


def if_faster(
    trace: Trace, factors: Mapping[int, float], *, kept_gaps: AbstractSet[int] = frozenset()
) -> int:
    """Return what is saved if the own time of some spans is multiplied by a factor of 1 or less.

    Args:
        trace: The trace.
        factors: What the own time of each span is multiplied by.
        kept_gaps: Spans that are started as late as before, although it is in the own time of one of these.
    """
    critical = trace.times.critical
    if not any(map(critical.__getitem__, factors)):
        return 0  # the path stays as it is
    return _saved(trace, Change(factors=factors, kept_gaps=kept_gaps))


def if_at_most(trace: Trace, indices: Iterable[int], limit_ns: float) -> int:
    """Return what is saved if no call of some is longer than a limit; what is inside them shrinks alike."""
    return if_limited(trace, dict.fromkeys(indices, limit_ns))


def if_limited(trace: Trace, limits_ns: Mapping[int, float]) -> int:
    """Return what is saved if no call is longer than a limit of its own; what is inside it shrinks alike.

    A call inside another one shrinks by what the stricter of the two asks for.
    """
    factors: dict[int, float] = {}
    for index, limit_ns in limits_ns.items():
        total_ns = trace.times.total[index]
        if total_ns > limit_ns:
            shrink(factors, _whole_calls(trace, [index]), limit_ns / total_ns)
    return if_faster(trace, factors)


def shrink(factors: dict[int, float], spans: Iterable[int], factor: float) -> None:
    """Give spans a factor of their own time, in place; a stricter one that is there already stays."""
    for index in spans:
        factors[index] = min(factor, factors.get(index, factor))


def if_removed(trace: Trace, indices: Iterable[int]) -> int:
    """Return what is saved if some calls are not made, nor anything inside them."""
    return if_faster(trace, dict.fromkeys(_whole_calls(trace, indices), 0.0))


def if_not_tried(trace: Trace, attempts: Iterable[int], retries: Iterable[int]) -> int:
    """Return what is saved without some failed calls, and without the waits before the calls made instead."""
    factors = dict.fromkeys(_whole_calls(trace, attempts), 0.0)
    waits = dict.fromkeys(trace.doubles.whole(retries), 0.0)
    critical, parents = trace.times.critical, trace.tree.parents
    waiting = {parents[retry] for retry in waits}
    if not any(map(critical.__getitem__, factors)) and not any(
        index < 0 or critical[index] for index in waiting
    ):
        return 0
    return _saved(trace, Change(factors=factors, waits=waits))


def if_together(trace: Trace, groups: Sequence[Sequence[int]], *, at_a_time: int | None = None) -> int:
    """Return what is saved if the calls of each group start together; each group is of siblings.

    Args:
        trace: The trace.
        groups: The calls that are to start together; what already does is left alone.
        at_a_time: How many of them may run at a time, over all groups; None for any number.
    """
    critical = trace.times.critical
    if not any(any(map(critical.__getitem__, _whole_calls(trace, group))) for group in groups):
        return 0
    follows = starting_together(trace, groups)
    if at_a_time is None:
        return _saved(trace, Change(follows=follows))
    capped = _outermost(trace.forward, {trace.doubles.place_of(call) for group in groups for call in group})
    return _saved(trace, Change(follows=follows, capacity=at_a_time, capped=capped))


def usd_of(trace: Trace, indices: Iterable[int]) -> Decimal | None:
    """Return what some calls and everything inside them cost; None where no price is known."""
    return total_usd([trace.costs[index] for index in with_descendants(trace, indices)])


def usd_with(trace: Trace, index: int, usage: TokenUsage, model: str | None = None) -> Decimal | None:
    """Return what a call would have cost with other tokens, or of another model; None for no known price.

    Only what its own tokens cost by the price table can be held against it: ``Trace.cost_by_tokens``.
    """
    return priced(trace.tree, trace.ledger, index, usage, trace.price, model)


def with_descendants(trace: Trace, indices: Iterable[int]) -> set[int]:
    """Return some spans and all spans below them."""
    children = trace.tree.children
    found = set(indices)
    todo = [children[index] for index in found if children[index]]
    while todo:
        for index in todo.pop():
            if index not in found:
                found.add(index)
                if below := children[index]:
                    todo.append(below)
    return found


def _whole_calls(trace: Trace, indices: Iterable[int]) -> set[int]:
    """Return some calls, whatever spans show them, and all spans below those."""
    return with_descendants(trace, trace.doubles.whole(indices))


def starting_together(trace: Trace, groups: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return for each span that is to start together with a sibling the one that starts just before it.

    Where several spans show a call, the siblings are those that stand where it is: ``Doubles.place_of``.
    """
    model, place_of = trace.forward, trace.doubles.place_of
    numbers = {place_of(call): number for number, group in enumerate(groups) for call in group}
    first: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int], int] = {}
    follows: dict[int, int] = {}
    for event in model.events:
        if event not in numbers:
            continue
        key = numbers[event], model.parents[event]  # lanes may have made siblings part
        # What waits for the same as the first does starts with it already, gap and all.
        if model.holders[event] != model.holders[first.setdefault(key, event)]:
            follows[event] = last[key]
        last[key] = event
    return trace.doubles.followed(follows, model)


def _outermost(model: Forward, indices: AbstractSet[int]) -> frozenset[int]:
    """Return the spans that are inside no other of them: what is inside takes no place of its own."""
    found, inside = set[int](), set[int]()
    for event in model.events:
        if event < 0:
            continue
        parent = model.parents[event]
        if event != parent and (parent in found or parent in inside):
            inside.add(event)
        elif event in indices:
            found.add(event)
    return frozenset(found)


def _saved(trace: Trace, change: Change) -> int:
    return max(0, trace.forward.makespan_ns - makespan_ns(trace.forward, change))
