"""What a report says about its run as a whole, as attributes that a tracing backend can search.

Each is small, for backends cut long values. Beside the figures stand marks such as
``agentprof.cost_over.10_cents``, for backends that can only look for an exact value.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.report.report import Report
    from otel_agentprof.semconv import Role

Extra = dict[str, str | int | float | bool]
_LONGEST_TEXT: Final = 500
_SURE: Final = ("proven", "likely", "possible", None)
_UNRATED: Final = "unrated"
_PARALLEL_RULE: Final = "sequential_group"


def whole_trace(report: Report) -> Extra:
    """Return the results that are about the trace as a whole, each of them small."""
    extra: Extra = {
        semconv.ANALYSIS_DURATION: report.duration_ns,
        semconv.ANALYSIS_SPAN_COUNT: report.span_count,
        semconv.ANALYSIS_FINDING_COUNT: len(report.findings),
        **sums(report.cost_usd, report.usage),
    }
    if report.cost_usd is not None:
        extra.update(over(semconv.COST_OVER, float(report.cost_usd), semconv.COST_LIMITS))
    if report.unpriced_models:
        extra[semconv.COST_IS_PARTIAL] = True
    extra.update(_by_role(report))
    extra.update(_findings(report))
    return extra


def time_on_path(report: Report) -> Counter[str | None]:
    """Return how many ns of the critical path are each span's own, by span id."""
    found: Counter[str | None] = Counter()
    for step in report.critical_path:
        found[step.span_id] += step.end_ns - step.start_ns
    return found


def sums(cost_usd: Decimal | None, usage: TokenUsage | None) -> Extra:
    """Return money and tokens of a span and what is below it; nothing where nothing is known."""
    extra: Extra = {}
    has_usage = usage is not None and usage.total > 0
    if cost_usd is not None and (cost_usd or has_usage):
        extra[semconv.SUBTREE_COST] = float(cost_usd)
    if usage is not None and has_usage:
        extra[semconv.SUBTREE_INPUT_TOKENS] = usage.input
        extra[semconv.SUBTREE_OUTPUT_TOKENS] = usage.output
    return extra


def over(template: str, value: float, limits: Mapping[str, float]) -> Extra:
    """Return a mark for each limit that a value is above; ``template`` has a place for its name."""
    return {template.format(limit=name): True for name, limit in limits.items() if value > limit}


def _by_role(report: Report) -> Extra:
    """Return each role's time on the critical path, and the one span that held it up the longest."""
    extra: Extra = {}
    for role, statistics in report.by_role.items():
        extra[semconv.CRITICAL_PATH_OF_ROLE.format(role=role)] = statistics.critical_ns
    for role, (longest_ns, name) in _longest(report).items():
        extra[semconv.CRITICAL_PATH_LONGEST.format(role=role)] = longest_ns
        extra[semconv.CRITICAL_PATH_LONGEST_NAME.format(role=role)] = name[:_LONGEST_TEXT]
        marks = semconv.CRITICAL_PATH_LONGEST_OVER.replace("{role}", role)
        extra.update(over(marks, longest_ns, semconv.TIME_LIMITS))
    return extra


def _longest(report: Report) -> dict[Role, tuple[int, str]]:
    found: dict[Role, tuple[int, str]] = {}
    on_path = time_on_path(report)
    for row in report.waterfall:
        self_ns = on_path[row.span_id]
        if self_ns > found.get(row.role, (0, ""))[0]:
            found[row.role] = self_ns, row.name
    return found


def _findings(report: Report) -> Extra:
    extra: Extra = _top(report.findings[0]) if report.findings else {}
    for finding in sorted(report.findings, key=lambda found: _SURE.index(found.confidence), reverse=True):
        extra[semconv.FINDING_OF_RULE.format(rule=finding.rule)] = finding.confidence or _UNRATED
    proven = [
        finding.saving_ns or 0
        for finding in report.findings
        if finding.rule == _PARALLEL_RULE and finding.confidence == "proven"
    ]
    if proven:
        extra[semconv.PARALLELIZABLE_PROVEN] = True
        extra[semconv.PARALLELIZABLE_SAVING] = max(proven)  # savings do not add up
    return extra


def _top(finding: Finding) -> Extra:
    extra: Extra = {
        semconv.ANALYSIS_TOP_FINDING: finding.title[:_LONGEST_TEXT],
        semconv.TOP_FINDING_RULE: finding.rule,
        semconv.TOP_FINDING_IMPACT: finding.impact,
    }
    if finding.confidence is not None:
        extra[semconv.TOP_FINDING_CONFIDENCE] = finding.confidence
    if finding.saving_ns is not None:
        extra[semconv.TOP_FINDING_SAVING] = finding.saving_ns
    if finding.saving_usd is not None:
        extra[semconv.TOP_FINDING_SAVING_USD] = float(finding.saving_usd)
    return extra
