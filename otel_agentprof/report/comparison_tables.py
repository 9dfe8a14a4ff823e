"""What differs between two sets of runs as columns, the same on a page and in a terminal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.report import comparison_words as words
from otel_agentprof.report import text
from otel_agentprof.report.grids import Column
from otel_agentprof.semconv import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.report.comparison import Comparison, Figure, Pair, SpanFigures

NOISE: Final = (
    "A and B are medians. Beyond the noise: chance alone would show such a difference in fewer than 5 of 100 "
    "comparisons (rank-sum test; its interval assumes that B is A, shifted)."
)
TOO_FEW: Final = (
    "Whether chance explains a difference cannot be told from so few runs; 4 on each side are enough."
)
_TOTALS: Final = (
    ("duration", "duration"),
    ("cost", "cost"),
    ("tokens in", "tokens:input"),
    ("tokens out", "tokens:output"),
    ("LLM calls", "calls:llm"),
    ("tool calls", "calls:tool"),
    ("errors", "errors"),
    ("findings", "findings"),
)
_ALWAYS: Final = ("duration", "cost")
_SMALL: Final = Decimal("0.01")  # of the run: what is less is not listed
_NOTHING: Final = Decimal(0)
_ONE_SIDED: Final[tuple[tuple[str, str, words.Unit], ...]] = (
    ("time", "duration", "ns"),
    ("on path", "critical", "ns"),
    ("cost", "cost", "usd"),
)


class Section(NamedTuple):
    """Spans that changed in one way: a title, columns with the spans' names first, how many were left out."""

    title: str
    columns: tuple[Column, ...]
    left_out: int


def title(pair: Pair) -> str:
    """Return what is compared, with the number of runs."""
    shown = text.name(pair.name)
    if pair.name_after != pair.name:
        shown += f" and {text.name(pair.name_after)}"
    return f"{shown}: {text.plural(pair.runs_before, 'run')} in A, {pair.runs_after:,} in B"


def has_noise(pair: Pair) -> bool:
    """Return whether chance can be told from change."""
    return any(figure.low is not None for figure in pair.figures.values())


def one_sided(found: Comparison) -> list[str]:
    """Return a sentence for each name of runs that only one side has."""
    return [
        f"{text.name(name)}: {text.plural(count, 'run')} in {there}, none in {elsewhere}"
        for names, there, elsewhere in ((found.gone, "A", "B"), (found.new, "B", "A"))
        for name, count in names
    ]


def totals(pair: Pair) -> tuple[Column, ...]:
    """Return the columns of the figures of the runs."""
    named = [*_TOTALS, *((f"waited for {role}", f"critical:{role}") for role in ROLES)]
    rows = [(label, name, pair.figures[name]) for label, name in named if name in pair.figures]
    rows = [
        row for row in rows if row[1] in _ALWAYS or row[2].before or row[2].after or row[2].change is None
    ]
    units = [words.unit_of(name) for _, name, _ in rows]
    figures = [figure for *_, figure in rows]
    return (
        Column("", tuple(label for label, *_ in rows)),
        *_figures(figures, units),
        Column("", tuple(words.growth(figure) if figure.change else "" for figure in figures), 1),
        *_certainty(figures, units),
    )


def sections(pair: Pair, most: int) -> tuple[Section, ...]:
    """Return what happened to spans, at most so many of each kind; less than 1 % of the run is left out."""
    duration, cost = pair.figures["duration"], pair.figures["cost"]
    least_ns, least_usd = _SMALL * _larger(duration), _SMALL * _larger(cost)
    matched = [span for span in pair.spans if span.is_matched]
    found = []
    for heading, sign in (("Slower, or waited for longer", 1), ("Faster, or waited for less", -1)):
        spans = [span for span in matched if _worth(span, sign) > least_ns]
        found.append(_section(heading, sorted(spans, key=lambda span: -_worth(span, sign)), most))
    for heading, sign in (("Dearer", 1), ("Cheaper", -1)):
        spans = [span for span in matched if sign * _change(span.cost) > least_usd]
        spans.sort(key=lambda span: (-sign * _change(span.cost), span.name))
        found.append(_section(heading, spans, most, unit="usd"))
    for heading, spans in (
        ("New", [span for span in pair.spans if not span.runs_before]),
        ("Gone", [span for span in pair.spans if not span.runs_after]),
    ):
        found.append(_section(heading, spans, most, is_new=heading == "New"))
    return tuple(section for section in found if section.columns)


