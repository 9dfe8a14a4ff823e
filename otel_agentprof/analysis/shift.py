"""How far one group of runs lies from another, and whether chance alone would explain it.

    before   x  x x   x                 all differences y - x, sorted: d1 d2 d3 ... d16
    after        y  y y  y              the true shift lies outside d_k .. d_17-k at most 5 times in 100

The interval of the rank-sum test (Mann and Whitney; Hodges and Lehmann): exact for any distribution when both
groups differ by a shift only, and under "nothing changed" in any case. Four runs on either side are enough.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from math import comb, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL: Final = 0.025
_NORMAL_TAIL: Final = 1.96
_EXACT_UP_TO: Final = 400  # pairs; above, the normal approximation is good to a rank
_ENOUGH: Final = 1_000


class Shift(NamedTuple):
    """The limits between which the difference lies, at 95 %."""

    low: int
    high: int

    @property
    def is_beyond_noise(self) -> bool:
        """Whether "nothing changed" lies outside."""
        return self.low > 0 or self.high < 0


def shift(before: Sequence[int], after: Sequence[int]) -> Shift | None:
    """Return how much larger the values after are than those before; None for too few to tell."""
    first, second = _thinned(sorted(before)), _thinned(sorted(after))
    rank = _rank(*sorted((len(first), len(second))))
    if not rank:
        return None
    pairs = len(first) * len(second)
    return Shift(_difference(first, second, rank), _difference(first, second, pairs + 1 - rank))


def _thinned(ordered: list[int]) -> list[int]:
    """Return no more values than are needed, evenly out of all: the interval gets wider, never narrower."""
    step = len(ordered) / _ENOUGH
    return ordered if step <= 1 else [ordered[int((at + 0.5) * step)] for at in range(_ENOUGH)]


@lru_cache(maxsize=1_024)
def _rank(few: int, many: int) -> int:
    """Return which of the sorted differences is the lower limit, from 1; 0 for none."""
    pairs = few * many
    if pairs > _EXACT_UP_TO and few > 1:
        deviation = sqrt(pairs * (few + many + 1) / 12)
        return max(0, int(pairs / 2 - _NORMAL_TAIL * deviation))
    allowed = _TAIL * comb(few + many, few)
    return sum(ways <= allowed for ways in accumulate(_ways(few, many)))


def _ways(few: int, many: int) -> list[int]:
    """Return in how many orders of both groups 0, 1, 2, ... pairs are the wrong way round."""
    ways = [1] + [0] * (few * many)
    for size in range(1, few + 1):  # the product of (1 - x^(many + size)) / (1 - x^size), both in place
        for at in range(len(ways) - 1, many + size - 1, -1):
            ways[at] -= ways[at - many - size]
        for at in range(size, len(ways)):
            ways[at] += ways[at - size]
    return ways


def _difference(first: list[int], second: Sequence[int], rank: int) -> int:
    """Return the difference of this rank, by bisection: there may be too many to list them."""
    low, high = second[0] - first[-1], second[-1] - first[0]
    while low < high:
        middle = (low + high) // 2
        if sum(bisect_right(second, value + middle) for value in first) >= rank:
            high = middle
        else:
            low = middle + 1
    return low
