"""The report in a terminal: headline, where the wait went, waterfall, findings, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.folding import fold
from otel_agentprof.report.share_bars import IMPACT_STYLES, add_shares
from otel_agentprof.report.sheet import Sheet, cut, pad
from otel_agentprof.report.waterfall_text import draw, legend

if TYPE_CHECKING:
    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.report.report import Report

_MOST_LINES: Final = 40
_MOST_FINDINGS: Final = 10
_MOST_NOTES: Final = 8
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
    add_shares(sheet, headline.shares(report), report.duration_ns)
    _add_waterfall(sheet, report)
    _add_findings(sheet, report.findings)
    _add_notes(sheet, report)
    return sheet.text()


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


def _add_waterfall(sheet: Sheet, report: Report) -> None:
    lines = fold(report, limit=_MOST_LINES)
    if not lines:
        return
    sheet.add_title("Waterfall")
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
    sheet.add_title("Findings")
    for number, finding in enumerate(findings[:_MOST_FINDINGS], start=1):
        lead = ((f"{number:>3} ", "dim"), (f"{finding.impact.upper():7}", IMPACT_STYLES[finding.impact]))
        sheet.add_wrapped(text.clean(finding.title), indent=_FINDING_INDENT, first=lead, style="bold")
        gain = ": ".join(filter(None, (headline.saving(finding), text.clean(finding.derivation))))
        if gain:
            sheet.add_wrapped(gain, indent=_FINDING_INDENT, style="green")
        sheet.add_wrapped(headline.evidence(finding), indent=_FINDING_INDENT, style="dim")
        sheet.add_wrapped(text.clean(finding.suggestion), indent=_FINDING_INDENT)
    sheet.add_rest(len(findings) - _MOST_FINDINGS)


def _add_notes(sheet: Sheet, report: Report) -> None:
    if not report.data_quality:
        return
    sheet.add_title("Notes on the data")
    for note in report.data_quality[:_MOST_NOTES]:
        sheet.add_wrapped(text.clean(note.message), indent="    ", first=(("  - ", ""),), style="dim")
    sheet.add_rest(len(report.data_quality) - _MOST_NOTES)
