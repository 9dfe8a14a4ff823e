"""Bars that show who was waited for, of one trace or of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.waterfall_text import ROLE_STYLES

if TYPE_CHECKING:
    from otel_agentprof.report.headline import Share
    from otel_agentprof.report.sheet import Sheet

IMPACT_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "dim"}
_WIDEST: Final = 50


def add_shares(sheet: Sheet, shares: tuple[Share, ...], total_ns: int) -> None:
    """Write the section: one bar for each role that was waited for."""
    if not shares:
        return
    sheet.add_title("Where the wait went")
    labels = max(len(share.label) for share in shares)
    bar_width = min(sheet.width - labels - 28, _WIDEST)
    for share in shares:
        if not share.critical_ns:
            continue
        filled = round(bar_width * share.critical_ns / total_ns) if total_ns else 0
        spent = f" {text.duration(share.critical_ns):>8} {text.percent(share.critical_ns, total_ns):>5}"
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
