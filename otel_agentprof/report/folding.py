"""Which rows of a waterfall are worth a line of their own, and what stands for the others.

    agent                          agent
      search  search  search  ->     search x37, max          a run of similar siblings
      shell > shell > ... > work     ... 9,960 levels         a chain in which nothing happens
      tick  tick  tick               ... 212 more, max        what took less than 1 % of the time

Every row is part of exactly one line, so times on the path, tokens and money still add up.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from otel_agentprof.report.report import Mark, Report, Row

Kind = Literal["span", "run", "levels", "elided"]
Stretch = tuple[int, int]

_RUN: Final = 6  # similar leaves in a row that become one line
_RUN_OF_TREES: Final = 12  # likewise for siblings with children, whose insides are worth more lines
_CROWD: Final = 24  # groups under one parent above which similar siblings need not be neighbours
_CHAIN: Final = 6  # levels with one child each that become three lines
_SMALL: Final = 100  # a hundredth of the time is small
_FINEST: Final = 2_000  # stretches closer than this part of the time are drawn as one
_TRAILING_NUMBER: Final = re.compile(r"[\s_.:#-]*\d+$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a folded waterfall.

    Attributes:
        kind: What the line stands for.
        row: The span, or the first one of several.
        index: Where ``row`` is in ``Report.waterfall``.
        indent: Levels of lines above this one; less than the row's depth below folded levels.
        count: Spans of a run, levels, or spans left out; 1 for a span.
        members: The rows of a run, empty for other kinds.
        busy: When it ran, as far as a drawing can tell.
        on_path: When it was on the critical path, likewise.
        longest_ns: Duration of the span, or of the longest one of several.
        critical_ns: Time on the critical path, exact; of a span only its own, not its children's.
        marks: How often each mark occurs.
        usage: Tokens, None when there are none.
        cost_usd: Money that is known, None when none is.
        is_partly_unpriced: Some tokens have no known price.
    """

    kind: Kind
    row: Row
    index: int
    indent: int
    count: int
    members: tuple[Row, ...]
    busy: tuple[Stretch, ...]
    on_path: tuple[Stretch, ...]
    longest_ns: int
    critical_ns: int
    marks: tuple[tuple[Mark, int], ...]
    usage: TokenUsage | None
    cost_usd: Decimal | None
    is_partly_unpriced: bool


