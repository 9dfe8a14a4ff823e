"""No message content leaves the process unless it was asked for: canaries wherever content can be."""

from __future__ import annotations

import asyncio
import json
import traceback
from typing import TYPE_CHECKING, Any

import openai
import pydantic
import pytest
from loopback import Answer
from surfaces import SURFACES, Surface

import otel_agentprof
from otel_agentprof import pricing, semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Connect, Spans
    from loopback import Loopback
    from opentelemetry.sdk.trace import ReadableSpan

ASKED, SAID, TOOL, RESULT, SYSTEM = (
    f"canary-{word}" for word in ("asked", "said", "tool", "result", "system")
)
CHAT, TEXT, RESPONSES, EMBEDDINGS, ANTHROPIC = SURFACES[:5]
CHAT_MESSAGES = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": ASKED},
    {"role": "user", "content": [{"type": "text", "text": ASKED}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": TOOL}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": RESULT},
]
ANTHROPIC_MESSAGES = [
    {"role": "user", "content": ASKED},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": ASKED, "signature": "c2ln"},
            {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"query": TOOL}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": RESULT}]},
]
RESPONSE_INPUT = [
    {"role": "user", "content": ASKED},
    {"type": "function_call", "call_id": "call_1", "name": "search", "arguments": TOOL},
    {"type": "function_call_output", "call_id": "call_1", "output": RESULT},
]
SPEAKING: tuple[tuple[Surface, dict[str, Any]], ...] = (
    (CHAT, {"model": "gpt-5-mini", "messages": CHAT_MESSAGES}),
    (TEXT, {"model": "gpt-3.5-turbo-instruct", "prompt": ASKED}),
    (RESPONSES, {"model": "gpt-5-mini", "input": RESPONSE_INPUT, "instructions": SYSTEM}),
    (ANTHROPIC, {**ANTHROPIC.arguments, "messages": ANTHROPIC_MESSAGES, "system": SYSTEM}),
)
each = pytest.mark.parametrize(("surface", "arguments"), SPEAKING, ids=[s.name for s, _ in SPEAKING])


def answer_with_canary(surface: Surface, *, is_streamed: bool) -> Answer:
    ending = "_stream.sse" if is_streamed else ".json"
    names = {CHAT: "openai_chat", TEXT: "openai_completion", RESPONSES: "openai_responses"}
    data = Answer(names.get(surface, "anthropic_message") + ending).data
    said = data.replace(b"Paris is the capital of France.", SAID.encode()).replace(b"Paris.", SAID.encode())
    said = said.replace(b'"Par"', f'"{SAID}"'.encode())
    return Answer(said, content_type="text/event-stream" if is_streamed else "application/json")


def everything(spans: Spans) -> str:
    return "\n".join(span.to_json() for span in spans.all())


@each
@pytest.mark.parametrize("is_streamed", [False, True])
def test_no_content_is_on_a_span(
    surface: Surface,
    arguments: dict[str, Any],
    server: Loopback,
    spans: Spans,
    connect: Connect,
    *,
    is_streamed: bool,
) -> None:
    server.script.append(answer_with_canary(surface, is_streamed=is_streamed))

    answer = surface.resource(connect(surface)).create(**arguments, stream=is_streamed)
    text = "".join(map(str, answer)) if is_streamed else str(answer)

    assert SAID in text
    assert "canary" not in everything(spans)


