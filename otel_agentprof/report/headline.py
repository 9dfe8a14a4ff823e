"""What stands at the top of every format: how long, how much, how many, and what was waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_agentprof.report import text
from otel_agentprof.semconv import ROLES, Role

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.report.report import Report

OUTSIDE: Final = "outside all spans"
_CALL_NOUNS: Final[tuple[tuple[Role, str], ...]] = (
    ("llm", "LLM"),
    ("tool", "tool"),
    ("retrieval", "retrieval"),
    ("embedding", "embedding"),
)
CALL_ROLES: Final = frozenset(role for role, _ in _CALL_NOUNS)  # what leaves the program's own code
_NAMED_MODELS: Final = 3


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the wait that went to one role; ``count`` is None for the time outside all spans."""

    label: str
    role: Role
    critical_ns: int
    count: int | None


def title(report: Report) -> str:
    """Return the name of the root, cleaned."""
    return "(several roots)" if report.root_name is None else text.name(report.root_name)


def trace(report: Report) -> str:
    """Return the trace id, cleaned."""
    return "several traces" if report.trace_id is None else text.clean(report.trace_id)


def cost(report: Report) -> str:
    """Return what the trace cost, as far as it is known, and whose price is missing."""
    missing = _named(report.unpriced_models)
    because = f" (no price for {missing})" if missing else ""
    known = known_usd(report)
    if known is None:
        return text.UNKNOWN + because
    return f"{text.money(known)} + {text.UNKNOWN}{because}" if missing else text.money(known)


def known_usd(report: Report) -> Decimal | None:
    """Return what is known of the cost; all of it where no model is unpriced, None where nothing is known."""
    if not report.cost_usd and (report.unpriced_models or are_tokens_missing(report)):
        return None  # nothing was priced, which is not the same as free
    return report.cost_usd


def tokens(report: Report) -> str:
    """Return input and output tokens with their parts: cached, cache-written, reasoning."""
    if are_tokens_missing(report):
        return text.UNKNOWN
    usage = report.usage
    if not usage.total:
        return "none"
    return (
        f"{usage.input:,} in{_parts(usage, output=False)}, {usage.output:,} out{_parts(usage, output=True)}"
    )


def calls(report: Report) -> str:
    """Return how many calls of each kind there were."""
    found = [
        f"{report.by_role[role].count:,} {noun}"
        for role, noun in _CALL_NOUNS
        if role in report.by_role and report.by_role[role].count
    ]
    return ", ".join(found) or "none"


def call_count(report: Report) -> int:
    """Return the number of calls that left the program's own code."""
    return sum(report.by_role[role].count for role, _ in _CALL_NOUNS if role in report.by_role)


def shares(report: Report) -> tuple[Share, ...]:
    """Return who was waited for, the longest first; the time outside all spans is apart from ``other``."""
    outside_ns = sum(step.end_ns - step.start_ns for step in report.critical_path if step.span_id is None)
    found = []
    for role in ROLES:
        figures = report.by_role.get(role)
        if figures is None:
            continue
        critical_ns = figures.critical_ns - (outside_ns if role == "other" else 0)
        if figures.count or critical_ns > 0:
            found.append(Share(role, role, max(critical_ns, 0), figures.count))
    if outside_ns:
        found.append(Share(OUTSIDE, "other", outside_ns, None))
    return tuple(sorted(found, key=lambda share: -share.critical_ns))


def never_waited_for(shares: tuple[Share, ...]) -> str:
    """Return the spans whose whole role was hidden behind others, such as ``3 embedding, 1 step``."""
    return ", ".join(
        f"{share.count:,} {share.label}" for share in shares if not share.critical_ns and share.count
    )


def evidence(finding: Finding) -> str:
    """Return what was measured, the limit it broke and how many spans show it."""
    value = text.measure(finding.metric, finding.value)
    limit = f", limit {text.measure(finding.metric, finding.threshold)}" if finding.threshold else ""
    spans = f", {text.plural(len(finding.span_ids), 'span')}" if finding.span_ids else ""
    return f"{text.metric_words(finding.metric)} {value}{limit}{spans}"


def saving(finding: Finding) -> str:
    """Return what a finding's change would save, as an estimate; "" when that was not computed."""
    known = []
    if finding.saving_ns is not None:
        known.append(f"~{text.duration(finding.saving_ns)}")
    if finding.saving_usd is not None:
        known.append(f"~{text.money(finding.saving_usd)}")
    sure = f" ({finding.confidence})" if finding.confidence else ""
    return f"saves {' and '.join(known)}{sure}" if known else ""


def are_tokens_missing(report: Report) -> bool:
    """Return whether models were called and none says how many tokens it took."""
    models = [report.by_role[role].count for role in ("llm", "embedding") if role in report.by_role]
    return not report.usage.total and any(models)


def _parts(usage: TokenUsage, *, output: bool) -> str:
    named = (
        ((usage.reasoning, "reasoning"),)
        if output
        else ((usage.cache_read, "cached"), (usage.cache_write, "cache-written"))
    )
    found = ", ".join(f"{count:,} {word}" for count, word in named if count)
    return f" ({found})" if found else ""


def _named(models: tuple[str, ...]) -> str:
    shown = [
        "an unnamed model" if model == text.UNKNOWN else text.name(model) for model in models[:_NAMED_MODELS]
    ]
    rest = len(models) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
