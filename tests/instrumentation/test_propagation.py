from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from recording import Recorder, is_traced, recording

from otel_agentprof.instrumentation.propagation import propagate
from otel_agentprof.instrumentation.tools import agent, step, tool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


async def test_gathered_tools_are_siblings_under_the_agent(recorder: Recorder) -> None:
    @tool("fetch")
    async def fetch(number: int) -> None:
        await asyncio.sleep(0)
        async with step(f"parse {number}"):
            await asyncio.sleep(0)

    @agent("planner")
    async def plan() -> None:
        await asyncio.gather(*(fetch(number) for number in range(3)))

    await plan()

    spans = recorder.spans
    (planner,) = (s.context.span_id for s in spans if s.name == "invoke_agent planner" and s.context)
    fetches = {s.context.span_id: s for s in spans if s.name == "execute_tool fetch" and s.context}
    assert {s.parent.span_id for s in fetches.values() if s.parent} == {planner}
    assert {s.parent.span_id for s in spans if s.name.startswith("parse") and s.parent} == set(fetches)


async def test_tasks_of_a_group_keep_their_parent(recorder: Recorder) -> None:
    async with agent("planner"), asyncio.TaskGroup() as group:
        for name in "ab":
            group.create_task(tool(name)(asyncio.sleep)(0))

    assert recorder.parent_name("execute_tool a") == "invoke_agent planner"
    assert recorder.parent_name("execute_tool b") == "invoke_agent planner"


async def test_one_mark_can_be_entered_by_many_tasks_at_once(recorder: Recorder) -> None:
    shared = tool("shared")
    release = asyncio.Event()

    async def work(name: str) -> None:
        async with agent(name), shared:
            if name == "a":
                await release.wait()
            else:
                release.set()
                await asyncio.sleep(0)
            async with shared:
                await asyncio.sleep(0)

    await asyncio.gather(work("a"), work("b"))

    spans = recorder.spans
    ids = {s.context.span_id: s for s in spans if s.context}
    assert len(spans) == 6
    for span in spans:
        assert span.parent is None or span.context is None or span.parent.trace_id == span.context.trace_id
        assert span.parent is None or (ids[span.parent.span_id].end_time or 0) >= (span.end_time or 0)
    assert not is_traced()


def test_a_block_that_leaves_a_context_behind_still_ends_its_span(recorder: Recorder) -> None:
    mark = tool("leaky")

    with mark:
        context_api.attach(trace.set_span_in_context(trace.INVALID_SPAN))

    assert recorder.names == ["execute_tool leaky"]
    assert not is_traced()


def test_a_block_that_ends_in_another_context_is_quiet(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tool("moved")
    copy_context().run(mark.__enter__)

    copy_context().run(mark.__exit__, None, None, None)

    assert recorder.names == ["execute_tool moved"]
    assert caplog.records == []


def test_threads_of_a_propagated_pool_keep_the_parent(recorder: Recorder) -> None:
    @tool("fetch")
    def fetch(number: int) -> int:
        return number * 2

    with agent("planner"), ThreadPoolExecutor(2) as pool, propagate(pool) as executor:
        doubled = list(executor.map(fetch, range(4)))
        alone = executor.submit(fetch, number=5).result()

    spans = recorder.spans
    (planner,) = (s.context.span_id for s in spans if s.name == "invoke_agent planner" and s.context)
    assert (doubled, alone) == ([0, 2, 4, 6], 10)
    assert [s.parent.span_id for s in spans if s.parent] == [planner] * 5
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(fetch, 1)


async def test_run_in_executor_takes_a_propagated_pool(recorder: Recorder) -> None:
    with ThreadPoolExecutor(1) as pool, agent("planner"):
        answer = await asyncio.get_running_loop().run_in_executor(propagate(pool), tool("add")(lambda: 1 + 1))

    assert answer == 2
    assert recorder.parent_name("execute_tool add") == "invoke_agent planner"


def test_a_propagated_function_keeps_the_context_it_was_made_in(recorder: Recorder) -> None:
    barrier = threading.Barrier(2)

    def work(name: str) -> None:
        barrier.wait(timeout=10)
        with tool(name):
            pass

    with agent("planner"):
        carried = propagate(work)
    threads = [threading.Thread(target=carried, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert carried.__name__ == "work"
    assert recorder.parent_name("execute_tool a") == "invoke_agent planner"
    assert recorder.parent_name("execute_tool b") == "invoke_agent planner"


def test_work_in_another_process_and_coroutines_cannot_be_propagated() -> None:
    async def coroutine() -> None: ...

    with ProcessPoolExecutor(1) as processes, pytest.raises(TypeError, match="ThreadPoolExecutor"):
        propagate(processes)
    with pytest.raises(TypeError, match="plain function"):
        propagate(coroutine)
    with pytest.raises(TypeError, match="plain function"):
        propagate(3)  # type: ignore[call-overload]


def test_any_other_executor_can_be_propagated(recorder: Recorder) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")

    class Wrapper(ThreadPoolExecutor):
        pass

    name.set("caller")
    with propagate(propagate(Wrapper(1))) as pool:
        seen = pool.submit(name.get).result()

    assert seen == "caller"
    assert recorder.names == []