def findings(pair: Pair) -> tuple[tuple[str, list[str]], ...]:
    """Return heading and sentences for the findings that came and those that went."""
    found = []
    for heading, runs, name in (
        ("Findings that came", pair.runs_after, "runs_after"),
        ("Findings that went", pair.runs_before, "runs_before"),
    ):
        counted = [(one, getattr(one, name)) for one in pair.findings if getattr(one, name)]
        found.append(
            (heading, [f"{one.title} (in {n:,} of {text.plural(runs, 'run')})" for one, n in counted])
        )
    return tuple(section for section in found if section[1])


def unlisted(pair: Pair, listed: Sequence[Section]) -> int:
    """Return how many changed spans are too small to be listed."""
    sizes = {section.title: len(section.columns[0].cells) + section.left_out for section in listed}
    timed = sum(size for heading, size in sizes.items() if heading not in ("Dearer", "Cheaper"))
    return max(len(pair.spans) - timed, 0)


def _section(
    heading: str,
    spans: Sequence[SpanFigures],
    most: int,
    *,
    unit: words.Unit = "ns",
    is_new: bool | None = None,
) -> Section:
    shown = spans[:most]
    if not shown:
        return Section(heading, (), 0)
    names = Column("span", tuple(span.name for span in shown))
    runs = Column("runs", tuple(f"{span.runs_before or span.runs_after:,}" for span in shown), 3)
    if is_new is not None:
        side = "after" if is_new else "before"
        columns = (
            names,
            *(
                Column(label, tuple(_one_side(getattr(span, name), side, of) for span in shown))
                for label, name, of in _ONE_SIDED
            ),
            runs,
        )
        return Section(heading, columns, max(len(spans) - most, 0))
    figures = [span.cost if unit == "usd" else span.duration for span in shown]
    units: list[words.Unit] = [unit] * len(shown)
    columns = (names, *_figures(figures, units))
    if unit == "ns":
        on_path = Column("on path", tuple(words.change(span.critical, "ns") for span in shown), 1)
        columns = (*columns, on_path)
    return Section(heading, (*columns, *_certainty(figures, units)), max(len(spans) - most, 0))


def _figures(figures: Sequence[Figure], units: Sequence[words.Unit]) -> tuple[Column, ...]:
    rows = list(zip(figures, units, strict=True))
    return (
        Column("A", tuple(words.amount(figure.before, unit) for figure, unit in rows)),
        Column("B", tuple(words.amount(figure.after, unit) for figure, unit in rows)),
        Column("change", tuple(words.change(figure, unit) for figure, unit in rows)),
    )


def _certainty(figures: Sequence[Figure], units: Sequence[words.Unit]) -> tuple[Column, ...]:
    if all(figure.low is None for figure in figures):
        return ()
    said = tuple(
        words.noise(figure).removesuffix(" the noise") if figure.change else "" for figure in figures
    )
    rows = zip(figures, units, strict=True)
    return (
        Column("noise", said, 2),
        Column("95 % interval", tuple(words.limits(f, unit) if f.change else "" for f, unit in rows), 4),
    )


def _one_side(figure: Figure, side: str, unit: words.Unit) -> str:
    value: Decimal | None = getattr(figure, side)
    return "" if value == 0 and unit == "usd" else words.amount(value, unit)


def _larger(figure: Figure) -> Decimal:
    return max(figure.before or _NOTHING, figure.after or _NOTHING)


def _change(figure: Figure) -> Decimal:
    return figure.change or _NOTHING


def _worth(span: SpanFigures, sign: int) -> Decimal:
    """Return by how much a span got slower, or faster: on the path where it is on it, else by itself."""
    critical, duration = sign * _change(span.critical), sign * _change(span.duration)
    return critical or max(duration, _NOTHING)
