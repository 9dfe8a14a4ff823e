"""The tool calls of one answer: run together, traced once each, answered in the words of its API."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anthropic.types
import openai.types.chat
import openai.types.responses
import pytest
from loopback import WIRE
from recording import attributes_of

import otel_agentprof as ap
from otel_agentprof.optimize import own_spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording import Recorder

    from otel_agentprof.optimize.tool_calls import Registry

CANARY = "the canary sings"


def chat(*calls: tuple[str, str]) -> dict[str, Any]:
    """Return an answer of chat completions that asks for some tools; their ids are call_0, call_1, ..."""
    asked = [
        {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(calls)
    ]
    return {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": asked}}]}


def tools_of(name: str) -> Any:
    return json.loads((WIRE / name).read_text())


def weather(**arguments: Any) -> str:
    return f"sunny: {json.dumps(arguments, sort_keys=True)}"


def typed(model: Any, file: str) -> tuple[Any, Any]:
    """Return an answer as its client's object and as a plain dict."""
    plain = tools_of(file)
    return model.model_validate(plain), plain


CHAT = typed(openai.types.chat.ChatCompletion, "openai_chat_tool_calls.json")
RESPONSES = typed(openai.types.responses.Response, "openai_responses_tool_call.json")
MESSAGES = typed(anthropic.types.Message, "anthropic_message_tool_use.json")


class Anything(dict[str, Any]):
    """A registry that answers for every tool."""

    def get(self, _name: str, _default: Any = None) -> Any:
        return weather


@pytest.mark.parametrize("answer", [*CHAT, CHAT[0].choices[0].message], ids=["object", "dict", "message"])
async def test_chat_completions_get_one_message_per_call(answer: Any, recorder: Recorder) -> None:
    asked = CHAT[1]["choices"][0]["message"]["tool_calls"]

    results = await ap.arun_tool_calls(answer, Anything())

    assert results == [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": weather(**json.loads(call["function"]["arguments"])),
        }
        for call in asked
    ]
    assert [attributes_of(span)["gen_ai.tool.call.id"] for span in recorder.spans] == [
        call["id"] for call in asked
    ]


@pytest.mark.parametrize("answer", RESPONSES, ids=["object", "dict"])
async def test_responses_get_one_output_per_call(answer: Any) -> None:
    asked = [item for item in RESPONSES[1]["output"] if item["type"] == "function_call"]

    results = await ap.arun_tool_calls(answer, Anything())

    assert asked
    assert results == [
        {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": weather(**json.loads(call["arguments"])),
        }
        for call in asked
    ]


@pytest.mark.parametrize("answer", MESSAGES, ids=["object", "dict"])
async def test_messages_get_one_message_of_all_results(answer: Any) -> None:
    asked = [block for block in MESSAGES[1]["content"] if block["type"] == "tool_use"]

    (message,) = await ap.arun_tool_calls(answer, Anything())

    assert message["role"] == "user"
    assert message["content"] == [
        {"type": "tool_result", "tool_use_id": block["id"], "content": weather(**block["input"])}
        for block in asked
    ]


async def test_tools_that_take_a_text_get_it_as_it_is() -> None:
    call = {"id": "call_0", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    item = {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "print(2)"}
    registry = {"run": str.upper}

    assert await ap.arun_tool_calls({"choices": [{"message": {"tool_calls": [call]}}]}, registry) == [
        {"role": "tool", "tool_call_id": "call_0", "content": "PRINT(1)"}
    ]
    assert await ap.arun_tool_calls({"output": [item]}, registry) == [
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "PRINT(2)"}
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"message": {"content": "hello", "tool_calls": None}}]},
        {"choices": [{"message": {"content": "hello"}}]},
        {"role": "assistant", "content": "hello"},
        {"output": [{"type": "message", "content": []}]},
        {"content": [{"type": "text", "text": "hello"}, {"type": "server_tool_use", "id": "1", "name": "x"}]},
    ],
)
async def test_an_answer_without_tool_calls_gives_nothing(answer: Any) -> None:
    assert await ap.arun_tool_calls(answer, {}) == []


async def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(ap.AgentProfError, match="no tool calls in a list"):
        await ap.arun_tool_calls([], {})


async def test_the_calls_of_one_answer_run_together() -> None:
    together = asyncio.Barrier(2)
    in_threads = threading.Barrier(2)

    async def meet() -> str:
        await together.wait()
        return "met"

    def meet_in_thread() -> str:
        in_threads.wait(20)
        return "met too"

    registry = {"meet": meet, "meet_in_thread": meet_in_thread}
    answer = chat(("meet", ""), ("meet_in_thread", "{}"), ("meet", "null"), ("meet_in_thread", "{}"))

    results = await ap.arun_tool_calls(answer, registry)

    assert [result["content"] for result in results] == ["met", "met too", "met", "met too"]


