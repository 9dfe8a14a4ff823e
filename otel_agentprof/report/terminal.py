"""The report in a terminal: headline, where the wait went, waterfall, findings, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.folding import fold
from otel_agentprof.report.sheet import Sheet, cut, pad, width_of
from otel_agentprof.report.waterfall_text import ROLE_STYLES, draw, legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.report.report import Report

_IMPACT_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "dim"}
_MOST_LINES: Final = 40
_MOST_FINDINGS: Final = 10
_MOST_NOTES: Final = 8
_SHARE_LABEL: Final = len(headline.OUTSIDE)
_WIDEST_SHARE_BAR: Final = 50
_TRACE_DIGITS: Final = 8
_ROOMY: Final = 60
_FACT_INDENT: Final = " " * 12
_FINDING_INDENT: Final = " " * 11


def render(report: Report, *, width: int, color: bool, ascii: bool = False) -> str:  # noqa: A002 - the word of the trade
    """Return the report as lines of at most ``width`` cells (40 to 200), each ended by a newline.

    Args:
        report: What to show.
        width: Cells in a line of the terminal.
        color: Use escape sequences for colour; without them nothing is lost but the colour.
        ascii: Use no character outside ASCII, not even in names.
    """
    sheet = Sheet.blank(width, color=color, is_ascii=ascii)
    _add_headline(sheet, report)
    _add_shares(sheet, report)
    _add_waterfall(sheet, report)
    _add_findings(sheet, report.findings)
    _add_notes(sheet, report)
    return sheet.text()


def render_many(reports: Sequence[Report], *, width: int, color: bool, ascii: bool = False) -> str:  # noqa: A002 - as above
    """Return one line per trace, for an input that holds several."""
    sheet = Sheet.blank(width, color=color, is_ascii=ascii)
    sheet.add((f"{text.plural(len(reports), 'trace')}", "bold"))
    sheet.add()
    rows: list[tuple[str, ...]] = [("trace", "root", "time", "calls", "tokens", "cost", "findings")]
    rows += [tuple(map(sheet.glyphs.readable, _overview(report))) for report in reports]
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown = [0, 1, 2, 3, 4, 5, 6]
    for column in (4, 3, 6, 5):  # what goes first when there is no room
        if sum(widths[i] + 2 for i in shown if i != 1) + min(widths[1], 16) > sheet.width:
            shown.remove(column)
    widths[1] = max(min(widths[1], sheet.width - sum(widths[i] + 2 for i in shown if i != 1)), 4)
    for number, row in enumerate(rows):
        root = cut(row[1], widths[1], sheet.glyphs.ellipsis)
        cells = [pad(root if i == 1 else row[i], widths[i], right=i > 1) for i in shown]
        sheet.add(("  ".join(cells), "" if number else "dim"))
    sheet.add()
    sheet.add_wrapped("One of them in full: --trace ID (the first digits are enough)", style="dim")
    return sheet.text()


def _overview(report: Report) -> tuple[str, ...]:
    usage = headline.tokens(report)
    return (
        headline.trace(report)[:8],
        headline.title(report),
        text.duration(report.duration_ns),
        f"{headline.call_count(report):,}",
        usage if usage == text.UNKNOWN else text.compact(report.usage.total),
        headline.short_cost(report),
        f"{len(report.findings):,}" if report.findings else "",
    )


def _add_headline(sheet: Sheet, report: Report) -> None:
    brand = "agentprof " if sheet.width >= _ROOMY else ""
    trace = f"  {brand}trace {headline.trace(report)[:_TRACE_DIGITS]}"
    name = cut(sheet.glyphs.readable(headline.title(report)), sheet.width - len(trace), sheet.glyphs.ellipsis)
    sheet.add((pad(name, sheet.width - len(trace)), "bold"), (trace, "dim"))
    sheet.add()
    facts = (
        ("duration", text.duration(report.duration_ns)),
        ("cost", headline.cost(report)),
        ("tokens", headline.tokens(report)),
        ("calls", f"{headline.calls(report)} in {text.plural(report.span_count, 'span')}"),
    )
    for label, fact in facts:
        sheet.add_wrapped(fact, indent=_FACT_INDENT, first=((f"  {label:10}", "dim"),), style="bold")


def _add_shares(sheet: Sheet, report: Report) -> None:
    shares = headline.shares(report)
    if not shares:
        return
    _add_title(sheet, "Where the wait went")
    labels = max(len(share.label) for share in shares)
    bar_width = min(sheet.width - labels - 28, _WIDEST_SHARE_BAR)
    for share in shares:
        if not share.critical_ns:
            continue
        filled = round(bar_width * share.critical_ns / report.duration_ns) if report.duration_ns else 0
        spent = (
            f" {text.duration(share.critical_ns):>8} {text.percent(share.critical_ns, report.duration_ns):>5}"
        )
        sheet.add(
            (f"  {share.label:{labels}} ", ""),
            (sheet.glyphs.on_path * filled, ROLE_STYLES[share.role]),
            (sheet.glyphs.off_path * (bar_width - filled), "dim"),
            (spent, "bold"),
            ("" if share.count is None else f" {sheet.glyphs.times}{share.count:,}", "dim"),
        )
    hidden = headline.never_waited_for(shares)
    if hidden:
        sheet.add_wrapped(f"never waited for: {hidden}", indent="  ", first=(("  ", ""),), style="dim")


def _add_waterfall(sheet: Sheet, report: Report) -> None:
    lines = fold(report, limit=_MOST_LINES)
    if not lines:
        return
    _add_title(sheet, "Waterfall")
    for pieces in draw(report, lines, width=sheet.width, glyphs=sheet.glyphs):
        sheet.add(*pieces)
    sheet.add()
    glyphs = sheet.glyphs
    signs = f"{glyphs.on_path} on the critical path (what the user waited for), {glyphs.off_path} off it"
    for meaning in (signs, *legend(lines)):
        sheet.add_wrapped(meaning, indent="  ", first=(("  ", ""),), style="dim")


def _add_findings(sheet: Sheet, findings: tuple[Finding, ...]) -> None:
    if not findings:
        return
    _add_title(sheet, "Findings")
    for number, finding in enumerate(findings[:_MOST_FINDINGS], start=1):
        lead = ((f"{number:>3} ", "dim"), (f"{finding.impact.upper():7}", _IMPACT_STYLES[finding.impact]))
        sheet.add_wrapped(text.clean(finding.title), indent=_FINDING_INDENT, first=lead, style="bold")
        gain = ": ".join(filter(None, (headline.saving(finding), text.clean(finding.derivation))))
        if gain:
            sheet.add_wrapped(gain, indent=_FINDING_INDENT, style="green")
        sheet.add_wrapped(headline.evidence(finding), indent=_FINDING_INDENT, style="dim")
        sheet.add_wrapped(text.clean(finding.suggestion), indent=_FINDING_INDENT)
    _add_rest(sheet, len(findings) - _MOST_FINDINGS)


def _add_notes(sheet: Sheet, report: Report) -> None:
    if not report.data_quality:
        return
    _add_title(sheet, "Notes on the data")
    for note in report.data_quality[:_MOST_NOTES]:
        sheet.add_wrapped(text.clean(note.message), indent="    ", first=(("  - ", ""),), style="dim")
    _add_rest(sheet, len(report.data_quality) - _MOST_NOTES)


def _add_rest(sheet: Sheet, count: int) -> None:
    if count > 0:
        sheet.add_wrapped(f"and {count:,} more: --format json lists them all", indent="    ", style="dim")


def _add_title(sheet: Sheet, title: str) -> None:
    sheet.add()
    sheet.add((title, "bold underline"))
