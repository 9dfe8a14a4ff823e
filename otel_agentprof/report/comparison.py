"""Two sets of runs side by side: what grew, what shrank, what is new and what is gone.

A: runs by the name of their root  --+-- same name: medians of each figure, span by span
B: likewise                        --+-- one name on either side, however they are called: likewise
                                     +-- else: runs that only one side has
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.analysis.shift import shift
from otel_agentprof.report.sides import Runs, gathered
from otel_agentprof.semconv import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.report.report import Report
    from otel_agentprof.report.sides import Amount, Taken
    from otel_agentprof.report.span_keys import Key

SCHEMA: Final = "agentprof.diff/1"
_SCALE: Final = 12  # digits of a dollar that are compared
_FIRST: Final = ("duration", "cost", "tokens", "tokens:input", "tokens:output", "calls")
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure on both sides: the medians over the runs; None where it is unknown for any of them.

    Attributes:
        low: With ``high`` the limits of the difference at 95 %; None for too few runs to tell.
    """

    before: Decimal | None
    after: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def change(self) -> Decimal | None:
        """How much larger it is after than before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def is_beyond_noise(self) -> bool | None:
        """Whether chance alone would rarely explain the change; None for too few runs to tell."""
        return None if self.low is None or self.high is None else self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class SpanFigures:
    """A span, found again by its path and occurrence; on one side only, it has figures on that side only."""

    name: str
    role: str
    runs_before: int
    runs_after: int
    duration: Figure
    critical: Figure
    cost: Figure

    @property
    def is_changed(self) -> bool:
        """Whether anything about it differs."""
        figures = (self.duration, self.critical, self.cost)
        return any(figure.before != figure.after for figure in figures) or not self.is_matched

    @property
    def is_matched(self) -> bool:
        """Whether both sides have it."""
        return bool(self.runs_before and self.runs_after)


@dataclass(frozen=True, slots=True)
class FindingCount:
    """A finding and the number of runs in which it was made; one of the two is 0."""

    rule: str
    component: str
    title: str
    runs_before: int
    runs_after: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Runs of one name on both sides.

    Attributes:
        figures: By name: ``duration``, ``cost``, ``calls:search``, ``critical:llm``, ...
        spans: Those that changed, most on the critical path first.
        findings: Those that one side has.
    """

    name: str
    name_after: str
    runs_before: int
    runs_after: int
    figures: dict[str, Figure]
    spans: tuple[SpanFigures, ...]
    findings: tuple[FindingCount, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        same = all(figure.before == figure.after for figure in self.figures.values())
        return same and not self.spans and not self.findings

    def figure(self, name: str) -> Figure | None:
        """Return a figure; a role that does not occur has none of it, of any other name nothing is known."""
        kind, _, part = name.partition(":")
        if name not in self.figures and kind in ("calls", "critical") and part in ROLES:
            return Figure(_NOTHING, _NOTHING)
        return self.figures.get(name)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs between two sets of runs.

    Attributes:
        pairs: Runs that both sides have.
        gone: Names of runs that only the first side has, with their number.
        new: Likewise for the second side.
    """

    pairs: tuple[Pair, ...]
    gone: tuple[tuple[str, int], ...]
    new: tuple[tuple[str, int], ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.gone and not self.new and all(pair.is_equal for pair in self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types, in the schema ``agentprof.diff/1``; times are in nanoseconds."""
        return {
            "schema": SCHEMA,
            "is_equal": self.is_equal,
            "pairs": [_pair(pair) for pair in self.pairs],
            "gone_runs": [{"name": name, "runs": count} for name, count in self.gone],
            "new_runs": [{"name": name, "runs": count} for name, count in self.new],
        }


def compare(before: Iterable[Report], after: Iterable[Report]) -> Comparison:
    """Return what differs between some reports and others; the order within a side does not matter."""
    first, second = gathered(before), gathered(after)
    if len(first) == len(second) == 1 and first.keys() != second.keys():
        ((name, old),), ((name_after, new),) = first.items(), second.items()
        return Comparison((_compared(name, name_after, old, new),), (), ())
    return Comparison(
        tuple(_compared(name, name, first[name], second[name]) for name in sorted(first) if name in second),
        tuple((name, first[name].count) for name in sorted(first) if name not in second),
        tuple((name, second[name].count) for name in sorted(second) if name not in first),
    )


def _compared(name: str, name_after: str, first: Runs, second: Runs) -> Pair:
    names = sorted(
        first.figures.keys() | second.figures.keys(),
        key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name),
    )
    spans = (
        _span(key, first.spans.get(key, []), second.spans.get(key, []))
        for key in first.spans.keys() | second.spans.keys()
    )
    return Pair(
        name=name,
        name_after=name_after,
        runs_before=first.count,
        runs_after=second.count,
        figures={figure: _figure(first.values(figure), second.values(figure)) for figure in names},
        spans=tuple(sorted((span for span in spans if span.is_changed), key=_most_first)),
        findings=tuple(
            FindingCount(
                *key,
                (first.titles | second.titles)[key],
                first.findings[key],
                second.findings[key],
            )
            for key in sorted(first.titles.keys() ^ second.titles.keys())
        ),
    )


