"""Two sets of runs in a terminal: what changed in all, then which spans did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import comparison_tables as tables
from otel_agentprof.report import text
from otel_agentprof.report.grids import add_grid
from otel_agentprof.report.sheet import Sheet, cut, pad

if TYPE_CHECKING:
    from otel_agentprof.report.comparison import Comparison, Pair

_MOST_SPANS: Final = 8
_MOST_FINDINGS: Final = 10
_ROOMY: Final = 60
_BRAND: Final = "  agentprof diff"


def render(found: Comparison, *, width: int, color: bool, ascii: bool = False) -> str:  # noqa: A002 - the word of the trade
    """Return the differences as lines of at most ``width`` cells (40 to 200), each ended by a newline."""
    sheet = Sheet.blank(width, color=color, is_ascii=ascii)
    for number, pair in enumerate(found.pairs):
        if number:
            sheet.add()
            sheet.add()
        _add_pair(sheet, pair)
    alone = tables.one_sided(found)
    if alone:
        if found.pairs:
            sheet.add_title("Runs that one side only has")
        for sentence in alone:
            sheet.add_wrapped(sentence, indent="    ", first=(("  - ", ""),))
    return sheet.text()


def _add_pair(sheet: Sheet, pair: Pair) -> None:
    brand = _BRAND if sheet.width >= _ROOMY else ""
    room = sheet.width - len(brand)
    name = cut(sheet.glyphs.readable(tables.title(pair)), room, sheet.glyphs.ellipsis)
    sheet.add((pad(name, room), "bold"), (brand, "dim"))
    sheet.add()
    add_grid(sheet, tables.totals(pair))
    if pair.is_equal:
        sheet.add()
        sheet.add_wrapped("No difference: every figure, span and finding is the same.")
        return
    listed = tables.sections(pair, _MOST_SPANS)
    for section in listed:
        sheet.add_title(section.title)
        add_grid(sheet, section.columns, keep_end=True)
        sheet.add_rest(section.left_out)
    for heading, sentences in tables.findings(pair):
        sheet.add_title(heading)
        for sentence in sentences[:_MOST_FINDINGS]:
            sheet.add_wrapped(text.clean(sentence), indent="    ", first=(("  - ", ""),))
        sheet.add_rest(len(sentences) - _MOST_FINDINGS)
    sheet.add()
    small = tables.unlisted(pair, listed)
    if small:
        sheet.add_wrapped(
            f"{text.plural(small, 'span')} changed by less than 1 % of the run: --format json lists them all",
            style="dim",
        )
    sheet.add_wrapped(tables.NOISE if tables.has_noise(pair) else tables.TOO_FEW, style="dim")
