from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import json
import logging
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode, get_current_span

from otel_agentprof.instrumentation import open_span, tracing
from otel_agentprof.instrumentation.propagation import propagate
from otel_agentprof.instrumentation.tools import agent, step, tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class Recorder:
    """A provider with an exporter in memory, asked by span name."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]

    def one(self, name: str) -> ReadableSpan:
        (span,) = (s for s in self.exporter.get_finished_spans() if s.name == name)
        return span

    def parent_name(self, name: str) -> str | None:
        parent = self.one(name).parent
        if parent is None:
            return None
        names = {s.context.span_id: s.name for s in self.exporter.get_finished_spans() if s.context}
        return names[parent.span_id]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    tracing.use(made.provider, capture_content=False)
    yield made
    tracing.reset()
    open_span._told.clear()


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def is_traced() -> bool:
    return get_current_span().get_span_context().is_valid


# --- what a span looks like ------------------------------------------------------------------------------------


def test_a_tool_span_has_the_names_of_the_conventions(recorder: Recorder) -> None:
    with tool("search", call_id="call_1"):
        pass

    span = recorder.one("execute_tool search")
    assert attributes_of(span) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_1",
        "agentprof.role": "tool",
    }
    assert span.kind is trace.SpanKind.INTERNAL
    assert span.status.status_code is StatusCode.UNSET
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "otel_agentprof"


def test_an_agent_span_has_the_names_of_the_conventions(recorder: Recorder) -> None:
    with agent("planner", attributes={"gen_ai.conversation.id": "c1"}):
        pass

    assert attributes_of(recorder.one("invoke_agent planner")) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "planner",
        "agentprof.role": "agent",
        "gen_ai.conversation.id": "c1",
    }


def test_a_step_span_is_called_as_the_step_is(recorder: Recorder) -> None:
    with step("build prompt"):
        pass

    assert attributes_of(recorder.one("build prompt")) == {"agentprof.role": "step"}


def test_a_span_without_a_name_is_called_as_its_operation(recorder: Recorder) -> None:
    with agent(), tool(), step():
        pass

    assert recorder.names == ["step", "execute_tool", "invoke_agent"]


def test_the_handle_sets_attributes_and_the_call_id(recorder: Recorder) -> None:
    with tool("search") as span:
        span.set("hits", 3)
        span.set_attribute("pages", 1)
        span.set_call_id("call_9")
        span.set_call_id(None)

        assert span.is_open

    attributes = attributes_of(recorder.one("execute_tool search"))
    assert (attributes["hits"], attributes["pages"], attributes["gen_ai.tool.call.id"]) == (3, 1, "call_9")
    assert not span.is_open


# --- decorating --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (tool, "execute_tool look_up"),
        (tool(), "execute_tool look_up"),
        (tool("search"), "execute_tool search"),
        (tool(name="search"), "execute_tool search"),
        (agent, "invoke_agent look_up"),
        (agent("planner"), "invoke_agent planner"),
        (step, "look_up"),
        (step("find"), "find"),
    ],
)
def test_a_decorator_works_with_and_without_parentheses(recorder: Recorder, mark: Any, expected: str) -> None:
    @mark
    def look_up(word: str, *, times: int = 1) -> str:
        """Say a word again."""
        return word * times

    answer = look_up("ab", times=2)

    assert answer == "abab"
    assert recorder.names == [expected]
    assert (look_up.__name__, look_up.__doc__) == ("look_up", "Say a word again.")
    assert list(inspect.signature(look_up).parameters) == ["word", "times"]


def test_inspect_finds_the_same_kind_of_function(recorder: Recorder) -> None:
    @tool
    def plain() -> None: ...

    @tool
    async def coroutine() -> None: ...

    @tool
    def generator() -> Iterator[int]:
        yield 1

    @tool
    async def async_generator() -> AsyncIterator[int]:
        yield 1

    kinds = [
        (inspect.iscoroutinefunction(f), inspect.isgeneratorfunction(f), inspect.isasyncgenfunction(f))
        for f in (plain, coroutine, generator, async_generator)
    ]

    assert kinds == [
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert recorder.names == []


def test_methods_of_all_kinds_can_be_tools(recorder: Recorder) -> None:
    class Box:
        @tool
        def method(self, x: int) -> int:
            return x + 1

        @tool
        @classmethod
        def above(cls, x: int) -> tuple[type, int]:
            return cls, x

        @classmethod
        @tool
        def below(cls, x: int) -> tuple[type, int]:
            return cls, x

        @tool
        @staticmethod
        def static(x: int) -> int:
            return x

    box = Box()

    assert (box.method(1), box.above(2), Box.below(3), box.static(4)) == (2, (Box, 2), (Box, 3), 4)
    assert recorder.names == [f"execute_tool {name}" for name in ("method", "above", "below", "static")]


async def test_callable_objects_and_partials_can_be_tools(recorder: Recorder) -> None:
    class Adder:
        def __call__(self, a: int, b: int) -> int:
            return a + b

    class Later:
        async def __call__(self) -> str:
            return "later"

    def power(base: int, exponent: int) -> int:
        return int(base**exponent)

    async def late_power(base: int, exponent: int) -> int:
        return int(base**exponent)

    later = tool(Later())

    assert tool(Adder())(1, 2) == 3
    assert tool(functools.partial(power, 2))(3) == 8
    assert await tool(functools.partial(late_power, 2))(4) == 16
    assert inspect.iscoroutinefunction(later)
    assert await later() == "later"
    assert recorder.names == [f"execute_tool {name}" for name in ("Adder", "power", "late_power", "Later")]


@pytest.mark.parametrize("thing", [dict, 3, object()])
def test_what_is_no_function_cannot_be_marked(thing: Any) -> None:
    with pytest.raises(TypeError, match="mark functions"):
        tool("x")(thing)


def test_a_recursive_tool_nests(recorder: Recorder) -> None:
    @tool
    def count_down(n: int) -> int:
        return n if n == 0 else count_down(n - 1)

    count_down(2)

    spans = recorder.exporter.get_finished_spans()
    assert [span.parent.span_id if span.parent else None for span in spans] == [
        spans[1].context.span_id if spans[1].context else 0,
        spans[2].context.span_id if spans[2].context else 0,
        None,
    ]


async def test_a_coroutine_behind_another_decorator_is_timed_until_it_returns(recorder: Recorder) -> None:
    async def inner(*, fail: bool) -> str:
        await asyncio.sleep(0)
        with step("inside"):
            pass
        if fail:
            raise ValueError
        return "done"

    hidden: Callable[..., Any] = tool("hidden")(lambda fail: inner(fail=fail))

    assert await hidden(fail=False) == "done"
    with pytest.raises(ValueError, match="^$"):
        await hidden(fail=True)

    assert recorder.names == ["inside", "execute_tool hidden"] * 2
    first, second = recorder.exporter.get_finished_spans()[1::2]
    assert (first.status.status_code, second.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)


# --- call ids and content ----------------------------------------------------------------------------------------


def test_a_call_id_comes_from_a_parameter(recorder: Recorder) -> None:
    @tool(call_id_from="tool_call_id")
    def search(query: str, tool_call_id: str | None = "default") -> str:
        return f"{query}{tool_call_id}"

    search("a", "positional")
    search("a", tool_call_id="keyword")
    search("a")
    search("a", None)

    ids = [attributes_of(s).get("gen_ai.tool.call.id") for s in recorder.exporter.get_finished_spans()]
    assert ids == ["positional", "keyword", "default", None]


def test_a_call_id_comes_from_a_function_of_the_arguments(recorder: Recorder) -> None:
    @tool(call_id=lambda call: call["id"])
    def search(call: dict[str, Any]) -> int:
        return len(call)

    search({"id": 7})
    search({"no": "id"})

    ids = [attributes_of(s).get("gen_ai.tool.call.id") for s in recorder.exporter.get_finished_spans()]
    assert ids == ["7", None]


def test_a_call_id_that_cannot_be_read_leaves_the_tool_alone(recorder: Recorder) -> None:
    @tool(call_id_from="tool_call_id")
    def search(tool_call_id: str) -> str:
        return tool_call_id

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        search()  # type: ignore[call-arg]

    assert attributes_of(recorder.one("execute_tool search"))["error.type"] == "TypeError"


def test_an_unknown_parameter_for_the_call_id_is_told_when_decorating() -> None:
    with pytest.raises(TypeError, match="has no parameter 'id_'"):

        @tool(call_id_from="id_")
        def search(query: str) -> str:
            return query


def test_no_argument_and_no_result_is_recorded_unasked(recorder: Recorder) -> None:
    @tool
    def search(query: str) -> str:
        return query + " answer"

    search("secret")

    assert "secret" not in json.dumps(attributes_of(recorder.one("execute_tool search")))


def test_arguments_and_results_are_recorded_when_asked(recorder: Recorder) -> None:
    tracing.use(recorder.provider, capture_content=True)

    class Index:
        @tool
        def search(self, query: str, *, limit: int = 3) -> list[str]:
            return [query] * limit

    Index().search("é", limit=2)

    attributes = attributes_of(recorder.one("execute_tool search"))
    assert attributes["gen_ai.tool.call.arguments"] == '{"query": "é", "limit": 2}'
    assert attributes["gen_ai.tool.call.result"] == '["é", "é"]'


def test_the_environment_asks_for_content_where_nobody_said_otherwise(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    tracing.use(recorder.provider)

    tool("one")(lambda: 1)()
    tracing.use(recorder.provider, capture_content=False)
    tool("two")(lambda: 2)()

    assert attributes_of(recorder.one("execute_tool one"))["gen_ai.tool.call.result"] == "1"
    assert "gen_ai.tool.call.result" not in attributes_of(recorder.one("execute_tool two"))


def test_content_that_is_no_json_never_breaks_a_tool(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    tracing.use(recorder.provider, capture_content=True)
    loop: list[Any] = []
    loop.append(loop)
    echo: Callable[[Any], Any] = tool("echo")(lambda value: value)
    values = [loop, {(1, 2): 3}, object(), Silent(), Silent()]

    results = [echo(value) for value in values]

    assert all(a is b for a, b in zip(results, values, strict=True))
    spans = recorder.exporter.get_finished_spans()
    assert "[[...]]" in attributes_of(spans[0])["gen_ai.tool.call.result"]
    assert "gen_ai.tool.call.result" not in attributes_of(spans[3])
    assert len([r for r in caplog.records if r.name.startswith("otel_agentprof")]) == 1


# --- errors ------------------------------------------------------------------------------------------------------


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "error_type", "description", "events"),
    [
        (ValueError("bad"), "ValueError", "ValueError: bad", 1),
        (json.JSONDecodeError("bad", "x", 0), "json.decoder.JSONDecodeError", None, 1),
        (KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt: ", 0),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError", None, 0),
        (SystemExit(2), "SystemExit", "SystemExit: 2", 0),
    ],
)
def test_an_exception_is_recorded_and_passes_through_untouched(
    recorder: Recorder, error: BaseException, error_type: str, description: str | None, events: int
) -> None:
    @tool
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught, step("around"):
        fail()

    assert caught.value is error
    for name in ("execute_tool fail", "around"):
        span = recorder.one(name)
        assert span.status.status_code is StatusCode.ERROR
        assert attributes_of(span)["error.type"] == error_type
        assert description is None or span.status.description == description
        assert [event.name for event in span.events] == ["exception"] * events


def test_an_exception_gains_only_our_frame(recorder: Recorder) -> None:
    @tool
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError, match="^$") as caught:
        fail()

    functions = [entry.name for entry in caught.traceback]
    assert functions[1:] == ["call", "fail"]
    assert caught.value.__context__ is None
    assert len(recorder.names) == 1


def test_an_exception_that_cannot_describe_itself_is_recorded(recorder: Recorder) -> None:
    error = OddError()

    with pytest.raises(OddError) as caught, tool("odd"):
        raise error

    span = recorder.one("execute_tool odd")
    assert caught.value is error
    assert span.status.description == "OddError: (no message)"


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit(None), GeneratorExit()])
def test_leaving_early_is_no_error(recorder: Recorder, error: BaseException) -> None:
    with pytest.raises(type(error)), step("left"):
        raise error

    span = recorder.one("left")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes_of(span).get("agentprof.stream.complete") is (
        False if isinstance(error, GeneratorExit) else None
    )


async def test_a_cancelled_task_is_an_error(recorder: Recorder) -> None:
    started = asyncio.Event()

    @tool
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    span = recorder.one("execute_tool wait")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_failing_span_processor_never_reaches_the_program(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise RuntimeError

    class BrokenAtEnd(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError

    provider, other = TracerProvider(), TracerProvider()
    provider.add_span_processor(Broken())
    other.add_span_processor(BrokenAtEnd())
    results = []

    try:
        for broken in (provider, other):
            tracing.use(broken)
            results += [tool("x")(lambda: 1)(), tool("x")(lambda: 2)()]
            with tool("x") as span:
                span.set("a", object())
    finally:
        tracing.reset()
        open_span._told.clear()

    assert results == [1, 2, 1, 2]
    warnings = [r for r in caplog.records if r.name == "otel_agentprof.instrumentation.open_span"]
    assert [record.levelno for record in warnings] == [logging.WARNING, logging.WARNING]


# --- generators --------------------------------------------------------------------------------------------------


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
    spans = recorder.exporter.get_finished_spans()
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


@given(MOVES)
def test_a_marked_generator_answers_like_the_bare_one(moves: list[Any]) -> None:
    recorder = Recorder()
    tracing.use(recorder.provider, capture_content=False)

    bare = drive(echo_generator(), moves)
    marked = drive(tool("echo")(echo_generator)(), moves)
    gc.collect(0)

    assert marked == bare
    assert len(recorder.names) <= 1
    tracing.reset()


@given(MOVES)
def test_a_marked_async_generator_answers_like_the_bare_one(moves: list[Any]) -> None:
    recorder = Recorder()
    tracing.use(recorder.provider, capture_content=False)

    bare = asyncio.run(adrive(async_echo_generator(), moves))
    marked = asyncio.run(adrive(tool("echo")(async_echo_generator)(), moves))

    assert marked == bare
    assert len(recorder.names) <= 1
    tracing.reset()


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

    spans = recorder.exporter.get_finished_spans()
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

    with pytest.raises(ValueError, match="^$"):
        [item async for item in pages()]

    assert attributes_of(recorder.one("execute_tool pages"))["error.type"] == "ValueError"


# --- concurrency -------------------------------------------------------------------------------------------------


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

    spans = recorder.exporter.get_finished_spans()
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

    spans = recorder.exporter.get_finished_spans()
    ids = {s.context.span_id: s for s in spans if s.context}
    assert len(spans) == 6
    for span in spans:
        assert span.parent is None or span.context is None or span.parent.trace_id == span.context.trace_id
        assert span.parent is None or (ids[span.parent.span_id].end_time or 0) >= (span.end_time or 0)
    assert not is_traced()


def test_a_block_that_leaves_a_context_behind_still_ends_its_span(recorder: Recorder) -> None:
    mark = tool("leaky")

    with mark:
        trace.context_api.attach(trace.set_span_in_context(trace.INVALID_SPAN))

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

    spans = recorder.exporter.get_finished_spans()
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


# --- where nothing is recorded -----------------------------------------------------------------------------------


def count_calls(work: Callable[[], object]) -> int:
    """Return how many function calls, Python and C together, some work makes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    for _ in range(8):
        work()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def marked_block() -> None:
    with tool("x"):
        pass


