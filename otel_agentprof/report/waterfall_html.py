"""The waterfall of the page: rows that fold away with ``<details>``, bars placed in percent.

A row that is folded away passes its stretches of the critical path on to the row that stays (``below``), so
that folding never hides what was waited for.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.report import text
from otel_agentprof.report.folding import coverage, fold, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.report.folding import Line, Stretch
    from otel_agentprof.report.report import Mark, Report, Row

Places = dict[str, tuple[str, str]]  # span id -> anchor on the page, name
_MOST_LINES: Final = 400
_MOST_OF_A_RUN: Final = 100
_DEEPEST: Final = 40  # elements inside elements; browsers give up at a few hundred
_DEEPEST_INDENT: Final = 16
_CROWD: Final = 30  # stretches of one row that are still drawn one by one
_SHADES: Final = 200
_PALEST: Final = 0.2
_FINEST: Final = 400  # stretches closer than this part of the time are one element
_MARKS: Final[Mapping[Mark, str]] = {
    "error": "the span ended with an error",
    "open": "never ended; drawn up to the last moment that is known",
    "background": "nobody waited for it",
    "hoisted": "ended after its parent, so a span further up waited for it",
    "incomplete": "such as a stream that nobody read to its end",
}


class _Scale(NamedTuple):
    """The root's window, on which everything is placed in percent."""

    start_ns: int
    duration_ns: int

    def place(self, stretch: Stretch) -> str:
        """Return the style that puts an element there."""
        left, right = (100 * (moment - self.start_ns) / max(self.duration_ns, 1) for moment in stretch)
        left, right = (min(max(edge, 0.0), 100.0) for edge in (left, right))
        # What lies outside the window keeps a sign at its edge.
        left = min(left, 99.8)
        return f"left:{left:.2f}%;width:{max(right - left, 0.0):.2f}%"


