"""How much a figure may grow: ``duration>10%``, ``cost>$0.01``, ``critical:llm>500ms``, ``calls:search>2``.

A check that cannot be made, because a cost is unknown or a name occurs on neither side, counts as broken: a
pipeline that asked for it must not take silence for a yes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from otel_agentprof.errors import AgentProfError
from otel_agentprof.report import comparison_words as words
from otel_agentprof.report import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.report.comparison import Comparison, Figure, Pair

EXPECTED: Final = (
    "expected FIGURE>LIMIT such as 'duration>10%', 'duration>500ms', 'cost>$0.01', 'tokens>0', "
    "'critical:llm>10%' or 'calls:search>2'; figures are duration, cost[:MODEL], tokens[:input|output], "
    "calls[:NAME], critical:NAME, errors, findings"
)
_FORM: Final = re.compile(
    r"\s*(?P<name>[a-z]+(?::.+?)?)\s*(?P<sign>>=?)\s*"
    r"(?P<dollar>\$?)(?P<number>[+-]?\d{1,18}(?:\.\d{1,18})?)\s*(?P<unit>%|ns|us|µs|ms|s|m|min|)\s*",
    re.DOTALL,
)
_NAMES: Final = re.compile(
    r"duration|cost(:.+)?|tokens(:input|:output)?|calls(:.+)?|critical:.+|errors|findings", re.DOTALL
)
_NS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9}


@dataclass(frozen=True, slots=True)
class Threshold:
    """The growth of B over A from which on a check fails.

    Attributes:
        text: As it was asked for.
        name: The figure.
        limit: In percent, else in the unit of the figure.
        is_reached_at: Whether the limit itself already is too much (``>=``).
    """

    text: str
    name: str
    limit: Decimal
    is_percent: bool
    is_reached_at: bool

    def is_broken_by(self, figure: Figure) -> bool | None:
        """Return whether a figure grew too much; None where it is unknown on either side."""
        if figure.before is None or figure.after is None:
            return None
        growth = figure.after - figure.before
        if self.is_percent:
            if not figure.before:
                return figure.after > 0 or (self.is_reached_at and self.limit <= 0) or self.limit < 0
            growth = 100 * growth / figure.before
        return growth >= self.limit if self.is_reached_at else growth > self.limit


def threshold(asked: str) -> Threshold:
    """Return what was asked for.

    Raises:
        AgentProfError: It cannot be read.
    """
    found = _FORM.fullmatch(asked)
    if found is None or not _NAMES.fullmatch(found["name"]):
        raise AgentProfError(f"--fail-if {asked!r}: {EXPECTED}")
    number, unit, kind = Decimal(found["number"]), found["unit"], words.unit_of(found["name"])
    is_percent = unit == "%"
    is_fitting = (
        (is_percent and not found["dollar"])
        or (kind == "ns" and unit in _NS and not found["dollar"])
        or (kind == "usd" and not unit)
        or (not unit and not found["dollar"] and (kind == "count" or not number))
    )
    if not is_fitting:
        raise AgentProfError(f"--fail-if {asked!r}: {_units(kind)}; {EXPECTED}")
    limit = number if is_percent else number * _NS.get(unit, 1)
    return Threshold(asked.strip(), found["name"], limit, is_percent, found["sign"] == ">=")


def broken(limits: list[Threshold], found: Comparison) -> Iterator[str]:
    """Yield a sentence for each check that fails, and for each that cannot be made."""
    for limit in limits:
        for pair in found.pairs:
            if sentence := _sentence(limit, pair):
                yield f"{limit.text}: {sentence}{_of(pair, found)}"
        for name, _ in found.gone:
            yield f"{limit.text}: cannot be checked, B has no run of {text.name(name)}"
        if not found.pairs and not found.gone:
            yield f"{limit.text}: cannot be checked, there is nothing to compare"


def _sentence(limit: Threshold, pair: Pair) -> str | None:
    figure = pair.figure(limit.name)
    if figure is None:
        return f"cannot be checked, neither side has {text.clean(limit.name)}"
    is_broken = limit.is_broken_by(figure)
    if is_broken is None:
        sides = [side for side, value in (("A", figure.before), ("B", figure.after)) if value is None]
        return f"cannot be checked, it is unknown in {' and '.join(sides)}"
    if not is_broken:
        return None
    shown = [words.amount(value, words.unit_of(limit.name)) for value in (figure.before, figure.after)]
    return f"{' -> '.join(shown)}, {words.growth(figure)}{words.noise(figure, in_brackets=True)}"


def _of(pair: Pair, found: Comparison) -> str:
    return f" in {text.name(pair.name)}" if len(found.pairs) > 1 else ""


def _units(kind: str) -> str:
    return {
        "ns": "a time takes ns, us, ms, s or m, or %",
        "usd": "money is US dollars without a unit, or %",
        "count": "a count takes no unit, or %",
    }[kind]