def test_a_marked_block_costs_little_over_a_bare_span() -> None:
    provider = TracerProvider()
    tracing.use(provider)
    tracer = provider.get_tracer("bare")

    def bare_block() -> None:
        with tracer.start_as_current_span("execute_tool x"):
            pass

    marked_function: Callable[[], None] = tool("x")(lambda: None)

    bare, block, function = (count_calls(work) for work in (bare_block, marked_block, marked_function))
    tracing.reset()

    assert block - bare <= 60
    assert function - bare <= 60


def test_where_nothing_records_hardly_anything_is_called() -> None:
    tracing.use(trace.NoOpTracerProvider())
    nothing = count_calls(marked_block)
    tracing.use(TracerProvider(sampler=ALWAYS_OFF))
    unsampled = count_calls(marked_block)
    tracing.reset()

    assert nothing <= 45
    assert unsampled <= 90


def test_a_sampler_sees_what_is_known_at_the_start(recorder: Recorder) -> None:
    class Asked(type(ALWAYS_OFF)):  # type: ignore[misc]
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append({**args[4]} if len(args) > 4 else kwargs["attributes"])
            return super().should_sample(*args, **kwargs)

    seen: list[Any] = []
    tracing.use(TracerProvider(sampler=Asked(ALWAYS_OFF._decision)))

    with tool("search", call_id="c"):
        assert not get_current_span().is_recording()

    assert seen[0]["gen_ai.tool.name"] == "search"
    assert seen[0]["gen_ai.tool.call.id"] == "c"
    assert recorder.names == []