def fold(report: Report, *, limit: int) -> tuple[Line, ...]:
    """Return the waterfall in about ``limit`` lines, at most twice that; short ones keep all their spans."""
    forest = _forest(report.waterfall)
    entries = _squeeze(_entries(forest), forest, report.duration_ns // _SMALL)
    shown = _shown(entries, forest, limit=limit, small_ns=report.duration_ns // _SMALL)
    return tuple(_lines(entries, shown, forest, report.duration_ns // _FINEST))


class _Forest(NamedTuple):
    """The rows as trees: per row its parent, the end of its subtree, and what is in the subtree."""

    rows: Sequence[Row]
    parents: list[int]
    ends: list[int]
    critical_ns: list[int]
    longest_ns: list[int]
    errors: list[int]


class _Entry(NamedTuple):
    """A future line: its rows, and which entry it hangs under (-1: none)."""

    kind: Kind
    members: tuple[int, ...]
    parent: int


def _forest(rows: Sequence[Row]) -> _Forest:
    count = len(rows)
    parents, ends, open_rows = [-1] * count, [count] * count, list[int]()
    for index, row in enumerate(rows):
        while open_rows and rows[open_rows[-1]].depth >= row.depth:
            ends[open_rows.pop()] = index
        if open_rows:
            parents[index] = open_rows[-1]
        open_rows.append(index)
    critical = [_length(row.on_path) for row in rows]
    longest = [row.end_ns - row.start_ns for row in rows]
    errors = [int("error" in row.marks) for row in rows]
    for index in range(count - 1, 0, -1):  # children come after their parent
        parent = parents[index]
        if parent >= 0:
            critical[parent] += critical[index]
            longest[parent] = max(longest[parent], longest[index])
            errors[parent] += errors[index]
    return _Forest(rows, parents, ends, critical, longest, errors)


def _entries(forest: _Forest) -> list[_Entry]:
    children: dict[int, list[int]] = defaultdict(list)
    for index, parent in enumerate(forest.parents):
        children[parent].append(index)
    entries: list[_Entry] = []
    todo = [(group, -1) for group in reversed(_groups(forest, children[-1]))]
    while todo:
        members, parent = todo.pop()
        if len(members) == 1:
            below = _groups(forest, children[members[0]])
            todo.extend((group, len(entries)) for group in reversed(below))
        entries.append(_Entry("span" if len(members) == 1 else "run", members, parent))
    return entries


def _groups(forest: _Forest, siblings: list[int]) -> list[tuple[int, ...]]:
    if len(siblings) < _RUN:
        return [(index,) for index in siblings]
    runs = [tuple(run) for _, run in groupby(siblings, lambda index: _likeness(forest.rows[index]))]
    if len(runs) > _CROWD:
        alike: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index in siblings:
            alike[_likeness(forest.rows[index])].append(index)
        runs = [tuple(group) for group in alike.values()]
    pieces = chain.from_iterable([run] if _is_long(run, forest) else [(i,) for i in run] for run in runs)
    return sorted(pieces)


def _is_long(run: tuple[int, ...], forest: _Forest) -> bool:
    are_leaves = all(forest.ends[index] == index + 1 for index in run)
    return len(run) >= (_RUN if are_leaves else _RUN_OF_TREES)


def _likeness(row: Row) -> tuple[str, str]:
    # "step 3" is like "step 4"; "chat gpt-4" is not like "chat gpt-5", which costs something else.
    is_model = row.role in ("llm", "embedding")
    return (row.name if is_model else _TRAILING_NUMBER.sub("", row.name), row.role)


def _squeeze(entries: list[_Entry], forest: _Forest, small_ns: int) -> list[_Entry]:
    """Fold the middle of each long chain of only children that did nothing themselves."""
    fans = Counter(entry.parent for entry in entries)

    def is_dull(at: int) -> bool:
        entry = entries[at]
        row = forest.rows[entry.members[0]]
        return entry.kind == "span" and fans[at] == 1 and not row.marks and _length(row.on_path) <= small_ns

    kept: list[_Entry] = []
    place: dict[int, int] = {-1: -1}
    at = 0
    while at < len(entries):
        end = at
        while end < len(entries) and is_dull(end):
            end += 1
        middle = range(at + 1, end - 1) if end - at >= _CHAIN else range(0)
        for index in range(at, max(end, at + 1)):
            entry = entries[index]
            if index in middle:
                place[index] = len(kept) if index == middle[0] else place[middle[0]]
                if index != middle[0]:
                    continue
                members = tuple(entries[i].members[0] for i in middle)
                entry = _Entry("levels", members, entry.parent)
            place[index] = len(kept)
            kept.append(entry._replace(parent=place[entry.parent]))
        at = max(end, at + 1)
    return kept


def _shown(entries: list[_Entry], forest: _Forest, *, limit: int, small_ns: int) -> set[int]:
    """Choose entries by what they did to the wait; an entry never ranks before the one it hangs under."""
    if len(entries) <= limit:
        return set(range(len(entries)))

    def weight(at: int) -> tuple[int, bool, int]:
        members = entries[at].members
        if entries[at].kind == "levels":
            members = members[:1]
        critical, errors = (sum(f[i] for i in members) for f in (forest.critical_ns, forest.errors))
        return critical, errors > 0, max(forest.longest_ns[i] for i in members)

    weights = [weight(at) for at in range(len(entries))]
    matters = [
        at for at, (path, fails, longest) in enumerate(weights) if fails or max(path, longest) >= small_ns
    ]
    ranked = sorted(matters, key=lambda at: (-weights[at][0], not weights[at][1], -weights[at][2], at))
    return set(ranked[:limit])


def _lines(entries: list[_Entry], shown: set[int], forest: _Forest, finest_ns: int) -> Iterable[Line]:
    below: dict[int, list[int]] = defaultdict(list)
    left_out: dict[int, list[int]] = defaultdict(list)
    for at, entry in enumerate(entries):
        if at in shown:
            below[entry.parent].append(at)
        elif entry.parent == -1 or entry.parent in shown:
            left_out[entry.parent].extend(entry.members[:1] if entry.kind == "levels" else entry.members)
    todo: list[tuple[_Entry, int, int]] = []

    def descend(parent: int, indent: int) -> None:
        if left_out[parent]:
            todo.append((_Entry("elided", tuple(left_out[parent]), parent), -1, indent))
        todo.extend((entries[at], at, indent) for at in reversed(below[parent]))

    descend(-1, 0)
    while todo:
        entry, at, indent = todo.pop()
        yield _line(entry, indent, forest, finest_ns)
        if at >= 0:
            descend(at, indent + 1)


def _line(entry: _Entry, indent: int, forest: _Forest, finest_ns: int) -> Line:
    tops = entry.members
    has_subtrees = entry.kind in ("run", "elided")
    covered = [
        forest.rows[i] for top in tops for i in range(top, forest.ends[top] if has_subtrees else top + 1)
    ]
    priced = [row.cost_usd for row in covered if row.cost_usd is not None]
    rows = [forest.rows[i] for i in tops]
    busy = rows[:1] if entry.kind == "levels" else rows
    return Line(
        kind=entry.kind,
        row=rows[0],
        index=tops[0],
        indent=indent,
        count=len(covered) if entry.kind == "elided" else len(tops),
        members=tuple(rows) if entry.kind == "run" else (),
        busy=merge(((row.start_ns, row.end_ns) for row in busy), finest_ns),
        on_path=merge(chain.from_iterable(row.on_path for row in covered), finest_ns),
        longest_ns=max(row.end_ns - row.start_ns for row in rows),
        critical_ns=sum(_length(row.on_path) for row in covered),
        marks=tuple(sorted(Counter(mark for row in covered for mark in row.marks).items())),
        usage=_sum_of_usage(covered),
        cost_usd=sum(priced[1:], priced[0]) if priced else None,
        is_partly_unpriced=any(row.usage is not None and row.cost_usd is None for row in covered),
    )


def merge(stretches: Iterable[Stretch], gap_ns: int) -> tuple[Stretch, ...]:
    """Return stretches in order, those that overlap or lie within ``gap_ns`` of each other joined."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1] + gap_ns:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def coverage(stretches: Sequence[Stretch], width: int, start_ns: int, duration_ns: int) -> list[int]:
    """Return how much of each cell the stretches cover, in ns times cells; at least 1 where one lies."""
    cells = [0] * width
    span = max(duration_ns, 1)
    for start, end in stretches:
        first, last = ((moment - start_ns) * width for moment in (start, end))
        for cell in range(max(first // span, 0), min(max(last - 1, first) // span, width - 1) + 1):
            cells[cell] += max(min(last, (cell + 1) * span) - max(first, cell * span), 1)
    # What lies after the root's end is drawn at the edge, so that no span is without a sign.
    if stretches and not any(cells):
        cells[0 if stretches[0][1] <= start_ns else -1] = 1
    return cells


def _sum_of_usage(rows: Iterable[Row]) -> TokenUsage | None:
    found = [row.usage for row in rows if row.usage is not None]
    return TokenUsage(*map(sum, zip(*found, strict=True))) if found else None


def _length(stretches: Iterable[Stretch]) -> int:
    return sum(end - start for start, end in stretches)