def test_an_error_that_repeats_the_prompt_is_told_without_it(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    body = json.dumps({"error": {"message": f"cannot answer {ASKED}", "code": "bad_prompt", "type": "x"}})
    server.script.append(Answer(body.encode(), 400))

    with (
        pytest.raises(openai.BadRequestError, match=ASKED),
        otel_agentprof.agent("asker"),
    ):
        connect(CHAT).chat.completions.create(model="gpt-5-mini", messages=CHAT_MESSAGES)

    assert "canary" not in everything(spans)
    assert "bad_prompt" in everything(spans)


def refusal() -> Answer:
    body = {"error": {"message": f"cannot answer {ASKED}", "code": "bad_prompt", "type": "x"}}
    return Answer(json.dumps(body).encode(), 400)


class City(pydantic.BaseModel):
    rank: int


def chained(client: Any) -> None:
    try:
        client.chat.completions.create(**CHAT.arguments)
    except openai.OpenAIError as error:
        raise RuntimeError("model failed") from error


def handled(client: Any) -> None:
    try:
        client.chat.completions.create(**CHAT.arguments)
    except openai.OpenAIError:
        raise RuntimeError("model failed")  # noqa: B904 - the implicit context is what is tested


def parsed(client: Any) -> None:
    client.chat.completions.parse(**CHAT.arguments, response_format=City)


@pytest.mark.parametrize("fail", [chained, handled, parsed])
def test_no_span_around_a_failed_call_tells_what_its_error_says(
    fail: Callable[[Any], None], server: Loopback, spans: Spans, connect: Connect
) -> None:
    wrong = Answer(Answer("openai_chat.json").data.replace(b"Paris is", b'{\\"rank\\": \\"canary\\"} is'))
    server.script.append(wrong if fail is parsed else refusal())

    with pytest.raises(Exception) as raised, otel_agentprof.profile("task"), otel_agentprof.agent("asker"):  # noqa: PT011 - whatever it is
        fail(connect(CHAT))

    shown = "".join(traceback.format_exception(raised.value))
    assert "canary" in shown
    assert {span.status.status_code.name for span in called(spans)} == {"ERROR"}
    assert len(called(spans)) == 3
    assert "canary" not in everything(spans)


async def test_no_span_around_failed_tasks_tells_what_their_errors_say(
    server: Loopback, spans: Spans
) -> None:
    server.script += [refusal(), refusal()]

    with pytest.raises(ExceptionGroup) as raised, otel_agentprof.agent("asker"):  # noqa: PT012 - as it is written
        async with CHAT.make(server.url, is_async=True) as client, asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(client.chat.completions.create(**CHAT.arguments))

    assert ASKED in str(raised.value.exceptions)
    assert "BadRequestError" in everything(spans)
    assert "canary" not in everything(spans)


def called(spans: Spans) -> list[ReadableSpan]:
    return [span for span in spans.all() if span.name != semconv.ANALYSIS_SPAN_NAME]


@pytest.fixture
def open_spans(pipeline: Spans) -> Iterator[Spans]:
    """A process that captures content."""
    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=True):
        assert pricing.wait(600)
        yield pipeline


@each
@pytest.mark.parametrize("is_streamed", [False, True])
def test_content_is_on_the_span_when_asked_for(
    surface: Surface,
    arguments: dict[str, Any],
    server: Loopback,
    open_spans: Spans,
    connect: Connect,
    *,
    is_streamed: bool,
) -> None:
    server.script.append(answer_with_canary(surface, is_streamed=is_streamed))

    answer = surface.resource(connect(surface)).create(**arguments, stream=is_streamed)
    if is_streamed:
        list(answer)

    facts = open_spans.facts()
    asked, said = json.loads(facts["gen_ai.input.messages"]), json.loads(facts["gen_ai.output.messages"])
    assert ASKED in str(asked)
    assert SAID in str(said)
    assert {part["type"] for message in asked + said for part in message["parts"]} <= {
        "text",
        "reasoning",
        "tool_call",
        "tool_call_response",
    }
    if surface is not TEXT:
        assert TOOL in str(asked)
        assert RESULT in str(asked)
        assert SYSTEM in str(asked) + facts.get("gen_ai.system_instructions", "")


def test_streamed_tool_calls_are_put_together(server: Loopback, open_spans: Spans, connect: Connect) -> None:
    server.script += [Answer("openai_chat_stream_tool_calls.sse"), Answer("anthropic_message_stream.sse")]

    list(connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True, tools=[{"type": "function"}]))
    list(connect(ANTHROPIC).messages.create(**ANTHROPIC.arguments, stream=True))

    first, second = (
        json.loads(str(dict(s.attributes or {})["gen_ai.output.messages"])) for s in open_spans.all()
    )
    assert [part["arguments"] for part in first[0]["parts"]] == ['{"city":"Paris"}', '{"tz":"Europe/Paris"}']
    assert second[0]["parts"][1] == {
        "type": "tool_call",
        "id": "toolu_aa11",
        "name": "get_weather",
        "arguments": {"city": "Paris"},
    }
    assert "gen_ai.tool.definitions" in dict(open_spans.all()[0].attributes or {})


@pytest.mark.parametrize(
    ("mode", "is_captured"),
    [("SPAN_ONLY", True), ("span_and_event", True), ("EVENT_ONLY", False), ("NO_CONTENT", False)],
)
def test_the_otel_variable_decides_where_no_argument_does(
    mode: str,
    server: Loopback,
    pipeline: Spans,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_captured: bool,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", mode)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert ("gen_ai.input.messages" in pipeline.facts()) is is_captured


def test_an_argument_of_false_forbids_it(
    server: Loopback, pipeline: Spans, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=False):
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert "gen_ai.input.messages" not in pipeline.facts()
