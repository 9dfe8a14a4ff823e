"""How figures and their changes are written, the same on a page, in a terminal and in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from otel_agentprof.report import text

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.report.comparison import Figure

Unit = Literal["ns", "usd", "count"]
_SIGN: Final = {True: "+", False: "-"}
_LOUD: Final = 1_000  # percent: beyond it a factor says more


def unit_of(figure: str) -> Unit:
    """Return what a figure of this name counts."""
    kind = figure.partition(":")[0]
    return "ns" if kind in ("duration", "critical") else "usd" if kind == "cost" else "count"


def amount(value: Decimal | None, unit: Unit) -> str:
    """Return a figure."""
    if value is None:
        return text.UNKNOWN
    if unit == "usd":
        return text.money(value)
    if unit == "ns":
        return text.duration(round(value))
    return f"{value:,.0f}" if value == value.to_integral_value() else f"{value:,.1f}"


def change(figure: Figure, unit: Unit) -> str:
    """Return by how much a figure grew, with its sign; "" where it did not."""
    grown = figure.change
    if grown is None:
        return text.UNKNOWN if figure.before != figure.after else ""
    return _SIGN[grown > 0] + amount(abs(grown), unit) if grown else ""


def growth(figure: Figure) -> str:
    """Return by which share a figure grew; "" where it did not, or where nobody knows."""
    grown = figure.change
    if not grown:
        return "" if grown is None else "no change"
    if not figure.before:
        return "from nothing"
    percent = 100 * grown / figure.before
    if abs(percent) >= _LOUD:
        return f"{figure.after / figure.before:,.0f} times as much" if figure.after is not None else ""
    return f"{percent:+.0f}%" if abs(percent) >= 1 else f"{percent:+.1f}%"


def noise(figure: Figure, *, in_brackets: bool = False) -> str:
    """Return whether chance would explain a change; in brackets nothing is said where it cannot be told."""
    known = figure.is_beyond_noise
    if known is None:
        return "" if in_brackets else "too few runs"
    word = "beyond the noise" if known else "within the noise"
    return f" ({word})" if in_brackets else word


def limits(figure: Figure, unit: Unit) -> str:
    """Return the interval of a change."""
    if figure.low is None or figure.high is None:
        return ""
    return " to ".join(
        ("+" if limit > 0 else "-" if limit < 0 else "") + amount(abs(limit), unit)
        for limit in (figure.low, figure.high)
    )
