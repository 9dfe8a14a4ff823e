"""What only OpenAI's client does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from genai_prices import Usage, calc_price
from loopback import Answer
from openai.resources import beta
from opentelemetry.trace import StatusCode
from pydantic import BaseModel
from surfaces import CHAT_USAGE, MESSAGES, SURFACES

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, TEXT, RESPONSES, EMBEDDINGS = SURFACES[:4]
AZURE = {"azure_endpoint": "http://127.0.0.1", "api_key": "none", "api_version": "2026-01-01"}


class City(BaseModel):
    """What a structured answer is parsed into."""

    name: str


def test_tool_calls_asked_for_and_fed_back_are_join_keys(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(Answer("openai_chat_tool_calls.json"))
    results = [
        *MESSAGES,
        {"role": "tool", "tool_call_id": "call_old", "content": "fed back a turn ago"},
        {"role": "assistant", "content": None},
        {"role": "tool", "tool_call_id": "call_aa11", "content": "18C"},
        {"role": "tool", "tool_call_id": "call_bb22", "content": "16:05"},
    ]

    connect(CHAT).chat.completions.create(model="gpt-5-mini", messages=results)

    facts = spans.facts()
    assert facts["agentprof.tool_call.ids"] == ("call_aa11", "call_bb22")
    assert facts["agentprof.tool_result.ids"] == ("call_aa11", "call_bb22")
    assert facts["gen_ai.response.finish_reasons"] == ("tool_calls",)


def test_tool_calls_of_a_stream_are_join_keys(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script.append(Answer("openai_chat_stream_tool_calls.sse"))

    list(connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True))

    assert spans.facts()["agentprof.tool_call.ids"] == ("call_aa11", "call_bb22")


def test_tool_calls_of_a_response_are_join_keys(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script.append(Answer("openai_responses_tool_call.json"))
    items = [
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": "call_aa11", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_aa11", "output": "18C"},
    ]

    connect(RESPONSES).responses.create(model="gpt-5-mini", input=items, reasoning={"effort": "low"})

    facts = spans.facts()
    assert facts["agentprof.tool_result.ids"] == ("call_aa11",)
    assert facts["agentprof.tool_call.ids"]
    assert facts["gen_ai.request.reasoning.level"] == "low"
    assert facts["gen_ai.response.finish_reasons"] == ("tool_call",)


@pytest.mark.skipif(not hasattr(beta.Beta, "responses"), reason="this openai has no beta of responses")
@pytest.mark.parametrize("streams", [False, True])
async def test_responses_of_the_beta_are_one_span_each(
    server: Loopback, spans: Spans, connect: Connect, *, streams: bool
) -> None:
    arguments: Any = {**RESPONSES.arguments, "stream": streams}

    answer = connect(RESPONSES).beta.responses.create(**arguments)
    async with RESPONSES.make(server.url, is_async=True) as client:
        later = await client.beta.responses.create(**arguments)
        if streams:
            assert list(answer)
            assert [event async for event in later]

    assert len(server.requests) == 2
    found = [dict(span.attributes or {}) for span in spans.all()]
    assert [facts["gen_ai.usage.output_tokens"] for facts in found] == [150, 150]
    assert [facts["agentprof.cost.total"] for facts in found] == [0.0003696] * 2


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_failed_response_is_an_error_though_nothing_raises(
    server: Loopback, spans: Spans, connect: Connect, *, is_streamed: bool
) -> None:
    server.script.append(
        Answer("openai_responses_stream_failed.sse" if is_streamed else "openai_responses_failed.json")
    )

    answer = connect(RESPONSES).responses.create(**RESPONSES.arguments, stream=is_streamed)
    if is_streamed:
        list(answer)

    assert spans.only().status.status_code is StatusCode.ERROR
    assert spans.facts()["error.type"] == "server_error"
    assert spans.facts()["gen_ai.response.finish_reasons"] == ("error",)


def test_an_incomplete_response_says_why(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script.append(Answer("openai_responses_incomplete.json"))

    connect(RESPONSES).responses.create(**RESPONSES.arguments)

    assert spans.facts()["gen_ai.response.finish_reasons"] == ("length",)
    assert spans.only().status.status_code is StatusCode.UNSET


def test_leaving_a_response_stream_after_its_last_event_is_no_loss(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    for event in connect(RESPONSES).responses.create(**RESPONSES.arguments, stream=True):
        if event.type == "response.completed":
            break

    assert "agentprof.stream.complete" not in spans.facts() if spans.all() else True


def test_a_stream_without_usage_has_no_token_attributes(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(Answer("openai_chat_stream_no_usage.sse"))

    list(connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True))

    assert not [name for name in spans.facts() if "usage" in name or "cost" in name]
    assert "stream_options" not in server.requests[0][1]


@pytest.mark.parametrize("is_left", [False, True])
def test_the_stream_helper_is_one_span(
    server: Loopback, spans: Spans, connect: Connect, *, is_left: bool
) -> None:
    with connect(CHAT).chat.completions.stream(**CHAT.arguments) as stream:
        for _ in stream:
            if is_left:
                break

    assert ("agentprof.stream.complete" in spans.facts()) is is_left


async def test_the_async_stream_helper_is_one_span(server: Loopback, spans: Spans) -> None:
    async with (
        CHAT.make(server.url, is_async=True) as client,
        client.chat.completions.stream(**CHAT.arguments) as stream,
    ):
        await stream.get_final_completion()

    assert spans.facts()["gen_ai.usage.input_tokens"] == 1200


def test_the_responses_helper_is_one_span(server: Loopback, spans: Spans, connect: Connect) -> None:
    with connect(RESPONSES).responses.stream(**RESPONSES.arguments) as stream:
        stream.get_final_response()

    assert spans.facts()["gen_ai.usage.output_tokens"] == 150


def test_parse_is_one_span(server: Loopback, spans: Spans, connect: Connect) -> None:
    message = {"role": "assistant", "content": '{"name": "Paris"}'}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
    server.script.append(Answer(json.dumps(body).encode()))

    parsed = connect(CHAT).chat.completions.parse(**CHAT.arguments, response_format=City)

    assert parsed.choices[0].message.parsed == City(name="Paris")
    assert spans.facts()["gen_ai.usage.input_tokens"] == 7


def test_request_parameters_are_on_the_span(server: Loopback, spans: Spans, connect: Connect) -> None:
    connect(CHAT).chat.completions.create(
        **CHAT.arguments,
        temperature=0.5,
        top_p=0.9,
        max_completion_tokens=50,
        seed=7,
        n=2,
        stop=["END"],
        frequency_penalty=0.1,
        presence_penalty=0.2,
        reasoning_effort="low",
        response_format={"type": "json_object"},
        service_tier="flex",
        user=openai.omit,
    )

    wanted = {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "openai.request.service_tier": "flex",
        "openai.response.service_tier": "default",
        "openai.api.type": "chat_completions",
    }
    assert wanted.items() <= spans.facts().items()


def test_azure_is_named_as_such_and_its_empty_first_chunk_is_no_answer(
    server: Loopback, spans: Spans
) -> None:
    server.script.append(Answer("azure_openai_chat_stream.sse"))
    options: dict[str, Any] = {**AZURE, "azure_endpoint": server.url}

    with openai.AzureOpenAI(**options) as client:
        list(client.chat.completions.create(**CHAT.arguments, stream=True))

    facts = spans.facts()
    assert facts["gen_ai.provider.name"] == "azure.ai.openai"
    assert facts["gen_ai.response.model"]
    assert facts["gen_ai.usage.input_tokens"] == CHAT_USAGE["gen_ai.usage.input_tokens"]


@pytest.mark.skipif(
    not hasattr(openai, "BedrockOpenAI"), reason=f"openai {openai.__version__} has no client for Bedrock"
)
@pytest.mark.parametrize("prefix", ["", "Async"])
async def test_bedrock_is_named_as_such(prefix: str, server: Loopback, spans: Spans) -> None:
    make = getattr(openai, f"{prefix}BedrockOpenAI")
    client = make(api_key="none", aws_region="us-west-2", base_url=f"{server.url}/v1")

    answer = client.responses.create(model="openai.gpt-oss-120b-1:0", input="?")
    if prefix:
        await answer
    await client.close() if prefix else client.close()

    facts = spans.facts()
    usage = Usage(
        input_tokens=facts["gen_ai.usage.input_tokens"], output_tokens=facts["gen_ai.usage.output_tokens"]
    )
    assert facts["gen_ai.provider.name"] == "aws.bedrock"
    expected = calc_price(usage, "openai.gpt-oss-120b-1:0", provider_id="aws").total_price
    assert facts["agentprof.cost.total"] == pytest.approx(float(expected))


def test_counts_that_are_no_counts_are_put_right(server: Loopback, spans: Spans, connect: Connect) -> None:
    body = b'{"id": "c", "object": "chat.completion", "created": 1, "model": "llama", "choices": [],'
    body += b'"usage": {"prompt_tokens": 12.0, "completion_tokens": null, "total_tokens": -3}}'
    server.script.append(Answer(body))

    connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert spans.facts()["gen_ai.usage.input_tokens"] == 12
    assert spans.facts()["gen_ai.usage.output_tokens"] == 0
