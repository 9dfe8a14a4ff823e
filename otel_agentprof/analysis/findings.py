"""What is worth changing in a trace: one small rule per claim, all listed in ``RULES``.

A rule reads the measurements and yields findings; it computes no times and no money of its own. Savings
are None until the what-if model computes them: a guess would be worse than no figure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import IMPACTS, Finding
from otel_agentprof.analysis.sequential import is_transport, sequential_groups
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.semconv import Role

    Rule = Callable[[Trace, Config], Iterator[Finding]]

_NS_PER_MS: Final = 1_000_000


def findings(trace: Trace, config: Config) -> tuple[Finding, ...]:
    """Return everything that the rules find: by impact, then by saving, then by value."""
    return tuple(sorted((found for rule in RULES for found in rule(trace, config)), key=_rank))


def slow_llm(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the model calls that take long on average."""
    for operation, avg_ns in _slow(trace, "llm", config.slow_llm_ms):
        output = operation.usage.output // len(operation.indices) if operation.usage else 0
        length = f" A call writes {output:,} tokens on average: time grows with them." if output else ""
        yield Finding(
            rule="slow_llm",
            title=f"{operation.name} takes {wording.duration(avg_ns)} on average{_calls(operation)}",
            impact="high",
            component=operation.name,
            metric="avg_latency_ms",
            value=avg_ns / _NS_PER_MS,
            threshold=config.slow_llm_ms,
            suggestion=f"Stream the answer, try a faster model here, or ask for less output.{length}",
            span_ids=_slowest_first(trace, operation.indices),
        )


