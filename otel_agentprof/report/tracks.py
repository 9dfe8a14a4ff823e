"""Rows of a waterfall put on tracks, on each of which they nest: what trace viewers draw as threads.

    track 1   |agent----------------|      a span stays on the track of the span around it
               |plan-| |search---|         while that has room;
    track 2            |lookup|            else it goes to the first track that is free

Two spans of one track are apart, or one lies inside the other, and then right below its parent.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.report.report import Row

_MOST_NESTED: Final = 200  # Perfetto drops what lies deeper than 255


def tracks(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each track in the order in which they open, whatever is around before the inside."""
    parents = _parents(rows)
    found: list[list[Row]] = []
    opened: list[list[int]] = []  # of each track the rows that are open, by index
    places = [-1] * len(rows)  # a span may begin before the one around it
    busy: list[tuple[int, int]] = []  # until when each track is, and its number
    free: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: (rows[i].start_ns, i)):
        row, parent = rows[index], parents[index]
        while busy and busy[0][0] <= row.start_ns:
            heappush(free, heappop(busy)[1])
        track = -1 if parent < 0 else places[parent]
        if track < 0 or not _has_room(rows, opened[track], parent, row):
            if free:
                track = heappop(free)
                opened[track].clear()
            else:
                track = len(found)
                found.append([])
                opened.append([])
            heappush(busy, (row.end_ns, track))
        places[index] = track
        opened[track].append(index)
        found[track].append(row)
    return found


def _parents(rows: Sequence[Row]) -> list[int]:
    """Return the row around each row, -1 where there is none."""
    above: list[int] = []
    parents = []
    for index, row in enumerate(rows):
        del above[row.depth :]
        parents.append(above[-1] if above else -1)
        above.append(index)
    return parents


def _has_room(rows: Sequence[Row], opened: list[int], parent: int, row: Row) -> bool:
    """Return whether a row fits on the track of its parent, right below it."""
    while opened and rows[opened[-1]].end_ns <= row.start_ns:
        opened.pop()
    return (
        bool(opened)
        and opened[-1] == parent
        and row.end_ns <= rows[parent].end_ns
        and len(opened) < _MOST_NESTED
    )
