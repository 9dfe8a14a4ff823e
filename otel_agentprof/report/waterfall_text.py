"""The waterfall in letters: ``tree | bar | time | on path | tokens | cost``, one line per row.

    agent            ████░░░░░░░░░░░███   12.4 s   2.1 s
    ├ chat gpt-5     ░░░░████░░░░░░░░░░    3.1 s   3.1 s   1.2k   $0.0101
    └ search x3 max  ░░░░░░░░███████░░░    7.2 s   7.2 s

Columns that nobody fills or that do not fit are left out, tokens first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.report import text
from otel_agentprof.report.folding import coverage
from otel_agentprof.report.sheet import cut, pad, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.report.folding import Line
    from otel_agentprof.report.report import Mark, Report
    from otel_agentprof.report.sheet import Glyphs, Piece
    from otel_agentprof.semconv import Role

ROLE_STYLES: Final[dict[Role, str]] = {
    "llm": "magenta",
    "tool": "cyan",
    "agent": "yellow",
    "retrieval": "blue",
    "embedding": "blue",
    "step": "green",
    "other": "white",
}
MARK_WORDS: Final[dict[Mark, tuple[str, str]]] = {
    "error": ("ERROR", "the span ended with an error"),
    "open": ("open", "never ended; drawn up to the last moment that is known"),
    "background": ("bg", "background, nobody waited for it"),
    "hoisted": ("late", "ended after its parent, so a span further up waited for it"),
    "incomplete": ("cut", "incomplete, such as a stream that nobody read to its end"),
}
_LEAST_LABEL: Final = 16
_LEAST_BAR: Final = 10
_LEAST_NAME: Final = 6
_DEEPEST: Final = 6  # levels that are drawn; deeper ones are numbered
_WIDE: Final = 110  # from here on tokens are told apart in input and output
_GAP: Final = 2


class _Column(NamedTuple):
    heading: str
    cells: list[str]
    rank: int  # the highest goes first when there is no room

    @property
    def width(self) -> int:
        return max(map(len, (self.heading, *self.cells)))


def draw(report: Report, lines: Sequence[Line], *, width: int, glyphs: Glyphs) -> list[tuple[Piece, ...]]:
    """Return the waterfall of at least one line as lines of pieces, a heading first."""
    guides = _guides(lines, glyphs)
    columns = _fitting(_columns(lines, is_wide=width >= _WIDE), width)
    room = width - sum(column.width + _GAP for column in columns) - 1
    most = max(_LEAST_LABEL, room * 11 // 20)
    labels = [_label(line, guide, most, glyphs) for line, guide in zip(lines, guides, strict=True)]
    label_width = max(_LEAST_LABEL, *(sum(width_of(part) for part, _ in label) for label in labels))
    bar_width = room - label_width
    drawn = [_heading(report, columns, label_width, bar_width, glyphs)]
    for number, (line, label) in enumerate(zip(lines, labels, strict=True)):
        fill = " " * (label_width - sum(width_of(part) for part, _ in label) + 1)
        bar = _bar(line, bar_width, report.start_ns, report.duration_ns, glyphs)
        figures = "".join(" " * _GAP + pad(c.cells[number], c.width, right=True) for c in columns)
        drawn.append((*label, (fill, ""), *bar, (figures, "")))
    return drawn


def legend(lines: Sequence[Line]) -> list[str]:
    """Return what the marks in these lines mean; errors speak for themselves."""
    used = {mark for line in lines for mark, _ in line.marks}
    return [
        f"{word}: {meaning}"
        for mark, (word, meaning) in MARK_WORDS.items()
        if mark in used and mark != "error"
    ]


def _columns(lines: Sequence[Line], *, is_wide: bool) -> list[_Column]:
    usages = [line.usage for line in lines]
    columns = [
        _Column("time", [text.duration(line.longest_ns) for line in lines], 0),
        _Column(
            "on path", [text.duration(line.critical_ns) if line.critical_ns else "" for line in lines], 1
        ),
    ]
    if any(usages):
        if is_wide:
            columns.append(_Column("in", [text.compact(u.input) if u else "" for u in usages], 3))
            columns.append(_Column("out", [text.compact(u.output) if u else "" for u in usages], 3))
        else:
            columns.append(_Column("tokens", [text.compact(u.total) if u else "" for u in usages], 3))
    costs = [_cost(line) for line in lines]
    if any(costs):
        columns.append(_Column("cost", costs, 2))
    return columns


def _cost(line: Line) -> str:
    if line.cost_usd is None:
        return text.UNKNOWN if line.is_partly_unpriced else ""
    return text.money(line.cost_usd) + ("+?" if line.is_partly_unpriced else "")


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    kept = list(columns)
    while sum(c.width + _GAP for c in kept) + _LEAST_LABEL + _LEAST_BAR + 1 > width and len(kept) > 1:
        kept.remove(max(kept, key=lambda column: column.rank))
    return kept


def _heading(
    report: Report, columns: list[_Column], label_width: int, bar_width: int, glyphs: Glyphs
) -> tuple[Piece, ...]:
    end = " " + text.duration(report.duration_ns)
    axis = "0 " + glyphs.dash * (bar_width - len(end) - 2) + end
    figures = "".join(" " * _GAP + column.heading.rjust(column.width) for column in columns)
    return ((pad("span", label_width + 1) + axis[-bar_width:] + figures, "dim"),)


def _label(line: Line, guide: str, cells: int, glyphs: Glyphs) -> tuple[Piece, ...]:
    """Return tree lines, name, count and marks in at most so many cells; the name gives way first."""
    count = f"{line.count:,}"
    called = glyphs.readable(text.short_name(line.row.name))
    name, after = {
        "span": (called, ""),
        "run": (called, f" {glyphs.times}{count} max"),
        "levels": (f"{glyphs.ellipsis} {count} levels", ""),
        "elided": (f"{glyphs.ellipsis} {count} more", ", max"),
    }[line.kind]
    marks = _marks(line, glyphs)
    room = cells - width_of(guide) - width_of(after) - width_of(marks)
    if room < _LEAST_NAME and marks:
        marks = ""
        room = cells - width_of(guide) - width_of(after)
    style = ROLE_STYLES[line.row.role] if line.kind in ("span", "run") else "dim"
    shown = cut(name, max(room, _LEAST_NAME), glyphs.ellipsis)
    return (
        (guide, "dim"),
        (shown, style),
        (after, "dim"),
        (marks, "bold red" if "ERROR" in marks else "yellow"),
    )


def _marks(line: Line, glyphs: Glyphs) -> str:
    words = [
        MARK_WORDS[mark][0] + (f"{glyphs.times}{count}" if count > 1 else "") for mark, count in line.marks
    ]
    return " " + ",".join(words) if words else ""


def _guides(lines: Sequence[Line], glyphs: Glyphs) -> list[str]:
    """Return the tree lines before each name."""
    guides: list[str] = []
    goes_on: list[bool] = []  # per level: does a later line hang there?
    for line in reversed(lines):
        goes_on += [False] * (line.indent + 1 - len(goes_on))
        del goes_on[line.indent + 1 :]
        guides.append(_guide(line, goes_on, glyphs))
        goes_on[line.indent] = True
    return guides[::-1]


def _guide(line: Line, goes_on: list[bool], glyphs: Glyphs) -> str:
    if line.indent == 0:
        return ""
    if line.indent > _DEEPEST:
        return glyphs.blank * (_DEEPEST - 1) + f"{glyphs.deep}{line.indent} "
    trunks = "".join(glyphs.trunk if on else glyphs.blank for on in goes_on[1 : line.indent])
    return trunks + (glyphs.branch if goes_on[line.indent] else glyphs.corner)


def _bar(line: Line, width: int, start_ns: int, duration_ns: int, glyphs: Glyphs) -> tuple[Piece, ...]:
    """Return the cells of a bar: a full block where at least half of the time was on the critical path."""
    busy = coverage(line.busy, width, start_ns, duration_ns)
    path = coverage(line.on_path, width, start_ns, duration_ns)
    style = ROLE_STYLES[line.row.role]
    pieces: list[Piece] = []
    for in_cell, on_path in zip(busy, path, strict=True):
        if not in_cell and not on_path:
            sign, paint = " ", ""
        elif 2 * on_path >= max(in_cell, 1):
            sign, paint = glyphs.on_path, style
        else:
            sign, paint = glyphs.off_path, "dim"
        if pieces and pieces[-1][1] == paint:
            pieces[-1] = (pieces[-1][0] + sign, paint)
        else:
            pieces.append((sign, paint))
    return tuple(pieces)
