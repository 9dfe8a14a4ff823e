"""Tables in a terminal: the first column is a name and gets what is left, others go when there is no room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.report.sheet import cut, pad, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.report.sheet import Glyphs, Sheet

_GAP: Final = 2
_LEAST_NAME: Final = 16
_WISHED_NAME: Final = 32  # nothing that is only nice to have costs a name more than this
_NICE: Final = 3  # columns of this rank on
_NARROWEST_NAME: Final = 4


class Column(NamedTuple):
    """One column; the higher its ``rank``, the sooner it is left out, never at 0."""

    heading: str
    cells: tuple[str, ...]
    rank: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to say."""
        return not any(self.cells)


def add_grid(sheet: Sheet, columns: Sequence[Column], *, keep_end: bool = False) -> None:
    """Write a table, headings first.

    Args:
        sheet: Where to.
        columns: The first one holds names, the others figures.
        keep_end: Cut long names at their start.
    """
    readable = [
        column._replace(cells=tuple(map(sheet.glyphs.readable, column.cells)))
        for column in columns
        if not column.is_empty
    ]
    names, *figures = readable
    figures = _fitting(figures, sheet.width - min(_width(names), _WISHED_NAME), _NICE)
    figures = _fitting(figures, sheet.width - min(_width(names), _LEAST_NAME), 1)
    room = max(sheet.width - sum(_GAP + _width(column) for column in figures), _NARROWEST_NAME)
    room = min(room, _width(names))
    shorten = _cut_start if keep_end else _cut_end
    for row in range(-1, len(names.cells)):
        name = names.heading if row < 0 else names.cells[row]
        cells = [pad(shorten(name, room, sheet.glyphs), room)]
        cells += [
            " " * _GAP + pad(c.heading if row < 0 else c.cells[row], _width(c), right=True) for c in figures
        ]
        sheet.add(("".join(cells), "dim" if row < 0 else ""))


def _fitting(figures: list[Column], room: int, lowest: int) -> list[Column]:
    kept = list(figures)
    while sum(_GAP + _width(column) for column in kept) > room:
        droppable = [column for column in kept if column.rank >= lowest]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda column: column.rank))
    return kept


def _width(column: Column) -> int:
    return max(map(width_of, (column.heading, *column.cells)))


def _cut_end(name: str, cells: int, glyphs: Glyphs) -> str:
    return cut(name, cells, glyphs.ellipsis)


def _cut_start(name: str, cells: int, glyphs: Glyphs) -> str:
    if width_of(name) <= cells:
        return name
    end = name
    while end and width_of(end) > cells - width_of(glyphs.ellipsis):
        end = end[1:]
    return glyphs.ellipsis + end.lstrip()