def _span(key: Key, before: Sequence[Taken], after: Sequence[Taken]) -> SpanFigures:
    return SpanFigures(
        name=key.words,
        role=key.path[-1][0] if key.path else "",
        runs_before=len(before),
        runs_after=len(after),
        duration=_figure([taken.duration_ns for taken in before], [taken.duration_ns for taken in after]),
        critical=_figure([taken.critical_ns for taken in before], [taken.critical_ns for taken in after]),
        cost=_figure([taken.cost_usd for taken in before], [taken.cost_usd for taken in after]),
    )


def _most_first(span: SpanFigures) -> tuple[Decimal, Decimal, str, str]:
    return -_size(span.critical), -_size(span.duration), span.name, span.role


def _size(figure: Figure) -> Decimal:
    return abs((figure.after or _NOTHING) - (figure.before or _NOTHING))


def _figure(before: Sequence[Amount], after: Sequence[Amount]) -> Figure:
    old, new = _known(before), _known(after)
    if old is None or new is None:
        return Figure(_median(old), _median(new))
    limits = shift([_whole(value) for value in old], [_whole(value) for value in new])
    if limits is None:
        return Figure(_median(old), _median(new))
    low, high = (Decimal(limit).scaleb(-_SCALE) for limit in limits)
    return Figure(_median(old), _median(new), low, high)


def _known(values: Sequence[Amount]) -> list[int | Decimal] | None:
    """Return the values, None if one of them is unknown: the median of the others would mislead."""
    known = [value for value in values if value is not None]
    return known if known and len(known) == len(values) else None


def _whole(value: int | Decimal) -> int:
    return value * 10**_SCALE if isinstance(value, int) else int(value.scaleb(_SCALE))


def _median(values: Sequence[int | Decimal] | None) -> Decimal | None:
    if values is None:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return (Decimal(ordered[middle - 1]) + Decimal(ordered[middle])) / 2


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "name": pair.name,
        "name_after": pair.name_after,
        "runs": {"before": pair.runs_before, "after": pair.runs_after},
        "figures": {name: _data(figure) for name, figure in pair.figures.items()},
        "spans": [
            {
                "name": span.name,
                "role": span.role or None,
                "status": "changed" if span.is_matched else "new" if span.runs_after else "gone",
                "runs": {"before": span.runs_before, "after": span.runs_after},
                "duration_ns": _data(span.duration),
                "critical_ns": _data(span.critical),
                "cost_usd": _data(span.cost),
            }
            for span in pair.spans
        ],
        "findings": [asdict(found) for found in pair.findings],
    }


def _data(figure: Figure) -> dict[str, Any]:
    return {
        "before": _plain(figure.before),
        "after": _plain(figure.after),
        "change": _plain(figure.change),
        "interval": None if figure.low is None else [_plain(figure.low), _plain(figure.high)],
        "is_beyond_noise": figure.is_beyond_noise,
    }


def _plain(amount: Decimal | None) -> int | float | None:
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else round(float(amount), _SCALE)