def test_code_that_is_not_async_is_served(recorder: Recorder) -> None:
    with ap.agent("planner"):
        (result,) = ap.run_tool_calls(chat(("weather", '{"city": "Oslo"}')), {"weather": weather})

    assert result["content"] == 'sunny: {"city": "Oslo"}'
    assert recorder.parent_name("execute_tool weather") == "invoke_agent planner"


async def test_a_tools_span_looks_like_one_of_a_marked_tool(recorder: Recorder) -> None:
    marked = ap.tool("weather", call_id="call_0")(weather)
    await ap.arun_tool_calls(chat(("weather", "{}")), {"weather": weather})

    marked()

    ours, theirs = recorder.spans
    assert ours.name == theirs.name
    assert attributes_of(ours) == {
        key: value for key, value in attributes_of(theirs).items() if key != "agentprof.request.fingerprint"
    }
    assert ours.instrumentation_scope == theirs.instrumentation_scope


class Shop:
    @ap.tool("price")
    def price(self) -> str:
        return "cheap"

    @ap.tool("stock")
    async def __call__(self) -> str:
        return "plenty"


@ap.tool("outer")
async def outer() -> str:
    return await inner()


@ap.tool("inner")
async def inner() -> str:
    return "in"


@ap.tool("with id", call_id_from="call_id")
def with_id(city: str, call_id: str) -> str:
    return f"{city} {call_id}"


@ap.step("tried")
@ap.tool("again")
def again() -> str:
    return "again"


def tried_twice(func: Callable[[], str]) -> Callable[[], str]:
    @functools.wraps(func)
    def call() -> str:
        func()
        return func()

    return call


@pytest.mark.parametrize(
    ("func", "arguments", "result", "names"),
    [
        (Shop().price, "{}", "cheap", {"execute_tool price": "call_0"}),
        (Shop(), "{}", "plenty", {"execute_tool stock": "call_0"}),
        (functools.partial(Shop().price), "{}", "cheap", {"execute_tool price": "call_0"}),
        (outer, "{}", "in", {"execute_tool inner": None, "execute_tool outer": "call_0"}),
        (with_id, '{"city": "Oslo"}', "Oslo call_0", {"execute_tool with id": "call_0"}),
        (again, "{}", "again", {"execute_tool again": "call_0", "tried": None}),
        (tried_twice(again), "{}", "again", {"execute_tool again": "call_0", "tried": None}),
    ],
    ids=["method", "object", "partial", "nested", "id as argument", "marked twice", "called twice"],
)
async def test_a_marked_tool_has_one_span_with_the_id_of_the_call(
    func: Any, arguments: str, result: str, names: dict[str, str | None], recorder: Recorder
) -> None:
    (told,) = await ap.arun_tool_calls(chat(("it", arguments)), {"it": func})

    assert told["content"] == result
    assert {span.name: attributes_of(span).get("gen_ai.tool.call.id") for span in recorder.spans} == names


async def test_a_marked_tool_run_by_hand_has_no_id_of_another_call(recorder: Recorder) -> None:
    await ap.arun_tool_calls(chat(("outer", "{}")), {"outer": outer})
    recorder.exporter.clear()

    await outer()

    assert [attributes_of(span).get("gen_ai.tool.call.id") for span in recorder.spans] == [None, None]


def broken(**_arguments: Any) -> str:
    raise ValueError(CANARY)


def hidden() -> Any:
    return abroken()


async def abroken(**_arguments: Any) -> str:
    raise ValueError(CANARY)


@pytest.mark.parametrize(
    ("name", "arguments", "message", "error_type"),
    [
        ("broken", "{}", f"ValueError: {CANARY}", "ValueError"),
        ("abroken", "{}", f"ValueError: {CANARY}", "ValueError"),
        ("lazy", "{}", f"ValueError: {CANARY}", "ValueError"),
        ("strict", '{"x": 1}', "unexpected keyword argument 'x'", "TypeError"),
        ("broken", "{nonsense", "the arguments are no JSON", "ToolArgumentsError"),
        ("broken", "[1]", "no JSON object but a list", "ToolArgumentsError"),
        ("absent", "{}", "there is no tool 'absent'; known tools: broken, abroken, lazy", "UnknownToolError"),
    ],
)
@pytest.mark.parametrize("shows_content", [False, True])
async def test_what_goes_wrong_is_told_to_the_model(
    name: str,
    arguments: str,
    message: str,
    error_type: str,
    shows_content: bool,  # noqa: FBT001 - a parameter
    recorder: Recorder,
) -> None:
    own_spans.use(recorder.provider, capture_content=shows_content)
    registry: Registry = {"broken": broken, "abroken": abroken, "lazy": hidden, "strict": outer_strict}

    (result,) = await ap.arun_tool_calls(chat((name, arguments)), registry)

    assert result["content"].startswith("Error: ")
    assert message in result["content"]
    (span,) = recorder.spans
    assert span.name == f"execute_tool {name}"
    assert span.status.status_code.name == "ERROR"
    assert str(attributes_of(span)["error.type"]).endswith(error_type)
    assert (CANARY in span.to_json()) is (shows_content and CANARY in message)


