from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode, get_current_span
from recording import Recorder, attributes_of, is_traced, recording

from otel_agentprof.instrumentation.tools import agent, step, tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


def test_a_generator_is_current_only_in_its_body(recorder: Recorder) -> None:
    @tool
    def pages() -> Iterator[int]:
        for number in range(2):
            with step(f"body {number}"):
                pass
            yield number

    with agent("reader"):
        for number in pages():
            with step(f"consumer {number}"):
                pass

    assert recorder.parent_name("execute_tool pages") == "invoke_agent reader"
    for number in range(2):
        assert recorder.parent_name(f"body {number}") == "execute_tool pages"
        assert recorder.parent_name(f"consumer {number}") == "invoke_agent reader"


async def test_an_async_generator_is_current_only_in_its_body(recorder: Recorder) -> None:
    @tool
    async def pages() -> AsyncIterator[int]:
        for number in range(2):
            await asyncio.sleep(0)
            with step(f"body {number}"):
                await asyncio.sleep(0)
            yield number

    with agent("reader"):
        async for number in pages():
            async with step(f"consumer {number}"):
                await asyncio.sleep(0)

    assert recorder.parent_name("execute_tool pages") == "invoke_agent reader"
    for number in range(2):
        assert recorder.parent_name(f"body {number}") == "execute_tool pages"
        assert recorder.parent_name(f"consumer {number}") == "invoke_agent reader"


def test_a_span_open_across_a_yield_is_current_again_after_it(recorder: Recorder) -> None:
    @tool
    def pages() -> Iterator[int]:
        with step("session"):
            yield 1
            with step("after"):
                pass
        with step("end"):
            pass

    for _ in pages():
        assert not is_traced()

    assert recorder.parent_name("after") == "session"
    assert recorder.parent_name("session") == "execute_tool pages"
    assert recorder.parent_name("end") == "execute_tool pages"
    assert not is_traced()


def test_two_generators_side_by_side_do_not_mix(recorder: Recorder) -> None:
    @tool("pages")
    def pages(name: str) -> Iterator[str]:
        for number in range(2):
            with step(f"{name}{number}") as span:
                span.set("tool", format(get_current_span().get_span_context().span_id))
            yield name

    both = list(zip(pages("a"), pages("b"), strict=True))

    assert both == [("a", "b"), ("a", "b")]
    spans = recorder.spans
    parents = {s.name: s.parent.span_id for s in spans if s.parent}
    assert parents["a0"] == parents["a1"] != parents["b0"] == parents["b1"]


def echo_generator() -> Any:
    """Give back what is sent; take ValueErrors; end with a value."""
    got: Any = "first"
    while got != "stop":
        try:
            got = yield got
        except ValueError as error:
            got = f"caught {error}"
    return "returned"


async def async_echo_generator() -> AsyncIterator[Any]:
    got: Any = "first"
    while got != "stop":
        try:
            got = yield got
        except ValueError as error:
            got = f"caught {error}"


def drive(generator: Any, moves: list[Any]) -> list[Any]:
    """Return what a generator answers to each move: a value to send, an exception, or a way to end it."""
    answers: list[Any] = []
    for move in moves:
        try:
            if isinstance(move, BaseException):
                answers.append(generator.throw(move))
            elif move == "close":
                answers.append(generator.close())
            else:
                answers.append(generator.send(move))
        except BaseException as error:  # noqa: BLE001 - the comparison is about exceptions
            answers.append((type(error), error.args))
    return answers


async def adrive(generator: Any, moves: list[Any]) -> list[Any]:
    answers: list[Any] = []
    for move in moves:
        try:
            if isinstance(move, BaseException):
                answers.append(await generator.athrow(move))
            elif move == "close":
                answers.append(await generator.aclose())
            else:
                answers.append(await generator.asend(move))
        except BaseException as error:  # noqa: BLE001 - the comparison is about exceptions
            answers.append((type(error), error.args))
    return answers


MOVES = st.lists(
    st.sampled_from(["a", None, "stop", "close"])
    | st.builds(ValueError, st.just("v"))
    | st.builds(KeyError, st.just("k"))
    | st.builds(GeneratorExit)
    | st.builds(StopIteration, st.just("s")),
    max_size=6,
)


