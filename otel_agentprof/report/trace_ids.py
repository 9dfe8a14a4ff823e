"""Trace ids for people: as many digits as it takes to tell them apart, and the way back.

00000000000000007d3f...   ->  7d3f...     64 bits, as Datadog and Zipkin give them: the zeros are padding
6753a5f09c1e..., 6753a5f0b2...  ->  6753a5f09, 6753a5f0b      X-Ray: the first eight are the second
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_DIGITS: Final = 8
_DIGITS: Final = 32
_PADDING: Final = "0" * 16  # before an id of 64 bits


def significant(trace_id: str) -> str:
    """Return an id without the zeros in front of one of 64 bits."""
    return trace_id.removeprefix(_PADDING)


def digits_needed(trace_ids: Iterable[str]) -> int:
    """Return how many significant digits tell all of the ids apart, eight at least."""
    ordered = sorted(set(map(significant, trace_ids)))
    return max([LEAST_DIGITS, *map(_first_difference, ordered, ordered[1:])])


def _first_difference(one: str, other: str) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False), start=1):
        if left != right:
            return place
    return len(one) + 1  # where one id is the beginning of another


def found_by(trace_ids: Sequence[str], asked: str) -> list[str]:
    """Return the ids that begin as asked: as they are shown first, else as they are, zeros or not."""
    wanted = asked.strip().lower()
    return (
        [trace_id for trace_id in trace_ids if significant(trace_id) == wanted]
        or [trace_id for trace_id in trace_ids if significant(trace_id).startswith(wanted)]
        or [trace_id for trace_id in trace_ids if trace_id.startswith(wanted)]
        # Jaeger leaves leading zeros out.
        or [trace_id for trace_id in trace_ids if trace_id == wanted.zfill(_DIGITS)]
    )
