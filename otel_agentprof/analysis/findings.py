"""What is worth changing in a trace: what the rules found, each cause once, the most worthwhile first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.analysis.finding import IMPACTS, Impact
from otel_agentprof.analysis.merging import merged
from otel_agentprof.analysis.rules import RULES

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


def findings(trace: Trace, config: Config) -> tuple[Finding, ...]:
    """Return everything that the rules find: by impact, then by saving, then by value."""
    found: list[Finding] = []
    for rule in RULES:
        found += rule(trace, config)
    rated = []
    for one in merged(trace, found):
        impact = _impact(trace, one.saving_ns, one.saving_usd, config)
        rated.append(one if impact == one.impact else one._replace(impact=impact))
    return tuple(sorted(rated, key=_rank))


def _impact(trace: Trace, saving_ns: int | None, saving_usd: Decimal | None, config: Config) -> Impact:
    """Return how much a finding matters: the larger of its shares of the run's time and of its money."""
    share = 0.0
    if saving_ns and trace.tree.duration_ns:
        share = saving_ns / trace.tree.duration_ns
    if saving_usd and trace.cost_usd:
        share = max(share, float(saving_usd / trace.cost_usd))
    if share >= config.high_impact_ratio:
        return "high"
    return "medium" if share >= config.medium_impact_ratio else "low"


def _rank(found: Finding) -> tuple[object, ...]:
    saving_ns, saving_usd = found.saving_ns or 0, found.saving_usd or 0
    impact = IMPACTS.index(found.impact)
    return (impact, -saving_ns, -saving_usd, -found.value, found.component, found.rule, found.span_ids)
