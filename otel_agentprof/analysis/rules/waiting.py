"""Calls that wait for others although nothing shows that they must."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import MOST_RERUNS, if_together, is_worthwhile
from otel_agentprof.analysis.sequential import sequential_groups
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from otel_agentprof.analysis.finding import Confidence
    from otel_agentprof.analysis.sequential import SequentialGroup
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

_WHY: Final[Mapping[Confidence, str]] = {
    "proven": "The model asked for all of them in one answer, so none needs the result of another.",
    "likely": "No model call lies between them, so they probably do not need each other's results.",
    "possible": "If none needs the result of another, they can run side by side.",
}


def sequential_group(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the siblings that ran one after another although nothing shows that they had to.

    An agent that runs the tools of each round one after another is one finding, not one per round. What would
    save nothing, since something else is waited for meanwhile, is not told, proven or not.
    """
    for groups in _causes(trace, config):
        saving_ns = if_together(trace, [group.indices for group in groups])
        if is_worthwhile(trace, saving_ns, config):
            yield _finding(trace, groups, saving_ns)


def _causes(trace: Trace, config: Config) -> Iterable[Sequence[SequentialGroup]]:
    """Return groups by cause: the same kind of work in the same place is mended in one."""
    found: defaultdict[object, list[SequentialGroup]] = defaultdict(list)
    for group in sequential_groups(trace, at_least=2, partly=True):
        if group.confidence != "possible" or len(group.indices) >= config.sequential_group:
            found[group.confidence, group.kind, _place(trace, group)].append(group)
    promising = [groups for groups in found.values() if is_worthwhile(trace, _most_ns(groups), config)]
    return sorted(promising, key=_most_ns, reverse=True)[:MOST_RERUNS]


def _place(trace: Trace, group: SequentialGroup) -> str | None:
    parent = trace.tree.parents[trace.doubles.place_of(group.indices[0])]
    return trace.tree.spans[parent].name if parent >= 0 else None


def _most_ns(groups: Iterable[SequentialGroup]) -> int:
    return sum(group.total_ns - group.longest_ns for group in groups)


def _names(trace: Trace, group: SequentialGroup) -> Iterator[str]:
    return (dialects.operation_of(trace.tree.spans[index], group.kind[0]) for index in group.calls)


def _finding(trace: Trace, groups: Sequence[SequentialGroup], saving_ns: int) -> Finding:
    first = groups[0]
    names = wording.listing(Counter(name for group in groups for name in _names(trace, group)))
    total_ns = sum(group.total_ns for group in groups)
    longest_ns = sum(group.longest_ns for group in groups)
    calls = wording.plural(first.kind[0])
    if len(groups) > 1:
        title = f"{len(groups):,} times {calls} ran one after another: {names}"
    elif first.steps < len(first.indices):
        title = f"{len(first.indices):,} {calls} ran in {first.steps:,} batches one after another: {names}"
    else:
        title = f"{len(first.indices):,} {calls} ran one after another: {names}"
    return Finding(
        rule="sequential_group",
        title=title,
        component="sequential_execution",
        metric="parallelizable_time_ms",
        value=(total_ns - longest_ns) / wording.NS_PER_MS,
        threshold=0.0,
        suggestion=(
            f"{_WHY[first.confidence]} Started together (asyncio.gather, a thread pool) they take "
            f"{wording.duration(longest_ns)} instead of {wording.duration(total_ns)}."
        ),
        span_ids=trace.ids(index for group in groups for index in group.indices),
        saving_ns=saving_ns,
        derivation="this run again with these calls started together",
        confidence=first.confidence,
    )
