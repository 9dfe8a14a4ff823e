"""Many traces in a terminal: what they took, where the wait went, what recurs, and which ones to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import aggregate_tables as tables
from otel_agentprof.report import text
from otel_agentprof.report.grids import add_grid
from otel_agentprof.report.share_bars import IMPACT_STYLES, add_shares
from otel_agentprof.report.sheet import Sheet, cut, pad

if TYPE_CHECKING:
    from otel_agentprof.report.aggregate import Aggregate, Brief, Recurring

_MOST_ROWS: Final = 12
_MOST_FINDINGS: Final = 10
_MOST_NOTES: Final = 8
_ROOMY: Final = 60
_BRAND: Final = "  agentprof aggregate"
_FACT_INDENT: Final = " " * 12
_FINDING_INDENT: Final = " " * 11


def render(found: Aggregate, *, width: int, color: bool, ascii: bool = False) -> str:  # noqa: A002 - the word of the trade
    """Return the figures as lines of at most ``width`` cells (40 to 200), each ended by a newline.

    Args:
        found: What to show.
        width: Cells in a line of the terminal.
        color: Use escape sequences for colour; without them nothing is lost but the colour.
        ascii: Use no character outside ASCII, not even in names.
    """
    sheet = Sheet.blank(width, color=color, is_ascii=ascii)
    _add_headline(sheet, found)
    add_shares(sheet, tables.shares(found), found.total_ns)
    for title, heading, groups in tables.sections(found):
        sheet.add_title(title)
        add_grid(sheet, tables.columns(heading, groups[:_MOST_ROWS], found.total_ns))
        sheet.add_rest(len(groups) - _MOST_ROWS)
    costs = tables.run_costs(found.by_run[:_MOST_ROWS]) if len(found.by_run) > 1 else ()
    if costs:
        sheet.add_title("Cost of a run")
        add_grid(sheet, costs)
    if found.runs:
        sheet.add()
        sheet.add_wrapped(tables.INTERVALS, indent="  ", first=(("  ", ""),), style="dim")
    _add_findings(sheet, found.findings, found.runs)
    _add_notes(sheet, tables.notes(found))
    if found.traces:
        _add_traces(sheet, "Traces", found.traces, found.id_digits)
    else:
        _add_traces(sheet, "Slowest traces", found.slowest, found.id_digits)
        _add_traces(sheet, "Dearest traces", found.dearest, found.id_digits)
    if found.runs:
        sheet.add()
        sheet.add_wrapped("One of them in full: --trace ID (the first digits are enough)", style="dim")
    return sheet.text()


def _add_headline(sheet: Sheet, found: Aggregate) -> None:
    brand = _BRAND if sheet.width >= _ROOMY else ""
    room = sheet.width - len(brand)
    name = cut(sheet.glyphs.readable(tables.title(found)), room, sheet.glyphs.ellipsis)
    sheet.add((pad(name, room), "bold"), (brand, "dim"))
    sheet.add()
    for label, fact in tables.facts(found):
        sheet.add_wrapped(fact, indent=_FACT_INDENT, first=((f"  {label:10}", "dim"),), style="bold")


def _add_findings(sheet: Sheet, findings: tuple[Recurring, ...], runs: int) -> None:
    if not findings:
        return
    sheet.add_title("Findings that recur")
    for number, found in enumerate(findings[:_MOST_FINDINGS], start=1):
        lead = ((f"{number:>3} ", "dim"), (f"{found.impact.upper():7}", IMPACT_STYLES[found.impact]))
        named = f"{text.clean(found.rule).replace('_', ' ')}: {text.short_name(found.component)}"
        sheet.add_wrapped(named, indent=_FINDING_INDENT, first=lead, style="bold")
        sheet.add_wrapped(tables.recurrence(found, runs), indent=_FINDING_INDENT, style="green")
        sheet.add_wrapped(f"such as: {text.clean(found.title)}", indent=_FINDING_INDENT, style="dim")
    sheet.add_rest(len(findings) - _MOST_FINDINGS)
    sheet.add_wrapped(tables.ADDING, indent="  ", first=(("  ", ""),), style="dim")


def _add_notes(sheet: Sheet, notes: list[str]) -> None:
    if not notes:
        return
    sheet.add_title("Notes on the data")
    for note in notes[:_MOST_NOTES]:
        sheet.add_wrapped(text.clean(note), indent="    ", first=(("  - ", ""),), style="dim")
    sheet.add_rest(len(notes) - _MOST_NOTES)


def _add_traces(sheet: Sheet, title: str, briefs: tuple[Brief, ...], digits: int) -> None:
    if briefs:
        sheet.add_title(title)
        add_grid(sheet, tables.traces(briefs, digits))
