"""Percentiles with the interval that the observations allow, whatever their distribution.

    sorted   x1 x2 x3 ... x29 x30       how many of n lie below the true p95 is binomial (n, 0.95), so
                   |   p95    |         x25 .. x? holds it in 95 of 100 samples: ranks, no formula for x
                  low        high

Where no observation is far enough out, that side has no limit: 30 calls cannot bound a p95 from above.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil, exp, isqrt, lgamma, log, log1p
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_Value = TypeVar("_Value")
LEVEL: Final = 0.95  # of all intervals, this share holds the true percentile, at least
_FAR: Final = 10  # standard deviations: what lies beyond weighs nothing


class Quantile(NamedTuple, Generic[_Value]):
    """A nearest-rank percentile, and the limits between which the true one lies.

    Attributes:
        value: An observation, the smallest with at least this share of all at or below it.
        low: None where there are too few observations for a lower limit.
        high: Likewise for an upper one.
    """

    value: _Value
    low: _Value | None
    high: _Value | None


def quantile(ordered: Sequence[_Value], percent: int) -> Quantile[_Value]:
    """Return a percentile of at least one observation.

    Args:
        ordered: The observations, sorted.
        percent: 50, 95, ... (1 to 99).
    """
    count = len(ordered)
    low, high = interval_ranks(count, percent)
    return Quantile(
        ordered[ceil(Fraction(count * percent, 100)) - 1],
        ordered[low - 1] if low else None,
        ordered[high - 1] if high <= count else None,
    )


@lru_cache(maxsize=4_096)
def interval_ranks(count: int, percent: int) -> tuple[int, int]:
    """Return the ranks, from 1, that bound a percentile; 0 and count + 1 where there is none."""
    tail = (1 - LEVEL) / 2
    return _rank(count, percent / 100, tail), count + 1 - _rank(count, 1 - percent / 100, tail)


def _rank(count: int, share: float, tail: float) -> int:
    """Return the highest rank that lies above the true quantile with at most this probability."""
    # The rank r does if fewer than r observations lie below: P(binomial < r). Added up from the left.
    spread = isqrt(ceil(count * share * (1 - share))) + 1
    rank = max(0, int(count * share) - _FAR * spread)
    weight = 0.0
    while rank < count:
        weight += exp(
            lgamma(count + 1)
            - lgamma(rank + 1)
            - lgamma(count - rank + 1)
            + rank * log(share)
            + (count - rank) * log1p(-share)
        )
        if weight > tail:
            break
        rank += 1
    return rank
