from __future__ import annotations

import asyncio
import functools
import inspect
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from recording import Recorder, attributes_of, recording

from otel_agentprof.instrumentation import tracing
from otel_agentprof.instrumentation.tools import agent, step, tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


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
    @mark  # type: ignore[untyped-decorator]  # all of them by turns
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

    spans = recorder.spans
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
    with pytest.raises(ValueError, match=r"^$"):
        await hidden(fail=True)

    assert recorder.names == ["inside", "execute_tool hidden"] * 2
    first, second = recorder.spans[1::2]
    assert (first.status.status_code, second.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)


def test_a_call_id_comes_from_a_parameter(recorder: Recorder) -> None:
    @tool(call_id_from="tool_call_id")
    def search(query: str, tool_call_id: str | None = "default") -> str:
        return f"{query}{tool_call_id}"

    search("a", "positional")
    search("a", tool_call_id="keyword")
    search("a")
    search("a", None)

    ids = [attributes_of(s).get("gen_ai.tool.call.id") for s in recorder.spans]
    assert ids == ["positional", "keyword", "default", None]


def test_a_call_id_comes_from_a_function_of_the_arguments(recorder: Recorder) -> None:
    @tool(call_id=lambda call: call["id"])
    def search(call: dict[str, Any]) -> int:
        return len(call)

    search({"id": 7})
    search({"no": "id"})

    ids = [attributes_of(s).get("gen_ai.tool.call.id") for s in recorder.spans]
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
    spans = recorder.spans
    assert "[[...]]" in attributes_of(spans[0])["gen_ai.tool.call.result"]
    assert "gen_ai.tool.call.result" not in attributes_of(spans[3])
    assert len([r for r in caplog.records if r.name.startswith("otel_agentprof")]) == 1
