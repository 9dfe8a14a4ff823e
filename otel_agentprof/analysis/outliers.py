"""Calls of one model that take longer than its other calls do, or longer than a limit.

tokens   100  |------|               the start is part of the time, so tokens per second say little:
tokens   200  |---------|            a longer answer bounds what a shorter one takes,
tokens   100  |--------------|       which is why this one is slow,
tokens 1,000  |----------------|     and this one is not
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis.model_calls import ModelCall
    from otel_agentprof.config import Config

    _Row = tuple[ModelCall, float, int]

_COMPARED: Final = 3  # calls of a model from which one can stand out
_MOST_COMPARED: Final = 200  # calls that one is held against; of more, some of all lengths


class Slow(NamedTuple):
    """A call that is slow: its figure, and the one it would have as usual (or at the limit), both above 0."""

    call: ModelCall
    value: float
    usual: float
    excess_ns: float
    is_limit: bool
    compared: int


def beyond(rows: Sequence[_Row], limit: float, config: Config) -> list[Slow]:
    """Return the calls that stand out.

    Args:
        rows: Each call with its figure in ns, above 0, the larger the slower, and how often that is in its
            time.
        limit: The figure beyond which a call is slow by itself.
        config: The thresholds.
    """
    values = sorted([value for _, value, _ in rows])
    least_ns = config.outlier_ms * wording.NS_PER_MS
    has_others = len(values) >= _COMPARED
    # No median of the others is less than this value: what does not stand out from it, does from none.
    bound = min(limit, config.outlier_ratio * values[(len(values) - 2) // 2]) if has_others else limit
    found: list[Slow] = []
    for row in [row for row in rows if row[1] > bound]:
        _, value, times = row
        is_long = has_others and value * times >= least_ns  # what is shorter in all cannot be that late
        usual = _median_without(values, value) if is_long else inf
        found += _slow(row, usual, limit, config, len(rows))
    return found


def too_long(rows: Sequence[_Row], limit: float, config: Config) -> list[Slow]:
    """Return the calls that took too long for what they wrote, where nobody knows when they began to write.

    A call takes a start and then so much for each token. So it takes at most as long as one that wrote as
    much or more, and at most n times as long as one that wrote an nth of it. The median of these bounds, one
    by each other call, is what is usual; tokens per second would be fewer in every short answer.

    Args:
        rows: Each call with its ns per token, start included, above 0, and its tokens.
        limit: The ns per token beyond which a call is slow by itself.
        config: The thresholds.
    """
    least, least_ns = inf, config.outlier_ms * wording.NS_PER_MS
    if len(rows) >= _COMPARED:
        # No bound is less than what the other call took, or took per token: nor is their median.
        place = (len(rows) - 2) // 2
        least = config.outlier_ratio * sorted([value for _, value, _ in rows])[place]
        least_ns = max(least_ns, config.outlier_ratio * sorted([call.total_ns for call, _, _ in rows])[place])
    some = sorted(rows, key=_by_length)[:: len(rows) // _MOST_COMPARED + 1]
    found: list[Slow] = []
    for row in [row for row in rows if row[1] > min(limit, least)]:
        call, value, _ = row
        usual = _at_most(some, row) if value > least and call.total_ns >= least_ns else inf
        found += _slow(row, usual, limit, config, len(rows))
    return found


def _slow(row: _Row, usual: float, limit: float, config: Config, compared: int) -> Iterator[Slow]:
    """Yield a call if it is slow: beside the others first, else by the limit."""
    call, value, times = row
    excess_ns = (value - usual) * times
    if value > config.outlier_ratio * usual and excess_ns >= config.outlier_ms * wording.NS_PER_MS:
        yield Slow(call, value, usual, excess_ns, is_limit=False, compared=compared)
    elif value > limit:
        yield Slow(call, value, limit, (value - limit) * times, is_limit=True, compared=compared)


def _by_length(row: _Row) -> tuple[int, int]:
    return row[2], row[0].total_ns


def _at_most(rows: Sequence[_Row], row: _Row) -> float:
    """Return how many ns per token a call takes at most: the median of what each other call says."""
    call, _, length = row
    return median(
        [other.total_ns / min(length, written) for other, _, written in rows if other.span != call.span]
    )


def _median_without(values: Sequence[float], value: float) -> float:
    """Return the median of sorted values without one of them."""
    place, left = bisect_left(values, value), len(values) - 1
    low, high = (left - 1) // 2, left // 2
    return (values[low + (low >= place)] + values[high + (high >= place)]) / 2