async def outer_strict() -> str:
    return "never called"


async def test_messages_are_told_which_results_are_errors() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "broken", "input": {}}

    (message,) = await ap.arun_tool_calls({"content": [block]}, {"broken": broken})

    assert message["content"][0]["is_error"] is True


async def test_one_broken_tool_does_not_stop_the_others() -> None:
    results = await ap.arun_tool_calls(
        chat(("broken", "{}"), ("weather", "{}")), {"broken": broken, "weather": weather}
    )

    assert [result["content"][:6] for result in results] == ["Error:", "sunny:"]


async def test_what_is_no_exception_and_what_is_ours_is_raised() -> None:
    def spend() -> None:
        raise ap.AgentProfError("the budget is spent")

    def stop() -> None:
        raise SystemExit(3)

    with pytest.raises(ap.AgentProfError, match="the budget is spent"):
        await ap.arun_tool_calls(chat(("spend", "{}")), {"spend": spend})
    with pytest.raises(SystemExit):
        ap.run_tool_calls(chat(("stop", "{}")), {"stop": stop})


class Unwritable:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("text", "text"),
        (None, "null"),
        ({"hits": [1, "ä"]}, '{"hits": [1, "ä"]}'),
        (
            openai.types.CompletionUsage(completion_tokens=1, prompt_tokens=2, total_tokens=3),
            json.dumps(
                {
                    "completion_tokens": 1,
                    "prompt_tokens": 2,
                    "total_tokens": 3,
                    "completion_tokens_details": None,
                    "prompt_tokens_details": None,
                }
            ),
        ),
        ([{"type": "text", "text": "a block"}], [{"type": "text", "text": "a block"}]),
        ([{"type": "house"}], '[{"type": "house"}]'),
        ([], "[]"),
        (Unwritable(), "<a Unwritable that cannot be written as JSON>"),
    ],
    ids=["text", "nothing", "json", "model", "blocks", "records", "empty", "unwritable"],
)
async def test_results_are_text_blocks_or_json(result: Any, content: Any) -> None:
    (told,) = await ap.arun_tool_calls(chat(("it", "{}")), {"it": lambda: result})

    assert told["content"] == content


async def test_content_goes_on_spans_only_if_asked(recorder: Recorder) -> None:
    answer = chat(("weather", json.dumps({"city": CANARY})), ("later", "{}"))

    async def later() -> str:
        return CANARY

    registry: Registry = {"weather": weather, "later": later}
    await ap.arun_tool_calls(answer, registry)
    assert all(CANARY not in span.to_json() for span in recorder.spans)
    recorder.exporter.clear()

    own_spans.use(recorder.provider, capture_content=True)
    await ap.arun_tool_calls(answer, registry)

    facts = attributes_of(recorder.one("execute_tool weather"))
    assert facts["gen_ai.tool.call.arguments"] == json.dumps({"city": CANARY})
    assert CANARY in facts["gen_ai.tool.call.result"]
    assert CANARY in attributes_of(recorder.one("execute_tool later"))["gen_ai.tool.call.result"]


async def test_an_executor_of_your_own_decides_how_they_run() -> None:
    tries = iter([TimeoutError(), None])

    def flaky() -> str:
        if (error := next(tries)) is not None:
            raise error
        return "well"

    executor = ap.ParallelExecutor(retry=ap.Retry(base_s=0))
    (result,) = await ap.arun_tool_calls(chat(("flaky", "{}")), {"flaky": flaky}, executor=executor)

    assert result["content"] == "well"


async def test_objects_of_other_clients_are_read_by_their_shape() -> None:
    call = SimpleNamespace(id="a", function=SimpleNamespace(name="weather", arguments={"city": "Oslo"}))
    answer = SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(tool_calls=[call]))])

    (result,) = await ap.arun_tool_calls(answer, {"weather": weather})

    assert result == {"role": "tool", "tool_call_id": "a", "content": 'sunny: {"city": "Oslo"}'}


@pytest.mark.parametrize("given", ["[" * 200_000, '{"city": ' * 200_000])
def test_arguments_that_are_nested_too_deeply_are_told_to_the_model(given: str) -> None:
    answer = chat(("weather", given), ("weather", '{"city": "Paris"}'))

    bad, good = ap.run_tool_calls(answer, {"weather": weather})

    assert bad["content"].endswith("ToolArgumentsError: the arguments are nested too deeply")
    assert good["content"] == weather(city="Paris")


def test_names_that_are_no_text_are_told_to_the_model() -> None:
    answer = {"content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {1: "Paris"}}]}

    (message,) = ap.run_tool_calls(answer, {"weather": weather})

    (block,) = message["content"]
    assert block["is_error"]
    assert block["content"].endswith("the arguments have a name that is no text: 1")