@settings(deadline=None)
@given(MOVES)
def test_a_marked_generator_answers_like_the_bare_one(moves: list[Any]) -> None:
    with recording() as recorder:
        bare = drive(echo_generator(), moves)
        marked = drive(tool("echo")(echo_generator)(), moves)
        gc.collect(0)

    assert marked == bare
    assert len(recorder.names) <= 1


@settings(deadline=None)
@given(MOVES)
def test_a_marked_async_generator_answers_like_the_bare_one(moves: list[Any]) -> None:
    with recording() as recorder:
        bare = asyncio.run(adrive(async_echo_generator(), moves))
        marked = asyncio.run(adrive(tool("echo")(async_echo_generator)(), moves))

    assert marked == bare
    assert len(recorder.names) <= 1


def read_one_and_break(items: Iterator[int]) -> None:
    for _ in items:
        break


def throw_into(items: Any) -> None:
    next(items)
    with pytest.raises(GeneratorExit):
        items.throw(GeneratorExit)


def close_it(items: Any) -> None:
    next(items)
    items.close()
    items.close()


@pytest.mark.parametrize("leave", [read_one_and_break, throw_into, close_it])
def test_an_abandoned_generator_ends_its_span_once_and_is_incomplete(
    recorder: Recorder, leave: Callable[[Any], None]
) -> None:
    @tool
    def pages() -> Iterator[int]:
        yield 1
        yield 2

    leave(pages())
    gc.collect()

    span = recorder.one("execute_tool pages")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes_of(span)["agentprof.stream.complete"] is False


def test_a_generator_that_returns_when_closed_is_incomplete(recorder: Recorder) -> None:
    @tool
    def pages() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            return

    close_it(pages())

    assert attributes_of(recorder.one("execute_tool pages"))["agentprof.stream.complete"] is False


def test_a_generator_read_to_the_end_is_complete(recorder: Recorder) -> None:
    @tool
    def pages() -> Iterator[int]:
        yield 1

    assert list(pages()) == [1]
    span = recorder.one("execute_tool pages")
    assert span.status.status_code is StatusCode.UNSET
    assert "agentprof.stream.complete" not in attributes_of(span)


def test_a_generator_that_nobody_reads_makes_no_span(recorder: Recorder) -> None:
    @tool
    def pages() -> Iterator[int]:
        yield 1

    pages()
    gc.collect()

    assert recorder.names == []


def test_an_error_half_way_through_a_generator_is_recorded(recorder: Recorder) -> None:
    error = ValueError("half-way")

    @tool
    def pages() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(ValueError, match="half-way") as caught:
        list(pages())

    assert caught.value is error
    assert attributes_of(recorder.one("execute_tool pages"))["error.type"] == "ValueError"


def test_a_generator_dropped_in_another_thread_ends_quietly(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    @tool
    def pages() -> Iterator[int]:
        with step("session"):
            yield 1

    box = [pages()]
    next(box[0])
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    gc.collect()

    assert sorted(recorder.names) == ["execute_tool pages", "session"]
    assert caplog.records == []


async def test_an_abandoned_async_generator_ends_its_span_once(recorder: Recorder) -> None:
    @tool
    async def pages() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)

    async def leave_early() -> None:
        async for _ in pages():
            break

    closed = pages()
    await anext(closed)
    await closed.aclose()  # type: ignore[attr-defined]
    await leave_early()
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)

    spans = recorder.spans
    assert [span.name for span in spans] == ["execute_tool pages"] * 2
    assert all(attributes_of(span)["agentprof.stream.complete"] is False for span in spans)
    assert all(span.status.status_code is StatusCode.UNSET for span in spans)


def test_an_async_generator_that_outlives_its_loop_ends_its_span(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    @tool
    async def pages() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)

    kept: list[Any] = []

    async def start() -> None:
        kept.append(pages())
        await anext(kept[-1])

    asyncio.run(start())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())
    loop.close()
    kept.clear()
    gc.collect()

    assert recorder.names == ["execute_tool pages"] * 2
    assert caplog.records == []


async def test_an_error_half_way_through_an_async_generator_is_recorded(recorder: Recorder) -> None:
    @tool
    async def pages() -> AsyncIterator[int]:
        yield 1
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        [item async for item in pages()]

    assert attributes_of(recorder.one("execute_tool pages"))["error.type"] == "ValueError"