def waterfall(report: Report) -> tuple[list[str], Places]:
    """Return the waterfall as pieces of a page, and where on it each span is."""
    lines = fold(report, limit=_MOST_LINES)
    if not lines:
        return [], {}
    scale = _Scale(report.start_ns, report.duration_ns)
    below = _paths_below(lines, report.duration_ns // _FINEST)
    pieces = ["<h2>Waterfall</h2>", '<div class="falls">', _head(report)]
    open_at: list[int] = []  # indents of the elements that are open
    for number, line in enumerate(lines):
        while open_at and open_at[-1] >= line.indent:
            open_at.pop()
            pieces.append("</details>")
        has_children = number + 1 < len(lines) and lines[number + 1].indent > line.indent
        row = _row(line, scale, below[number])
        if line.kind == "run":
            pieces.append(f'<details id="r{line.index}" class="{line.row.role}"><summary {row}</summary>')
            pieces += _members(line, scale)
            pieces.append("</details>")
        elif has_children and len(open_at) < _DEEPEST:
            pieces.append(
                f'<details open id="r{line.index}" class="{line.row.role}"><summary {row}</summary>'
            )
            open_at.append(line.indent)
        else:
            pieces.append(f'<div id="r{line.index}" {row}</div>')
    pieces += ["</details>"] * len(open_at)
    return [*pieces, "</div>", _legend(lines)], _places(lines)


def _head(report: Report) -> str:
    ticks = "".join(f"<span>{text.duration(report.duration_ns * part // 4)}</span>" for part in (0, 2, 4))
    figures = "".join(f'<span class="num">{word}</span>' for word in ("time", "on path", "tokens", "cost"))
    axis = f'<span class="axis">{ticks}</span>'
    return f'<div class="row head"><span class="name">span</span>{axis}{figures}</div>'


def _row(line: Line, scale: _Scale, below: Sequence[Stretch]) -> str:
    """Return a row from its class attribute on; the caller chooses the element."""
    name = {
        "levels": f"… {line.count:,} levels in which little happens",
        "elided": f"… {line.count:,} more spans, the longest",
    }.get(line.kind) or text.short_name(line.row.name)
    count = f'<b class="times">&times;{line.count:,}, the longest</b>' if line.kind == "run" else ""
    marks = "".join(
        f'<em class="{mark}" title="{_MARKS[mark]}">{mark}{f" &times;{often:,}" if often > 1 else ""}</em>'
        for mark, often in line.marks
    )
    bars = [
        _bars(line.busy, scale, ""),
        _bars(line.on_path, scale, "path"),
        _bars(below, scale, "path below"),
    ]
    cost = "" if line.cost_usd is None else text.money(line.cost_usd)
    if line.is_partly_unpriced:
        cost = f"{cost}+?" if cost else text.UNKNOWN
    kind = line.row.role if line.kind in ("span", "run") else "other quiet"
    return (
        f'class="row {kind}" style="--d:{min(line.indent, _DEEPEST_INDENT)}" '
        f'title="{escape(_hint(line, scale))}">{_name(name, count + marks)}'
        f'<span class="bar">{"".join(bars)}</span>'
        f"{_figures(line.longest_ns, line.critical_ns, line.usage, cost)}"
    )


def _name(name: str, after: str) -> str:
    return f'<span class="name"><i class="dot"></i><span>{escape(name)}</span>{after}</span>'


def _figures(longest_ns: int, critical_ns: int, usage: TokenUsage | None, cost: str) -> str:
    hint = f' title="{usage.input:,} in, {usage.output:,} out"' if usage else ""
    return (
        f'<span class="num">{text.duration(longest_ns)}</span>'
        f'<span class="num">{text.duration(critical_ns) if critical_ns else ""}</span>'
        f'<span class="num"{hint}>{text.compact(usage.total) if usage else ""}</span>'
        f'<span class="num">{escape(cost)}</span>'
    )


def _members(line: Line, scale: _Scale) -> list[str]:
    shown = line.members[:_MOST_OF_A_RUN]
    rows = [_member(row, line.indent + 1, scale) for row in shown]
    rest = len(line.members) - len(shown)
    if rest:
        indent = min(line.indent + 1, _DEEPEST_INDENT)
        rows.append(
            f'<div class="row other quiet" style="--d:{indent}"><span class="name"><span>… {rest:,} more'
            "</span></span></div>"
        )
    return rows


def _member(row: Row, indent: int, scale: _Scale) -> str:
    marks = "".join(f'<em class="{mark}" title="{_MARKS[mark]}">{mark}</em>' for mark in row.marks)
    path_ns = sum(end - start for start, end in row.on_path)
    path = merge(row.on_path, scale.duration_ns // _FINEST)
    bars = _bars([(row.start_ns, row.end_ns)], scale, "") + _bars(path, scale, "path")
    cost = text.money(row.cost_usd) if row.usage or row.cost_usd is not None else ""
    return (
        f'<div class="row {row.role}" style="--d:{min(indent, _DEEPEST_INDENT)}">'
        f'{_name(text.short_name(row.name), marks)}<span class="bar">{bars}</span>'
        f"{_figures(row.end_ns - row.start_ns, path_ns, row.usage, cost)}</div>"
    )


def _bars(stretches: Iterable[Stretch], scale: _Scale, kind: str) -> str:
    found = tuple(stretches)
    if len(found) > _CROWD:
        return _shades(found, scale, kind)
    return "".join(f'<i class="{kind}" style="{scale.place(stretch)}"></i>' for stretch in found)


def _shades(stretches: Sequence[Stretch], scale: _Scale, kind: str) -> str:
    """Return many short stretches as shades: one by one, each is a pixel wide and they fill the time."""
    cells = coverage(stretches, _SHADES, scale.start_ns, scale.duration_ns)
    full = 1.0 if kind else 0.28  # as in page.html
    shades = [f"{full * min(max(covered / max(scale.duration_ns, 1), _PALEST), 1):.2f}" for covered in cells]
    drawn, at = [], 0
    for shade, same in groupby(shades):
        end = at + len(list(same))
        if any(cells[at:end]):
            edges = f"left:{100 * at / _SHADES:.1f}%;width:{100 * (end - at) / _SHADES:.1f}%"
            drawn.append(f'<i class="{kind}" style="{edges};opacity:{shade}"></i>')
        at = end
    return "".join(drawn)


def _hint(line: Line, scale: _Scale) -> str:
    starts = text.duration(line.row.start_ns - scale.start_ns)
    span_id = text.clean(line.row.span_id)
    return f"{text.name(line.row.name)}\n{line.row.role}, starts at {starts}, span {span_id}"


def _paths_below(lines: Sequence[Line], gap_ns: int) -> list[tuple[Stretch, ...]]:
    """Return for each line the critical path of the lines under it."""
    below: list[tuple[Stretch, ...]] = [()] * len(lines)
    under: dict[int, list[Stretch]] = {}  # indent -> stretches of the lines seen there, last line first
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        below[number] = merge(under.pop(line.indent + 1, ()), gap_ns)
        under.setdefault(line.indent, []).extend((*below[number], *line.on_path))
    return below


def _legend(lines: Sequence[Line]) -> str:
    used = {mark for line in lines for mark, _ in line.marks}
    signs = (
        '<span><i class="path"></i>on the critical path: the user waited for it</span>'
        "<span><i></i>off it</span>"
    )
    meanings = "".join(
        f"<span>{mark}: {meaning}</span>" for mark, meaning in _MARKS.items() if mark in used - {"error"}
    )
    return f'<p class="legend">{signs}{meanings}</p>'


def _places(lines: Sequence[Line]) -> Places:
    places: Places = {}
    for line in lines:
        for row in line.members or (line.row,):
            places[row.span_id] = (f"r{line.index}", text.short_name(row.name))
    return places
