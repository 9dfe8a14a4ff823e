"""What changes to a trace would bring, in a terminal: a line each, then where the time would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.report import text
from otel_agentprof.report.grids import Column, add_grid
from otel_agentprof.report.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.report.changes import Outcome


def render(
    trace: Trace,
    found: Sequence[Outcome],
    before_usd: Decimal | None,
    *,
    width: int,
    color: bool,
    ascii: bool = False,  # noqa: A002 - the word of the trade
) -> str:
    """Return the outcomes, the last one of all changes together, as lines of at most ``width`` cells."""
    sheet = Sheet.blank(width, color=color, is_ascii=ascii)
    now_ns = trace.tree.duration_ns
    saved_ns = [outcome.then.saved_ns for outcome in found]
    saved_usd = [text.money(outcome.then.saved_usd) for outcome in found]
    columns = (
        Column("change", ("as it is", *(text.clean(outcome.label) for outcome in found))),
        Column("time", tuple(text.duration(ns) for ns in (now_ns, *(one.then.makespan_ns for one in found)))),
        Column("saved", ("", *map(text.duration, saved_ns))),
        Column("", ("", *(f"{ns / now_ns:.0%}" if now_ns else "" for ns in saved_ns)), rank=1),
        Column("cost", tuple(text.money(usd) for usd in (before_usd, *(one.cost_usd for one in found)))),
        Column("saved", ("", *saved_usd)),
    )
    add_grid(sheet, columns)
    notes = [outcome for outcome in found if outcome.note]
    if notes:
        sheet.add()
    for outcome in notes:
        sheet.add_wrapped(text.clean(f"{outcome.label}: {outcome.note}"), indent="  ", style="dim")
    names = {span.span_id: text.name(span.name) for span in trace.tree.spans}
    last = found[-1].then
    waits = (
        f"{names.get(span_id or '', '(outside all spans)')} {text.duration(ns)}"
        for span_id, ns in last.top_spans
    )
    sheet.add()
    sheet.add_wrapped(f"Then the time is in: {', '.join(waits) or 'nothing'}", indent="  ", first=(("", ""),))
    if last.curve:
        steps = (f"{percent}% faster: {text.duration(ns)}" for percent, ns in last.curve)
        sheet.add_wrapped(f"What is scaled, made faster: {', '.join(steps)}", indent="  ", first=(("", ""),))
    return sheet.text()
