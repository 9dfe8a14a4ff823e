"""Calls that take long: the ones of a kind that is slow on average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.ancestry import above
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import MOST_RERUNS, if_at_most, if_faster, shrink, with_descendants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.semconv import Role

_NAMED_FOR_THEMSELVES: Final = frozenset({"llm", "agent"})


class _Slow(NamedTuple):
    """A slow operation: the calls that count, the slowest first, and how long each of them is."""

    operation: Operation
    calls: Sequence[int]
    lengths_ns: Mapping[int, int]

    @property
    def total_ns(self) -> int:
        return sum(self.lengths_ns.values())

    @property
    def avg_ns(self) -> float:
        return self.total_ns / len(self.calls)


def slow_llm(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the model calls that take long on average."""
    for place, slow in enumerate(_slow(trace, "llm", config.slow_llm_ms)):
        operation = slow.operation
        output = operation.usage.output // len(operation.indices) if operation.usage else 0
        length = f" A call writes {output:,} tokens on average: time grows with them." if output else ""
        yield Finding(
            rule="slow_llm",
            title=f"{operation.name} {_average(slow)}",
            suggestion=f"Stream the answer, try a faster model here, or ask for less output.{length}",
            **_figures(trace, slow, config.slow_llm_ms, place),
        )


def slow_tool(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the tools that take long on average.

    A tool that asks a model, or is an agent, is judged by its own time: what it calls has its own findings.
    """
    for place, slow in enumerate(_slow(trace, "tool", config.slow_tool_ms)):
        slowest_ns = max(slow.lengths_ns.values())
        slowest = f"The slowest call took {wording.duration(slowest_ns)}. " if len(slow.calls) > 1 else ""
        yield Finding(
            rule="slow_tool",
            title=f"Tool {slow.operation.name} {_average(slow)}",
            suggestion=f"{slowest}Cache results that repeat, set a timeout, or run it next to other tools.",
            **_figures(trace, slow, config.slow_tool_ms, place),
        )


def _average(slow: _Slow) -> str:
    return f"takes {wording.duration(slow.avg_ns)} on average{wording.over_calls(len(slow.calls))}"


def _figures(trace: Trace, slow: _Slow, limit_ms: float, place: int) -> dict[str, Any]:
    limit_ns = limit_ms * wording.NS_PER_MS
    beyond = [index for index in slow.calls if slow.lengths_ns[index] > limit_ns]
    figures: dict[str, Any] = {
        "component": slow.operation.name,
        "metric": "avg_latency_ms",
        "value": slow.avg_ns / wording.NS_PER_MS,
        "threshold": limit_ms,
        "span_ids": trace.ids(slow.calls),
        "mended_ids": trace.ids(beyond) if len(beyond) < len(slow.calls) else (),
        "derivation": f"no saving computed: only for the {MOST_RERUNS} operations that take longest",
    }
    if place < MOST_RERUNS:
        figures["saving_ns"] = _saving_ns(trace, slow, beyond, limit_ns)
        figures["derivation"] = f"this run again, no such call longer than {wording.duration(limit_ns)}"
    return figures


def _saving_ns(trace: Trace, slow: _Slow, beyond: Sequence[int], limit_ns: float) -> int:
    total, lengths_ns = trace.times.total, slow.lengths_ns
    if all(lengths_ns[index] == total[index] for index in beyond):
        return if_at_most(trace, beyond, limit_ns)
    factors: dict[int, float] = {}
    for index in beyond:
        inside = with_descendants(trace, [index]) if lengths_ns[index] == total[index] else [index]
        shrink(factors, inside, limit_ns / lengths_ns[index])
    return if_faster(trace, factors)


def _slow(trace: Trace, role: Role, limit_ms: float) -> list[_Slow]:
    """Return the slow operations of a role, those first that take longest in all."""
    total, limit_ns = trace.times.total, limit_ms * wording.NS_PER_MS
    found: list[_Slow] = []
    asking: set[int] | None = None
    for operation in _without_fallbacks(trace):
        indices = operation.indices
        if operation.role != role or sum([total[index] for index in indices]) <= limit_ns * len(indices):
            continue
        lengths_ns = {index: total[index] for index in indices}
        if role == "tool":
            asking = _asking(trace) if asking is None else asking
            if not asking.isdisjoint(indices):
                lengths_ns = _by_themselves(trace, indices, asking, limit_ns)
        if sum(lengths_ns.values()) > limit_ns * len(lengths_ns):
            found.append(
                _Slow(operation, sorted(lengths_ns, key=lambda index: -lengths_ns[index]), lengths_ns)
            )
    found.sort(key=lambda slow: -slow.total_ns)
    return found


def _without_fallbacks(trace: Trace) -> Iterator[Operation]:
    """Yield the operations without the calls that another model was given: ``retry_waste`` tells those."""
    given = {failure.index for failure in trace.failures if failure.is_other_model}
    for operation in trace.operations:
        if given.isdisjoint(operation.indices):
            yield operation
        elif indices := tuple([index for index in operation.indices if index not in given]):
            yield operation._replace(indices=indices)


def _asking(trace: Trace) -> set[int]:
    """Return the spans in which a model is asked, or an agent runs."""
    roles = enumerate(trace.ledger.roles)
    return above(trace.tree, [index for index, role in roles if role in _NAMED_FOR_THEMSELVES])


def _by_themselves(
    trace: Trace, indices: Iterable[int], asking: AbstractSet[int], limit_ns: float
) -> dict[int, int]:
    """Return how long calls take without what they ask, if that is long by itself; the others as they are."""
    total, own = trace.times.total, trace.times.own
    rows = {index: own[index] if index in asking else total[index] for index in indices}
    return {index: length for index, length in rows.items() if index not in asking or length > limit_ns}
