"""Large traces of known shapes, for benchmarks."""

from __future__ import annotations

import random

from otel_agentprof.model import Span


def fan_out(count: int) -> list[Span]:
    """One agent with batches of parallel calls, one batch after another."""
    chance = random.Random(1)  # noqa: S311 - the same spans each time, no secrets
    spans = [_span(0, None, 0, count * 1_000)]
    for number in range(1, count):
        start = number // 20 * 20_000
        spans.append(_span(number, 0, start + chance.randrange(100), start + chance.randrange(200, 19_000)))
    return spans


def deep(count: int) -> list[Span]:
    """Each span inside the one before."""
    return [
        _span(number, number - 1 if number else None, number, 4 * count - number) for number in range(count)
    ]


def mixed(count: int) -> list[Span]:
    """Four calls in each of the last few spans, one in ten of them longer than its parent."""
    chance = random.Random(2)  # noqa: S311 - likewise
    times = [(0, count * 10**9)]
    parents: list[int | None] = [None]
    for number in range(1, count):
        parent = (number - 1) // 4
        first, last = times[parent]
        length = max((last - first) // 4, 1)
        start = first + (number - 1) % 4 * length + chance.randrange(length)
        excess = 20_000_000 if chance.random() < 0.1 else 0
        times.append((start, start + length // 2 + excess))
        parents.append(parent)
    return [_span(n, parent, *span) for n, (parent, span) in enumerate(zip(parents, times, strict=True))]


SHAPES = {"fan_out": fan_out, "deep": deep, "mixed": mixed}


def _span(number: int, parent: int | None, start: int, end: int) -> Span:
    parent_id = None if parent is None else f"{parent:016x}"
    return Span(f"{1:032x}", f"{number:016x}", parent_id, "span", start, end)
