"""The tables that pages show and a terminal has no room for: tokens and money per model and operation."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.report import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.report.report import Report

MODEL_HEADINGS: Final = ("model", "calls", "input", "cached", "output", "reasoning", "cost")
OPERATION_HEADINGS: Final = ("operation", *MODEL_HEADINGS[1:])
_MOST_ROWS: Final = 50


class Table(NamedTuple):
    """Headings, rows whose first cell is a cleaned name, and how many rows were left out."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int


def by_model(report: Report) -> Table:
    """Return tokens and money per model, the dearest first."""
    found = (
        (
            model,
            report.by_model[model].count if model in report.by_model else None,
            usage,
            None if model in report.unpriced_models else report.cost_by_model.get(model),
        )
        for model, usage in report.usage_by_model.items()
    )
    return _table(MODEL_HEADINGS, found)


def by_operation(report: Report) -> Table:
    """Return tokens and money per operation that used any, the dearest first."""
    found = (
        (name, op.count, op.usage, op.cost_usd) for name, op in report.by_operation.items() if op.usage.total
    )
    return _table(OPERATION_HEADINGS, found)


def _table(
    headings: tuple[str, ...], found: Iterable[tuple[str, int | None, TokenUsage, Decimal | None]]
) -> Table:
    ranked = sorted(found, key=lambda row: (-(row[3] or Decimal(0)), -row[2].total, row[0]))
    rows = [
        (
            text.name(name),
            "" if count is None else f"{count:,}",
            f"{usage.input:,}",
            f"{usage.cache_read:,}" if usage.cache_read else "",
            f"{usage.output:,}",
            f"{usage.reasoning:,}" if usage.reasoning else "",
            text.money(cost),
        )
        for name, count, usage, cost in ranked[:_MOST_ROWS]
    ]
    return Table(headings, tuple(rows), max(len(ranked) - _MOST_ROWS, 0))
