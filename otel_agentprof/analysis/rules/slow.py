"""Calls that take long: the ones of a kind that is slow on average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import MOST_RERUNS, if_at_most

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.semconv import Role


def slow_llm(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the model calls that take long on average."""
    for place, (operation, avg_ns) in enumerate(_slow(trace, "llm", config.slow_llm_ms)):
        output = operation.usage.output // len(operation.indices) if operation.usage else 0
        length = f" A call writes {output:,} tokens on average: time grows with them." if output else ""
        yield Finding(
            rule="slow_llm",
            title=f"{operation.name} {_average(operation, avg_ns)}",
            component=operation.name,
            metric="avg_latency_ms",
            value=avg_ns / wording.NS_PER_MS,
            threshold=config.slow_llm_ms,
            suggestion=f"Stream the answer, try a faster model here, or ask for less output.{length}",
            span_ids=trace.ids(slowest_first(trace, operation.indices)),
            **_at_the_limit(trace, operation, config.slow_llm_ms, place),
        )


def slow_tool(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the tools that take long on average."""
    for place, (operation, avg_ns) in enumerate(_slow(trace, "tool", config.slow_tool_ms)):
        slowest_ns = max(trace.times.total[index] for index in operation.indices)
        slowest = (
            f"The slowest call took {wording.duration(slowest_ns)}. " if len(operation.indices) > 1 else ""
        )
        yield Finding(
            rule="slow_tool",
            title=f"Tool {operation.name} {_average(operation, avg_ns)}",
            component=operation.name,
            metric="avg_latency_ms",
            value=avg_ns / wording.NS_PER_MS,
            threshold=config.slow_tool_ms,
            suggestion=f"{slowest}Cache results that repeat, set a timeout, or run it next to other tools.",
            span_ids=trace.ids(slowest_first(trace, operation.indices)),
            **_at_the_limit(trace, operation, config.slow_tool_ms, place),
        )


def slowest_first(trace: Trace, indices: Iterable[int]) -> list[int]:
    """Return spans by their length."""
    return sorted(indices, key=lambda index: -trace.times.total[index])


def _average(operation: Operation, avg_ns: float) -> str:
    return f"takes {wording.duration(avg_ns)} on average{wording.over_calls(len(operation.indices))}"


def _at_the_limit(trace: Trace, operation: Operation, limit_ms: float, place: int) -> dict[str, Any]:
    if place >= MOST_RERUNS:
        return {"derivation": f"no saving computed: only for the {MOST_RERUNS} operations that take longest"}
    limit_ns = limit_ms * wording.NS_PER_MS
    return {
        "saving_ns": if_at_most(trace, operation.indices, limit_ns),
        "derivation": f"this run again, no such call longer than {wording.duration(limit_ns)}",
    }


def _slow(trace: Trace, role: Role, limit_ms: float) -> list[tuple[Operation, float]]:
    """Return the slow operations of a role with their averages, those first that take longest in all."""
    total, limit_ns = trace.times.total, limit_ms * wording.NS_PER_MS
    found: list[tuple[Operation, float, int]] = []
    for operation in _without_fallbacks(trace):
        if operation.role == role:
            total_ns = sum([total[index] for index in operation.indices])
            avg_ns = total_ns / len(operation.indices)
            if avg_ns > limit_ns:
                found.append((operation, avg_ns, total_ns))
    found.sort(key=lambda row: -row[2])
    return [(operation, avg_ns) for operation, avg_ns, _ in found]


def _without_fallbacks(trace: Trace) -> Iterator[Operation]:
    """Yield the operations without the calls that another model was given: ``retry_waste`` tells those."""
    given = {failure.index for failure in trace.failures if failure.is_other_model}
    for operation in trace.operations:
        if given.isdisjoint(operation.indices):
            yield operation
        elif indices := tuple([index for index in operation.indices if index not in given]):
            yield operation._replace(indices=indices)
