from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import io
import signal
import threading
from typing import TYPE_CHECKING, Any

import ctrl_c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import is_traced

import otel_agentprof as ap

if TYPE_CHECKING:
    from recording import Recorder

NAME = contextvars.ContextVar("NAME", default="nobody")


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def triple(number: int) -> int:
    return 3 * number


async def fail(number: int) -> int:
    raise ValueError(number)


def count(length: int, func: Any = double) -> list[tuple[Any, dict[str, int]]]:
    return [(func, {"number": number}) for number in range(length)]


async def test_results_keep_the_order_of_the_calls_whichever_ends_first() -> None:
    turns = [asyncio.Event() for _ in range(4)]

    async def answer(number: int) -> int:
        await turns[number].wait()
        if number:
            turns[number - 1].set()
        return number

    turns[3].set()

    assert await ap.ParallelExecutor().execute_parallel(count(4, answer)) == [0, 1, 2, 3]


def hidden(number: int) -> Any:
    return double(number)


class Callable:
    async def __call__(self, number: int) -> int:
        return number


@pytest.mark.parametrize(
    "func",
    [triple, hidden, functools.partial(triple), functools.partial(double), Callable()],
    ids=["function", "function around a coroutine", "partial", "async partial", "async object"],
)
async def test_functions_of_every_kind_can_be_called(func: Any) -> None:
    results = await ap.ParallelExecutor().execute_parallel(count(3, func))

    factor = (
        3
        if func is triple or getattr(func, "func", None) is triple
        else 1
        if isinstance(func, Callable)
        else 2
    )
    assert results == [factor * number for number in range(3)]


async def test_functions_that_are_not_async_run_beside_each_other_in_threads() -> None:
    together = threading.Barrier(8)

    def meet(number: int) -> int:
        together.wait(20)
        return threading.get_ident()

    results = await ap.ParallelExecutor().execute_parallel(count(8, meet))

    assert len(set(results)) == 8
    assert threading.get_ident() not in results


async def test_exceptions_stand_in_the_place_of_results() -> None:
    calls = [(double, {"number": 1}), (fail, {"number": 2}), (triple, {"wrong": 3}), (triple, {"number": 4})]

    first, second, third, fourth = await ap.ParallelExecutor().execute_parallel(calls)

    assert (first, fourth) == (2, 12)
    assert isinstance(second, ValueError)
    assert isinstance(third, TypeError)


async def test_a_function_may_raise_what_no_future_can_hold() -> None:
    (result,) = await ap.ParallelExecutor().execute_parallel([(next, {})])
    assert isinstance(result, TypeError)

    def stop() -> None:
        raise StopIteration

    (result,) = await ap.ParallelExecutor().execute_parallel([(stop, {})])
    assert isinstance(result, RuntimeError)


async def test_the_first_exception_is_raised_if_asked_and_ends_the_others() -> None:
    ended = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    calls = [*count(3, wait), (fail, {"number": 4})]

    with pytest.raises(ValueError, match="4"):
        await ap.ParallelExecutor().execute_parallel(calls, raises=True)

    assert ended == [0, 1, 2]


async def test_a_call_that_cancels_itself_is_a_result_too() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    results = await ap.ParallelExecutor().execute_parallel([(give_up, {}), (double, {"number": 1})])

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] == 2


class Stop(BaseException):
    pass


@pytest.mark.parametrize("is_async", [True, False])
async def test_what_is_no_exception_is_raised(is_async: bool) -> None:  # noqa: FBT001 - a parameter
    async def stop() -> None:
        raise Stop

    def stop_in_thread() -> None:
        raise Stop

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stop):
        await ap.ParallelExecutor().execute_parallel([(wait, {}), (stop if is_async else stop_in_thread, {})])


def test_ctrl_c_in_a_task_ends_the_program_and_every_task() -> None:
    ended = []

    async def interrupt() -> None:
        raise KeyboardInterrupt

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        ap.ParallelExecutor().run([(wait, {}), (interrupt, {})])
    gc.collect()

    assert ended == [True]


async def test_cancelling_the_caller_cancels_every_task_and_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), []

    async def wait(number: int) -> None:
        if number == 2:
            begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            ended.append(number)
            if number == 1:
                raise ValueError(number)

    running = asyncio.create_task(ap.ParallelExecutor(max_concurrency=3).execute_parallel(count(9, wait)))
    await begun.wait()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()  # once more, while it waits for its tasks
    await asyncio.sleep(0)
    assert not running.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    gc.collect()

    assert ended == [0, 1, 2]
    assert caplog.records == []


async def test_a_function_in_a_thread_is_left_to_itself_when_its_caller_is_cancelled() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    started = []

    def work(number: int) -> None:
        started.append(number)
        begun.set()
        go_on.wait(20)
        ended.set()

    running = asyncio.create_task(ap.ParallelExecutor(max_concurrency=1).execute_parallel(count(3, work)))
    await asyncio.to_thread(begun.wait, 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not ended.is_set()
    go_on.set()

    assert await asyncio.to_thread(ended.wait, 20)
    assert started == [0]


@settings(deadline=None)
@given(length=st.integers(0, 12), limit=st.integers(1, 5), is_async=st.booleans())
def test_no_more_run_at_a_time_than_allowed(length: int, limit: int, is_async: bool) -> None:  # noqa: FBT001 - given
    lock, running, most = threading.Lock(), 0, 0

    def begin() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)

    def end() -> None:
        nonlocal running
        with lock:
            running -= 1

    async def work(number: int) -> int:
        begin()
        for _ in range(number % 3 + 1):
            await asyncio.sleep(0)
        end()
        return number

    def work_in_thread(number: int) -> int:
        begin()
        end()
        return number

    calls = count(length, work if is_async else work_in_thread)

    assert ap.ParallelExecutor(max_concurrency=limit).run(calls) == list(range(length))
    assert most <= limit
    if is_async:
        assert most == min(length, limit)


