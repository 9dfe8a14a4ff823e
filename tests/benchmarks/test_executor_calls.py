"""What the executor and the reader of streams add to plain asyncio, in function calls and in CPU time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from call_counting import calls_of
from speed_table import least_seconds

import otel_agentprof as ap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]

COUNT = 200
_TASK_LIMIT = 20  # calls
_THREAD_LIMIT = 30
_CHUNK_LIMIT = 90
_TASK_LIMIT_S = 50e-6


async def work(number: int) -> int:
    await asyncio.sleep(0)
    return number


def work_in_thread(number: int) -> int:
    return number


async def plainly(func: Any, count: int) -> list[Any]:
    """Gather, with no bound on how many run at a time."""
    if func is work:
        return await asyncio.gather(*map(work, range(count)), return_exceptions=True)
    return await asyncio.gather(*(asyncio.to_thread(func, number) for number in range(count)))


async def with_executor(func: Any, count: int) -> list[Any]:
    calls = [(func, {"number": number}) for number in range(count)]
    return await ap.ParallelExecutor().execute_parallel(calls)


@pytest.fixture
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield lambda make: runner.run(make())


def added_calls(run: Run, func: Any) -> float:
    """Return the calls that the executor adds per task; what it does once per run falls out."""

    def of(make: Any, count: int) -> int:
        return calls_of(lambda: run(partial(make, func, count)), warm_up=2).total

    ours = of(with_executor, 2 * COUNT) - of(with_executor, COUNT)
    by_hand = of(plainly, 2 * COUNT) - of(plainly, COUNT)
    return (ours - by_hand) / COUNT


def test_a_task_costs_few_calls_more_than_by_hand(run: Run) -> None:
    assert added_calls(run, work) <= _TASK_LIMIT


def test_a_thread_costs_few_calls_more_than_by_hand(run: Run) -> None:
    assert added_calls(run, work_in_thread) <= _THREAD_LIMIT


def test_a_task_costs_50_microseconds_more_than_by_hand_at_most(run: Run) -> None:
    ours, by_hand = least_seconds(
        lambda: run(partial(with_executor, work, 5 * COUNT)),
        lambda: run(partial(plainly, work, 5 * COUNT)),
        rounds=5,
    )

    assert (ours - by_hand) / (5 * COUNT) <= _TASK_LIMIT_S


@pytest.mark.parametrize("make", [with_executor, plainly])
def test_the_time_of_200_tasks(make: Any, run: Run, benchmark: BenchmarkFixture) -> None:
    assert len(benchmark(lambda: run(partial(make, work, COUNT)))) == COUNT


@pytest.mark.parametrize("make", [with_executor, plainly])
def test_the_time_of_200_functions_in_threads(make: Any, run: Run, benchmark: BenchmarkFixture) -> None:
    assert len(benchmark(lambda: run(partial(make, work_in_thread, COUNT)))) == COUNT


class Model:
    def __init__(self, count: int) -> None:
        self.count = count

    async def stream(self, _messages: Any) -> AsyncIterator[dict[str, str]]:
        for _ in range(self.count):
            yield {"content": "word"}


async def read_plainly(count: int) -> str:
    pieces: list[str] = []
    async for item in Model(count).stream([]):
        pieces.append(item["content"])  # noqa: PERF401 - as a callback is called
    return "".join(pieces)


async def read_with_optimizer(count: int) -> str:
    pieces: list[str] = []
    return await ap.StreamingOptimizer(stall_timeout_s=60).stream_llm_response(
        Model(count), [], pieces.append
    )


def test_a_chunk_costs_few_calls_more_than_by_hand(run: Run) -> None:
    def of(make: Any, count: int) -> int:
        return calls_of(lambda: run(partial(make, count)), warm_up=2).total

    ours = of(read_with_optimizer, 2 * COUNT) - of(read_with_optimizer, COUNT)
    by_hand = of(read_plainly, 2 * COUNT) - of(read_plainly, COUNT)
    assert (ours - by_hand) / COUNT <= _CHUNK_LIMIT