def test_suppressed_instrumentation_makes_no_span_and_hides_no_parent(recorder: Recorder) -> None:
    with recorder.provider.get_tracer("user").start_as_current_span("mine") as mine:
        with suppress_instrumentation(), tool("x"), tool("x"):
            assert get_current_span() is mine
        assert get_current_span() is mine

    assert recorder.names == ["mine"]


def test_the_tracer_follows_a_global_provider_that_is_set_later(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Recorder()
    tracing.reset()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: trace.NoOpTracerProvider())
    with tool("before"):
        pass

    monkeypatch.setattr(trace, "get_tracer_provider", lambda: late.provider)
    with tool("after"):
        first = tracing.tracer()
    second = tracing.tracer()
    tracing.reset()

    assert late.names == ["execute_tool after"]
    assert first is second


def test_another_runtime_context_than_the_default_one_works(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stack:
        def __init__(self) -> None:
            self.contexts = [trace.context_api.Context()]

        def attach(self, context: Any) -> int:
            self.contexts.append(context)
            return len(self.contexts)

        def get_current(self) -> Any:
            return self.contexts[-1]

        def detach(self, _token: int) -> None:
            self.contexts.pop()

    monkeypatch.setattr(trace.context_api, "_RUNTIME_CONTEXT", Stack())

    with agent("planner"), tool("search"):
        pass

    assert recorder.parent_name("execute_tool search") == "invoke_agent planner"
    assert not is_traced()
