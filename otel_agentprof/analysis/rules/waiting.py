"""Calls that wait for others although nothing shows that they must."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import if_together
from otel_agentprof.analysis.sequential import sequential_groups
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


def sequential_group(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the siblings that ran one after another although nothing shows that they had to."""
    for group in sequential_groups(trace, at_least=2):
        if group.confidence == "possible" and len(group.indices) < config.sequential_group:
            continue
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
            component="sequential_execution",
            metric="parallelizable_time_ms",
            value=parallelizable_ns / wording.NS_PER_MS,
            threshold=0.0,
            suggestion=(
                f"{why} Started together (asyncio.gather, a thread pool) they take "
                f"{wording.duration(group.longest_ns)} instead of {wording.duration(group.total_ns)}."
            ),
            span_ids=trace.ids(group.indices),
            saving_ns=if_together(trace, [group.indices]),
            derivation="this run again with these calls started together",
            confidence=group.confidence,
        )
