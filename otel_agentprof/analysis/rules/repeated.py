"""Calls that are made again with the same input."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.repeats import is_fingerprinted
from otel_agentprof.analysis.saving import MOST_RERUNS, NOT_RUN, if_removed, usd_of
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_agentprof.analysis.repeats import Repetition
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.semconv import Role

_GIVEN: Final[Mapping[Role, tuple[str, str]]] = {
    "tool": ("arguments", "sets of arguments"),
    "llm": ("request", "requests"),
}


def repeated_call(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that were called again with the same input."""
    del config  # one call made again is one too many
    operations: defaultdict[tuple[Role, str], list[Repetition]] = defaultdict(list)
    for repetition in trace.repetitions:
        role = trace.ledger.roles[repetition.first]
        name = dialects.operation_of(trace.tree.spans[repetition.first], role)
        operations[role, name].append(repetition)
    times = trace.times
    ranked = sorted(
        operations.items(),
        key=lambda item: [
            -sum(kind[index] for group in item[1] for index in group.again)
            for kind in (times.critical, times.total)
        ],
    )
    for place, ((role, name), groups) in enumerate(ranked):
        yield _finding(trace, role, name, groups, is_run=place < MOST_RERUNS)


def _finding(trace: Trace, role: Role, name: str, groups: Sequence[Repetition], *, is_run: bool) -> Finding:
    again = list(chain.from_iterable(group.again for group in groups))
    calls = list(chain.from_iterable((group.first, *group.again) for group in groups))
    total_ns = sum(trace.times.total[index] for index in again)
    without = f"without the {wording.counted(len(again), 'call')} made again"
    return Finding(
        rule="repeated_call",
        title=_title(role, name, groups),
        component=name,
        metric="repeated_calls",
        value=float(len(again)),
        threshold=0.0,
        suggestion=_suggestion(trace, role, groups, total_ns),
        span_ids=trace.ids(calls),
        mended_ids=trace.ids(again),
        saving_ns=if_removed(trace, again) if is_run else None,
        saving_usd=usd_of(trace, again),
        derivation=f"this run again {without}" if is_run else f"{NOT_RUN}; cost of the calls made again",
        confidence="proven" if all(is_fingerprinted(trace, index) for index in calls) else "likely",
    )


def _title(role: Role, name: str, groups: Sequence[Repetition]) -> str:
    calls = sum(1 + len(group.again) for group in groups)
    given, several = _GIVEN.get(role, ("input", "inputs"))
    if len(groups) == 1:
        return f"{name} was called {calls:,} times with the same {given}"
    return f"{name} was called {calls:,} times with only {len(groups):,} different {several}"


def _suggestion(trace: Trace, role: Role, groups: Sequence[Repetition], total_ns: int) -> str:
    took = f"The calls made again add up to {wording.duration(total_ns)}. "
    if any(_overlap(trace, group) for group in groups):
        remedy = "Some of them run at the same time: let the later ones wait for the answer of the first. "
    else:
        remedy = "Keep the first answer and use it again. "
    if role != "llm":
        return f"{took}{remedy}This is safe if the call changes nothing and its answer holds for the run."
    if any(_is_sampled(trace, index) for group in groups for index in (group.first, *group.again)):
        return (
            f"{took}{remedy}They ask for a temperature above 0: if several different answers are wanted, ask "
            "for them in one request (n) or leave them as they are."
        )
    return f"{took}{remedy}Equal requests of one run need only one answer."


def _overlap(trace: Trace, group: Repetition) -> bool:
    busy_to = trace.tree.ends[group.first]
    for index in group.again:
        if trace.tree.starts[index] < busy_to:
            return True
        busy_to = max(busy_to, trace.tree.ends[index])
    return False


def _is_sampled(trace: Trace, index: int) -> bool:
    temperature = trace.tree.spans[index].attributes.get(semconv.REQUEST_TEMPERATURE)
    return isinstance(temperature, int | float) and temperature > 0
