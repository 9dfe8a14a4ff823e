"""Predictions against reality: a program is run, changed as was asked of what-if, and run again.

Sleeps stand for models and tools. A sleep is never shorter than asked, and on a busy machine it is longer by
some milliseconds: the tolerance is 5 % and 15 ms, and three tries, of which one has to hold.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context
from pipelines import owning

from otel_agentprof.analysis import what_if
from otel_agentprof.model import SpanTree
from otel_agentprof.readers.sdk import spans_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Program = Callable[[Any], Awaitable[None]]

_TRIES = 3


async def _call(tracer: Any, name: str, seconds: float) -> None:
    with tracer.start_as_current_span(name):
        await asyncio.sleep(seconds)


def _sequential(search: float = 0.12) -> Program:
    async def program(tracer: Any) -> None:
        await _call(tracer, "chat", 0.05)
        await _call(tracer, "search", search)
        await _call(tracer, "lookup", 0.08)
        await _call(tracer, "chat", 0.05)

    return program


async def _side_by_side(tracer: Any) -> None:
    await _call(tracer, "chat", 0.05)
    await asyncio.gather(_call(tracer, "search", 0.12), _call(tracer, "lookup", 0.08))
    await _call(tracer, "chat", 0.05)


async def _without_lookup(tracer: Any) -> None:
    await _call(tracer, "chat", 0.05)
    await _call(tracer, "search", 0.12)
    await _call(tracer, "chat", 0.05)


def _chains(foo: float) -> Program:
    async def program(tracer: Any) -> None:
        async def chain(first: str, seconds: float, second: str, more: float) -> None:
            await _call(tracer, first, seconds)
            await _call(tracer, second, more)

        await asyncio.gather(chain("foo1", foo, "foo2", 0.06), chain("bar1", 0.05, "bar2", 0.1))

    return program


def _fan_out(limit: int) -> Program:
    async def program(tracer: Any) -> None:
        semaphore = asyncio.Semaphore(limit)

        async def limited(number: int) -> None:
            async with semaphore:
                await _call(tracer, "execute_tool fetch", 0.04 + number * 0.01)

        await asyncio.gather(*map(limited, range(6)))

    return program


def _threads(slow: float) -> Program:
    async def program(tracer: Any) -> None:
        def work(seconds: float, name: str, inherited: Any) -> None:
            context.attach(inherited)
            with tracer.start_as_current_span(name):
                threading.Event().wait(seconds)

        now = context.get_current()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, (slow, 0.1, 0.06), ("slow", "fast", "fast"), [now] * 3))

    return program


def _tree_of(program: Program) -> SpanTree:
    pipeline = owning()

    async def root() -> None:
        with pipeline.tracer.start_as_current_span("agent"):
            await program(pipeline.tracer)

    asyncio.run(root())
    pipeline.flush()
    return SpanTree.from_spans(spans_of(pipeline.exporter.get_finished_spans()))


def _ids(tree: SpanTree, *names: str) -> list[str]:
    return [span.span_id for span in tree.spans if span.name in names]


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (_sequential(), lambda _: {"by_name": {"search": 0.5}}, _sequential(0.06)),
        (_sequential(), lambda tree: {"together": [_ids(tree, "search", "lookup")]}, _side_by_side),
        (_sequential(), lambda tree: {"remove": _ids(tree, "lookup")}, _without_lookup),
        (_chains(0.15), lambda _: {"by_name": {"foo1": 0.4}}, _chains(0.06)),
        (_fan_out(6), lambda _: {"concurrency": 2}, _fan_out(2)),
        (_fan_out(6), lambda _: {"concurrency": 1}, _fan_out(1)),
        (_threads(0.2), lambda _: {"by_name": {"slow": 0.9}}, _threads(0.18)),
    ],
    ids=["faster tool", "parallel", "cached", "chains", "two at a time", "one at a time", "threads"],
)
def test_a_prediction_comes_true(
    before: Program, change: Callable[[SpanTree], dict[str, Any]], after: Program
) -> None:
    pairs = []

    for _ in range(_TRIES):
        tree = _tree_of(before)
        pairs.append((what_if(tree, **change(tree)).makespan_ns / 1e6, _tree_of(after).duration_ns / 1e6))
        predicted, measured = pairs[-1]
        if measured == pytest.approx(predicted, rel=0.05, abs=15):
            return

    pytest.fail(f"predicted and measured, in ms: {pairs}")
