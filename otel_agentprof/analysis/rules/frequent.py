"""Calls that are made too often."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.iterations import one_after_another
from otel_agentprof.analysis.saving import MOST_RERUNS, if_removed, usd_of
from otel_agentprof.analysis.sequential import is_transport
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


def too_many_calls(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that are called very often."""
    frequent = [
        (operation.name, _own_calls(trace, operation))
        for operation in trace.operations
        if len(operation.indices) > config.max_calls
    ]
    frequent = [(name, indices) for name, indices in frequent if len(indices) > config.max_calls]
    frequent.sort(key=lambda item: -_total_ns(trace, item[1]))
    for place, (name, indices) in enumerate(frequent):
        beyond = indices[config.max_calls :]
        without = f"without the calls beyond {config.max_calls:,}"
        is_computed = place < MOST_RERUNS
        yield Finding(
            rule="too_many_calls",
            title=f"{name} is called {len(indices):,} times",
            component=name,
            metric="call_count",
            value=float(len(indices)),
            threshold=float(config.max_calls),
            suggestion=(
                f"The calls add up to {wording.duration(_total_ns(trace, indices))}. "
                "Batch them, cache answers that repeat, or stop the loop earlier."
            ),
            span_ids=trace.ids(indices),
            saving_ns=if_removed(trace, beyond) if is_computed else None,
            saving_usd=usd_of(trace, beyond),
            derivation=f"this run again {without}"
            if is_computed
            else f"cost {without}; time only computed for the {MOST_RERUNS} operations that take longest",
        )


def too_many_iterations(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the agents that call their model again and again: calls beside each other are one round."""
    looping: defaultdict[str, dict[int, list[int]]] = defaultdict(dict)
    for agent, calls in trace.iterations.items():
        if len(calls) > config.max_iterations:
            rounds = one_after_another(trace.tree, calls)
            if len(rounds) > config.max_iterations:
                looping[dialects.operation_of(trace.tree.spans[agent], "agent")][agent] = rounds
    for name, agents in looping.items():
        most = max(map(len, agents.values()))
        runs = f", the worst of {len(agents)} such runs" if len(agents) > 1 else ""
        has_more = any(len(rounds) < len(trace.iterations[agent]) for agent, rounds in agents.items())
        many = f"goes {most:,} rounds" if has_more else f"calls the model {most:,} times"
        beyond = [
            index
            for agent, rounds in agents.items()
            for index in _after_round(trace, agent, rounds[: config.max_iterations])
        ]
        yield Finding(
            rule="too_many_iterations",
            title=f"Agent {name} {many} in one run{runs}",
            component=name,
            metric="iteration_count",
            value=float(most),
            threshold=float(config.max_iterations),
            suggestion=(
                "Each round sends the history again. Give the agent a clear stop condition and a limit on "
                "rounds, let it ask for several tools at once, or plan first."
            ),
            span_ids=trace.ids(agents),
            mended_ids=trace.ids(beyond),
            saving_ns=if_removed(trace, beyond),
            saving_usd=usd_of(trace, beyond),
            derivation=f"this run again without the rounds beyond {config.max_iterations:,}",
        )


def _after_round(trace: Trace, agent: int, rounds: Sequence[int]) -> list[int]:
    """Return what an agent did from the first call on that began when some rounds were over."""
    starts, ends, calls = trace.tree.starts, trace.tree.ends, trace.iterations[agent]
    done = set(rounds)
    later = [call for call in calls if not rounds or (starts[call] >= ends[rounds[-1]] and call not in done)]
    since = min([starts[child] for child in _children_around(trace, agent, later)])
    before = _children_around(trace, agent, rounds)
    return [child for child in trace.tree.children[agent] if starts[child] >= since and child not in before]


def _children_around(trace: Trace, agent: int, calls: Sequence[int]) -> set[int]:
    """Return the children of an agent that are calls, wrap them, or show them beside those that do."""
    parents, found = trace.tree.parents, set[int]()
    shown = trace.doubles.whole(calls)
    found.update([index for index in shown if parents[index] == agent])
    for index in [index for index in calls if parents[index] != agent]:
        child = index
        while parents[child] != agent:
            child = parents[child]
        found.add(child)
    return found


def _own_calls(trace: Trace, operation: Operation) -> list[int]:
    return [index for index in operation.indices if not is_transport(trace, index)]


def _total_ns(trace: Trace, indices: Iterable[int]) -> int:
    total = trace.times.total
    return sum([total[index] for index in indices])
