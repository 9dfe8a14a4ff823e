"""``BottleneckDetector``: what the two other profilers have seen, as a ranked list of what to change."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.finding import IMPACTS, Impact
from otel_agentprof.analysis.sequential import sequential_groups
from otel_agentprof.profilers.records import measured, step_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.profilers.timing import PerformanceProfiler
    from otel_agentprof.profilers.tokens import TokenProfiler

_MAX_CALLS: Final = 20
_SEQUENTIAL_GROUP: Final = 3
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """One thing worth changing.

    Attributes:
        component: Category or operation, ``sequential_execution``, or the parent of too many iterations.
        metric: What was measured, unit in its name.
        value: The measured figure.
        threshold: The limit that it broke.
    """

    component: str
    impact: Impact
    metric: str
    value: float
    threshold: float
    suggestion: str


class BottleneckDetector:
    """Finds slow, frequent, expensive, sequential and looping work.

        for bottleneck in BottleneckDetector(profiler, tokens).analyze():
            print(bottleneck.impact, bottleneck.component, bottleneck.suggestion)

    Attributes:
        llm_latency_threshold_ms: Average above which a category with ``llm`` in its name is slow.
        tool_latency_threshold_ms: Likewise for ``tool``.
        token_cost_threshold: US dollars above which an operation is expensive.
        iteration_count_threshold: Distinct ``step_N`` timers under one parent above which it loops.
    """

    def __init__(
        self,
        timing: PerformanceProfiler,
        tokens: TokenProfiler | None = None,
        *,
        llm_latency_threshold_ms: float = 3000,
        tool_latency_threshold_ms: float = 1000,
        token_cost_threshold: float = 0.05,
        iteration_count_threshold: int = 10,
    ) -> None:
        self.timing = timing
        self.tokens = tokens
        self.llm_latency_threshold_ms = llm_latency_threshold_ms
        self.tool_latency_threshold_ms = tool_latency_threshold_ms
        self.token_cost_threshold = token_cost_threshold
        self.iteration_count_threshold = iteration_count_threshold

    def analyze(self) -> list[Bottleneck]:
        """Return all bottlenecks: high impact first, then medium, then low."""
        found = [*self._slow_or_frequent(), *self._expensive(), *self._sequential(), *self._looping()]
        return sorted(found, key=lambda bottleneck: IMPACTS.index(bottleneck.impact))

    def _slow_or_frequent(self) -> Iterator[Bottleneck]:
        for category, figures in self.timing.get_summary().items():
            avg_ms, count = figures["avg_ms"], figures["count"]
            if "llm" in category.lower() and avg_ms > self.llm_latency_threshold_ms:
                yield Bottleneck(
                    category,
                    "high",
                    "avg_latency_ms",
                    avg_ms,
                    self.llm_latency_threshold_ms,
                    "Stream the answer, try a faster model here, or ask for less output.",
                )
            if "tool" in category.lower() and avg_ms > self.tool_latency_threshold_ms:
                yield Bottleneck(
                    category,
                    "medium",
                    "avg_latency_ms",
                    avg_ms,
                    self.tool_latency_threshold_ms,
                    "Cache results that repeat, set a timeout, or run it next to other tools.",
                )
            if count > _MAX_CALLS:
                yield Bottleneck(
                    category,
                    "medium",
                    "call_count",
                    count,
                    _MAX_CALLS,
                    "Batch the calls, cache answers that repeat, or stop the loop earlier.",
                )

    def _expensive(self) -> Iterator[Bottleneck]:
        costs = self.tokens.cost_by_operation() if self.tokens is not None else {}
        for operation, cost_usd in costs.items():
            if cost_usd > self.token_cost_threshold:
                yield Bottleneck(
                    operation,
                    "high",
                    "cost_usd",
                    cost_usd,
                    self.token_cost_threshold,
                    "Use a cheaper model where it is good enough, or shorten or cache the prompt.",
                )

    def _sequential(self) -> Iterator[Bottleneck]:
        records = list(self.timing.records)
        for group in sequential_groups(measured(records), at_least=_SEQUENTIAL_GROUP):
            names = ", ".join(dict.fromkeys(records[index].name for index in group.indices))
            yield Bottleneck(
                "sequential_execution",
                "medium",
                "parallelizable_time_ms",
                (group.total_ns - group.longest_ns) / _NS_PER_MS,
                0.0,
                f"If none needs the result of another, run them side by side: {names} "
                f"({len(group.indices)} calls, {group.total_ns / _NS_PER_MS:,.0f} ms one after another, "
                f"{group.longest_ns / _NS_PER_MS:,.0f} ms together).",
            )

    def _looping(self) -> Iterator[Bottleneck]:
        steps: defaultdict[tuple[str | None, str | None], set[int]] = defaultdict(set)
        for record in list(self.timing.records):
            number = step_number(record.name)
            if number is not None:
                steps[record.parent_id, record.parent].add(number)
        for (_parent_id, parent), numbers in steps.items():
            if len(numbers) > self.iteration_count_threshold:
                yield Bottleneck(
                    parent or "iterations",
                    "medium",
                    "iteration_count",
                    len(numbers),
                    self.iteration_count_threshold,
                    "Give the loop a clear stop condition and a limit on rounds, or plan first.",
                )
