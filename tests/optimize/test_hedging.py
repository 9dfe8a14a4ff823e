"""The second try of a straggler: who is heard, who is given up, and what a trace shows of it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from recording import attributes_of

import otel_agentprof as ap
from otel_agentprof.optimize.hedging import hedged
from otel_agentprof.optimize.threads import Threads

if TYPE_CHECKING:
    from recording import Recorder


class Attempts:
    """A function whose attempts end as told: with a result, an error, or not at all (None)."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = outcomes
        self.begun = 0
        self.cancelled: list[int] = []
        self.second = asyncio.Event()

    async def __call__(self) -> Any:
        number = self.begun
        self.begun += 1
        if number:
            self.second.set()
        outcome = self.outcomes[number]
        try:
            if outcome is None:
                await asyncio.Event().wait()
            if len(self.outcomes) > 1:
                await self.second.wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def outcomes(recorder: Recorder) -> dict[int, str]:
    facts = [attributes_of(span) for span in recorder.spans if span.name == "agentprof.hedge"]
    return {fact["agentprof.hedge.attempt"]: fact["agentprof.hedge.outcome"] for fact in facts}


async def hedge(attempts: Attempts, after_s: float = 0) -> Any:
    (result,) = await ap.ParallelExecutor(hedge_after_s=after_s).execute_parallel([(attempts, {})])
    return result


async def test_a_call_in_time_is_made_once(recorder: Recorder) -> None:
    attempts = Attempts("first")

    assert await hedge(attempts, after_s=1_000) == "first"
    assert attempts.begun == 1
    assert outcomes(recorder) == {1: "won"}


async def test_the_second_one_is_heard_and_the_straggler_given_up(recorder: Recorder) -> None:
    attempts = Attempts(None, "second")

    assert await hedge(attempts) == "second"
    assert attempts.cancelled == [0]
    assert outcomes(recorder) == {1: "lost", 2: "won"}
    assert {span.status.status_code.name for span in recorder.spans} == {"UNSET"}


async def test_of_two_answers_in_the_same_moment_one_is_heard(recorder: Recorder) -> None:
    assert await hedge(Attempts("first", "second")) in ("first", "second")
    assert sorted(outcomes(recorder).values()) == ["lost", "won"]


async def test_the_straggler_is_heard_when_the_second_one_fails(recorder: Recorder) -> None:
    assert await hedge(Attempts("first", ValueError("second"))) == "first"
    assert outcomes(recorder)[1] == "won"


async def test_both_may_fail(recorder: Recorder) -> None:
    first = ValueError("first")

    assert await hedge(Attempts(first, ValueError("second"))) is first
    assert outcomes(recorder) == {1: "failed", 2: "failed"}


async def test_an_error_in_time_is_no_reason_for_a_second_call() -> None:
    attempts = Attempts(ValueError("first"))

    assert isinstance(await hedge(attempts, after_s=1_000), ValueError)
    assert attempts.begun == 1


async def test_both_are_given_up_with_the_caller(recorder: Recorder) -> None:
    attempts = Attempts(None, None)
    running = asyncio.create_task(hedge(attempts))
    await attempts.second.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running

    assert attempts.cancelled == [0, 1]
    assert outcomes(recorder) == {1: "failed", 2: "failed"}


async def test_functions_in_threads_can_be_hedged_too() -> None:
    numbers, go_on = iter(range(2)), threading.Event()

    def work() -> int:
        number = next(numbers)
        if number == 0:
            go_on.wait(20)
        return number

    (result,) = await ap.ParallelExecutor(max_concurrency=1, hedge_after_s=0).execute_parallel([(work, {})])
    go_on.set()

    assert result == 1


def test_no_second_try_waits_for_functions_that_have_lost() -> None:
    tries, lock, go_on = [0] * 6, threading.Lock(), threading.Event()

    def work(item: int) -> tuple[int, int]:
        with lock:
            tries[item] += 1
            number = tries[item]
        if number == 1:
            go_on.wait(20)  # until all are done
        return item, number

    executor = ap.ParallelExecutor(max_concurrency=2, hedge_after_s=0.001)
    results = executor.run([(work, {"item": item}) for item in range(6)])
    go_on.set()

    assert results == [(item, 2) for item in range(6)]


async def test_without_room_the_first_one_is_waited_for(recorder: Recorder) -> None:
    attempts = Attempts("a")

    assert await hedged(0, attempts, lambda: False) == "a"

    assert attempts.begun == 1
    assert outcomes(recorder) == {1: "won"}


async def test_a_function_that_is_left_to_itself_counts_until_it_ends() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(20)

    with Threads(1) as threads:
        task = asyncio.ensure_future(threads.call(work, {}))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = threads.left_behind
        pool = threads._pool
        assert pool is not None
        go_on.set()
        await asyncio.to_thread(pool.shutdown)

    assert (left, threads.left_behind) == (1, 0)