def slow_tool(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the tools that take long on average."""
    for operation, avg_ns in _slow(trace, "tool", config.slow_tool_ms):
        slowest_ns = max(trace.times.total[index] for index in operation.indices)
        slowest = (
            f"The slowest call took {wording.duration(slowest_ns)}. " if len(operation.indices) > 1 else ""
        )
        yield Finding(
            rule="slow_tool",
            title=f"Tool {operation.name} takes {wording.duration(avg_ns)} on average{_calls(operation)}",
            impact="medium",
            component=operation.name,
            metric="avg_latency_ms",
            value=avg_ns / _NS_PER_MS,
            threshold=config.slow_tool_ms,
            suggestion=f"{slowest}Cache results that repeat, set a timeout, or run it next to other tools.",
            span_ids=_slowest_first(trace, operation.indices),
        )


def too_many_calls(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that are called very often."""
    for operation in trace.operations:
        indices = [index for index in operation.indices if not is_transport(trace, index)]
        if len(indices) <= config.max_calls:
            continue
        total_ns = sum(trace.times.total[index] for index in indices)
        yield Finding(
            rule="too_many_calls",
            title=f"{operation.name} is called {len(indices):,} times",
            impact="medium",
            component=operation.name,
            metric="call_count",
            value=float(len(indices)),
            threshold=float(config.max_calls),
            suggestion=(
                f"The calls add up to {wording.duration(total_ns)}. "
                "Batch them, cache answers that repeat, or stop the loop earlier."
            ),
            span_ids=_ids(trace, indices),
        )


def costly_operation(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that cost much in this one trace."""
    for operation in trace.operations:
        if operation.cost_usd is None or operation.cost_usd <= config.costly_operation_usd:
            continue
        spent = ""
        if operation.usage is not None:
            spent = f"It read {operation.usage.input:,} tokens and wrote {operation.usage.output:,}. "
        yield Finding(
            rule="costly_operation",
            title=f"{operation.name} costs {wording.dollars(operation.cost_usd)}{_calls(operation)}",
            impact="high",
            component=operation.name,
            metric="cost_usd",
            value=float(operation.cost_usd),
            threshold=config.costly_operation_usd,
            suggestion=f"{spent}Use a cheaper model where it is good enough, or shorten or cache the prompt.",
            span_ids=_ids(trace, [index for index in operation.indices if trace.costs[index]]),
        )


def sequential_group(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the siblings that ran one after another although nothing shows that they had to."""
    for group in sequential_groups(trace, at_least=config.sequential_group):
        parallelizable_ns = group.total_ns - group.longest_ns
        spans = [trace.tree.spans[index] for index in group.indices]
        names = wording.listing(Counter(dialects.operation_of(span, group.role) for span in spans))
        why = {
            "proven": "The model asked for all of them in one answer, so none needs the result of another.",
            "likely": "No model call lies between them, so they probably do not need each other's results.",
            "possible": "If none needs the result of another, they can run side by side.",
        }[group.confidence]
        yield Finding(
            rule="sequential_group",
            title=f"{len(spans)} {wording.plural(group.role)} ran one after another: {names}",
            impact="medium",
            component="sequential_execution",
            metric="parallelizable_time_ms",
            value=parallelizable_ns / _NS_PER_MS,
            threshold=0.0,
            suggestion=(
                f"{why} Started together (asyncio.gather, a thread pool) they take "
                f"{wording.duration(group.longest_ns)} instead of {wording.duration(group.total_ns)}."
            ),
            span_ids=_ids(trace, group.indices),
            confidence=group.confidence,
        )


def prompt_heavy(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations whose tokens are nearly all prompt."""
    for operation in trace.operations:
        usage = operation.usage
        # Embedding models read only: there the share is always 1 and says nothing.
        if usage is None or not usage.total or operation.role == "embedding":
            continue
        ratio = usage.input / usage.total
        if ratio <= config.prompt_heavy_ratio:
            continue
        yield Finding(
            rule="prompt_heavy",
            title=f"{wording.percent(ratio)} of the tokens of {operation.name} are prompt",
            impact="low",
            component=operation.name,
            metric="prompt_ratio",
            value=ratio,
            threshold=config.prompt_heavy_ratio,
            suggestion=(
                f"{usage.input:,} tokens in ({usage.cache_read:,} from a cache) for {usage.output:,} out. "
                "Send less history and fewer tool definitions, or put what stays the same first so that the "
                "provider can cache it."
            ),
            span_ids=_ids(
                trace, [index for index in operation.indices if trace.ledger.usage[index] is not None]
            ),
        )


def too_many_iterations(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the agents that call their model again and again."""
    looping: defaultdict[str, list[int]] = defaultdict(list)
    calls = _iterations(trace)
    for agent, count in calls.items():
        if count > config.max_iterations:
            looping[dialects.operation_of(trace.tree.spans[agent], "agent")].append(agent)
    for name, agents in looping.items():
        most = max(calls[agent] for agent in agents)
        runs = f", the worst of {len(agents)} such runs" if len(agents) > 1 else ""
        yield Finding(
            rule="too_many_iterations",
            title=f"Agent {name} calls the model {most:,} times in one run{runs}",
            impact="medium",
            component=name,
            metric="iteration_count",
            value=float(most),
            threshold=float(config.max_iterations),
            suggestion=(
                "Each round sends the history again. Give the agent a clear stop condition and a limit on "
                "rounds, let it ask for several tools at once, or plan first."
            ),
            span_ids=_ids(trace, agents),
        )


RULES: Final[tuple[Rule, ...]] = (
    slow_llm,
    slow_tool,
    too_many_calls,
    costly_operation,
    sequential_group,
    prompt_heavy,
    too_many_iterations,
)


def _rank(found: Finding) -> tuple[object, ...]:
    saving_ns, saving_usd = found.saving_ns or 0, found.saving_usd or 0
    impact = IMPACTS.index(found.impact)
    return (impact, -saving_ns, -saving_usd, -found.value, found.component, found.rule, found.span_ids)


def _slow(trace: Trace, role: Role, limit_ms: float) -> Iterator[tuple[Operation, float]]:
    for operation in trace.operations:
        if operation.role == role:
            avg_ns = sum(trace.times.total[index] for index in operation.indices) / len(operation.indices)
            if avg_ns > limit_ms * _NS_PER_MS:
                yield operation, avg_ns


def _iterations(trace: Trace) -> Counter[int]:
    """Return for each agent span the number of model calls directly under it, wrappers of a call left out."""
    parents, roles = trace.tree.parents, trace.ledger.roles
    found: Counter[int] = Counter()
    for index, (role, counted) in enumerate(zip(roles, trace.ledger.counted, strict=True)):
        if role != "llm" or not counted:
            continue
        above = parents[index]
        while above >= 0 and roles[above] in semconv.LEAF_ROLES:
            above = parents[above]
        if above >= 0 and roles[above] == "agent":
            found[above] += 1
    return found


def _calls(operation: Operation) -> str:
    return f" over {len(operation.indices):,} calls" if len(operation.indices) > 1 else ""


def _slowest_first(trace: Trace, indices: Iterable[int]) -> tuple[str, ...]:
    return _ids(trace, sorted(indices, key=lambda index: -trace.times.total[index]))


def _ids(trace: Trace, indices: Iterable[int]) -> tuple[str, ...]:
    return tuple(trace.tree.spans[index].span_id for index in indices)
