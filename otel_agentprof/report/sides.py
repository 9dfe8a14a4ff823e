"""One side of a comparison: the figures of its runs, by the name of their root."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof.model.cost import ZERO
from otel_agentprof.report import headline
from otel_agentprof.report.span_keys import Key, keyed, run_name, steady_name
from otel_agentprof.semconv import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from otel_agentprof.report.report import Report

    Amount = int | Decimal | None  # nanoseconds, dollars or a count; None is unknown


class Taken(NamedTuple):
    """What one span took: its length, its part of the critical path, its cost."""

    duration_ns: int
    critical_ns: int
    cost_usd: Decimal | None


@dataclass(slots=True)
class Runs:
    """All runs of one name.

    Attributes:
        figures: For each figure the runs that have it; a run that is missing has 0 of it.
        spans: What each span took, in the runs in which it occurs.
        findings: In how many runs a finding was made, by rule and component.
        titles: A finding in words, those of one of its runs.
    """

    count: int = 0
    figures: defaultdict[str, list[Amount]] = field(default_factory=lambda: defaultdict(list))
    spans: defaultdict[Key, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    titles: dict[tuple[str, str], str] = field(default_factory=dict)

    def values(self, figure: str) -> list[Amount]:
        """Return the figure of every run."""
        known = self.figures.get(figure, [])
        return [*known, *[0] * (self.count - len(known))]


def gathered(reports: Iterable[Report]) -> dict[str, Runs]:
    """Return the runs of one side; each report is dropped before the next one is asked for."""
    side: defaultdict[str, Runs] = defaultdict(Runs)
    for report in reports:
        _add(side[run_name(report)], report)
        del report
    return dict(side)


def _add(runs: Runs, report: Report) -> None:
    runs.count += 1
    counts = Counter({"errors": 0})
    for key, row in keyed(report):
        critical_ns = sum(end - start for start, end in row.on_path)
        is_free = row.cost_usd is None and (row.usage is None or not row.usage.total)
        cost_usd = ZERO if is_free else row.cost_usd
        runs.spans[key].append(Taken(row.end_ns - row.start_ns, critical_ns, cost_usd))
        name = row.operation or row.shown or row.name
        if name not in ROLES:  # a role of the same name has the word
            counts[f"calls:{name}"] += row.operation is not None
            counts[f"critical:{name}"] += critical_ns
        counts["errors"] += row.operation is not None and "error" in row.marks
    for figure, amount in (_figures(report) | counts).items():
        runs.figures[figure].append(amount)
    found = {(one.rule, steady_name(one.component, "llm")): one.title for one in report.findings}
    runs.findings.update(found.keys())
    for kind, title in found.items():
        runs.titles[kind] = min(title, runs.titles.get(kind, title))


def _figures(report: Report) -> dict[str, Amount]:
    cost = headline.known_usd(report)
    lost = headline.are_tokens_missing(report)
    usage = report.usage
    return {
        "duration": report.duration_ns,
        "cost": None if report.unpriced_models else cost,
        "tokens": None if lost else usage.total,
        "tokens:input": None if lost else usage.input,
        "tokens:output": None if lost else usage.output,
        "calls": headline.call_count(report),
        "findings": len(report.findings),
        **{f"calls:{role}": figures.count for role, figures in report.by_role.items()},
        **{f"critical:{role}": figures.critical_ns for role, figures in report.by_role.items()},
        **{f"cost:{model}": amount for model, amount in report.cost_by_model.items()},
        **{f"cost:{model}": None for model in report.unpriced_models},
    }
