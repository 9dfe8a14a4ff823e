"""From the rows of a waterfall to stacks of names, outermost first, as flame graphs have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_agentprof.report.report import Row

_HALF: Final = 64  # frames kept at either end of a deeper stack


def stacks(rows: Iterable[Row], is_wanted: Callable[[Row], bool]) -> Iterator[tuple[Row, list[str]]]:
    """Yield the rows that are wanted, each with its stack: the middle of a very deep one is left out."""
    frames: list[str] = []
    for row in rows:
        del frames[row.depth :]
        frames.append(text.name(row.name))
        if is_wanted(row):
            yield row, _shortened(frames)


def _shortened(frames: list[str]) -> list[str]:
    if len(frames) <= 2 * _HALF:
        return frames[:]
    return [*frames[:_HALF], f"… {len(frames) - 2 * _HALF:,} frames …", *frames[-_HALF:]]
