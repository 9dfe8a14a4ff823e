"""What is worth changing in a trace: what the rules found, each cause once, the most worthwhile first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.analysis.finding import IMPACTS, Draft, Finding, Impact
from otel_agentprof.analysis.merging import merged
from otel_agentprof.analysis.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


def findings(trace: Trace, config: Config) -> tuple[Finding, ...]:
    """Return everything that the rules find: by impact, then by saving, then by value."""
    found: list[Finding | Draft] = []
    for rule in RULES:
        found += rule(trace, config)
    return tuple(sorted(_finished(trace, found, config), key=_rank))


def _finished(trace: Trace, found: Sequence[Finding | Draft], config: Config) -> Iterator[Finding]:
    """Yield each cause once, with its saving and its impact."""
    drafts = {id(one.finding): one for one in found if isinstance(one, Draft)}
    for told in merged([one.finding if isinstance(one, Draft) else one for one in found]):
        draft = drafts.get(id(told))  # it tells nobody else's cause, so it is still the same object
        if draft is None:
            impact = _impact(trace, told.saving_ns, told.saving_usd, config)
            yield told if impact == told.impact else told._replace(impact=impact)
        else:
            saving_usd, derivation = draft.saving()
            impact = _impact(trace, told.saving_ns, saving_usd, config)
            yield told._replace(saving_usd=saving_usd, derivation=derivation, impact=impact)


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