async def test_batching_slides_a_window_over_the_items() -> None:
    slow, begun = asyncio.Event(), []

    async def process(item: str) -> str:
        begun.append(item)
        if item == "slow":
            await slow.wait()
        elif item == "last":
            slow.set()
        return item.upper()

    results = await ap.ParallelExecutor().execute_with_batching(
        iter(["slow", "a", "b", "c", "last"]), process, batch_size=2
    )

    assert results == ["SLOW", "A", "B", "C", "LAST"]
    assert begun == ["slow", "a", "b", "c", "last"]


async def test_batching_takes_functions_of_both_kinds_and_leaves_exceptions_in_place() -> None:
    def process(item: int) -> float:
        return 1 / item

    first, second = await ap.ParallelExecutor().execute_with_batching([0, 2], process)

    assert isinstance(first, ZeroDivisionError)
    assert second == 0.5
    with pytest.raises(ZeroDivisionError):
        await ap.ParallelExecutor().execute_with_batching([0, 2], process, raises=True)


async def test_a_window_has_room_for_one_at_least() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ap.ParallelExecutor(max_concurrency=0)
    with pytest.raises(ValueError, match="at a time, not 0"):
        await ap.ParallelExecutor().execute_with_batching([1], triple, batch_size=0)


async def test_threads_and_tasks_have_the_callers_context_and_keep_theirs_to_themselves(
    recorder: Recorder,
) -> None:
    @ap.step("in a task")
    async def ask() -> str:
        name = NAME.get()
        NAME.set("somebody else")
        return name

    @ap.step("in a thread")
    def ask_in_thread() -> str:
        name = NAME.get()
        NAME.set("somebody else")
        return name if is_traced() else "no span"

    NAME.set("me")
    with ap.agent("planner"):
        results = await ap.ParallelExecutor(max_concurrency=1).execute_parallel(
            [(ask, {}), (ask_in_thread, {}), (NAME.get, {})]
        )

    assert results == ["me", "me", "me"]
    assert NAME.get() == "me"
    assert recorder.parent_name("in a task") == "invoke_agent planner"
    assert recorder.parent_name("in a thread") == "invoke_agent planner"


def test_sync_callers_are_served_with_their_context(recorder: Recorder) -> None:
    @ap.step("work")
    async def work() -> str:
        return NAME.get()

    def outside() -> Any:
        NAME.set("me")
        with ap.agent("planner"):
            return ap.ParallelExecutor().run([(work, {})])

    async def inside() -> Any:
        return outside()

    assert contextvars.copy_context().run(outside) == ["me"]
    assert asyncio.run(inside()) == ["me"]
    assert recorder.names == ["work", "invoke_agent planner"] * 2
    agents = {span.context.span_id for span in recorder.spans if span.name != "work" and span.context}
    assert {span.parent.span_id for span in recorder.spans if span.parent} == agents


async def test_a_sync_caller_inside_a_loop_meets_exceptions_as_usual() -> None:
    with pytest.raises(ValueError, match="7"):
        ap.ParallelExecutor().run([(fail, {"number": 7})], raises=True)
    with pytest.raises(Stop):
        ap.ParallelExecutor().run([(_stop, {})])


def test_ctrl_c_where_a_sync_caller_waits_beside_a_loop_cancels_the_calls() -> None:
    cancelled = threading.Event()

    async def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def wait_beside() -> None:
        ap.ParallelExecutor().run([(interrupt, {})])

    loop = asyncio.new_event_loop()
    with ctrl_c.heard(), pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(wait_beside())
    loop.close()

    assert cancelled.wait(20)


def test_ctrl_c_before_the_thread_has_begun_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    begun: list[bool] = []

    def interrupted(thread: threading.Thread) -> None:
        threads.append(thread)
        raise KeyboardInterrupt

    async def work() -> None:
        begun.append(True)

    async def wait_beside() -> None:
        ap.ParallelExecutor().run([(work, {})])

    loop = asyncio.new_event_loop()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(wait_beside())
    loop.close()
    threads[0].start()
    threads[0].join()

    assert begun == []


async def _stop() -> None:
    raise Stop


async def test_progress_is_told_call_by_call() -> None:
    told: list[tuple[int, int]] = []

    await ap.ParallelExecutor(progress=lambda *figures: told.append(figures)).execute_parallel(count(3))

    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_what_progress_raises_ends_the_run() -> None:
    def tell(_done: int, _total: int) -> None:
        raise ValueError("no progress")

    with pytest.raises(ValueError, match="no progress"):
        await ap.ParallelExecutor(progress=tell).execute_parallel(count(3))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "is_shown"), [(Terminal(), True), (io.StringIO(), False)])
async def test_a_bar_is_shown_where_somebody_looks(
    stream: io.StringIO,
    is_shown: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stream)

    await ap.ParallelExecutor(progress=True).execute_parallel(count(3))

    assert ("100%" in stream.getvalue()) is is_shown
