"""Many traces for a pull request or an issue, in GitHub's Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import aggregate_tables as tables
from otel_agentprof.report import text
from otel_agentprof.report.markdown_text import code, columns_grid, grid, prose, rest

if TYPE_CHECKING:
    from otel_agentprof.report.aggregate import Aggregate

_MOST_ROWS: Final = 50
_MOST_FINDINGS: Final = 20


def render(found: Aggregate) -> str:
    """Return the figures as Markdown."""
    blocks = [f"## {prose(tables.title(found))}"]
    blocks.append(
        grid(("", ""), [(label.capitalize(), prose(fact)) for label, fact in tables.facts(found)], aligned=0)
    )
    shares = tables.shares(found)
    if shares:
        rows = [
            (
                share.label,
                text.duration(share.critical_ns),
                text.percent(share.critical_ns, found.total_ns),
                "" if share.count is None else f"{share.count:,}",
            )
            for share in shares
        ]
        blocks += ["### Where the wait went", grid(("", "time", "share", "count"), rows)]
    for title, heading, groups in tables.sections(found):
        shown = tables.columns(heading, groups[:_MOST_ROWS], found.total_ns)
        blocks += [f"### {title}", columns_grid(shown), *rest(len(groups) - _MOST_ROWS)]
    costs = tables.run_costs(found.by_run[:_MOST_ROWS])
    if costs:
        blocks += ["### Cost of a run", columns_grid(costs)]
    if found.runs:
        blocks.append(tables.INTERVALS)
    blocks += _findings(found)
    if found.notes:
        blocks += ["### Notes on the data", "\n".join(f"- {prose(note)}" for note in tables.notes(found))]
    for title, briefs in (
        ("Traces", found.traces),
        ("Slowest traces", () if found.traces else found.slowest),
        ("Dearest traces", () if found.traces else found.dearest),
    ):
        if briefs:
            blocks += [f"### {title}", columns_grid(tables.traces(briefs, found.id_digits))]
    return "\n\n".join(blocks) + "\n"


def _findings(found: Aggregate) -> list[str]:
    if not found.findings:
        return []
    lines = [
        f"{number}. **{one.impact.upper()}** {code(one.rule)}: {code(text.short_name(one.component))} "
        f"**{prose(tables.recurrence(one, found.runs))}**, such as: {prose(one.title)}"
        for number, one in enumerate(found.findings[:_MOST_FINDINGS], start=1)
    ]
    return [
        "### Findings that recur",
        "\n".join(lines),
        *rest(len(found.findings) - _MOST_FINDINGS),
        tables.ADDING,
    ]
