"""Which calls an answer asked for and whose results a request brought, wherever tracers write it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_agentprof.model import Span, dialects
from otel_agentprof.model.span import Event


def span(attributes: dict[str, Any]) -> Span:
    return Span("1", "a", None, "chat", 0, 1, attributes=attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        {"agentprof.tool_call.ids": ("c1", "c2")},
        {
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "text", "content": "Well"},
                            {"type": "tool_call", "id": "c1", "name": "a", "arguments": {"id": "no"}},
                            {"type": "tool_call", "id": "c2", "name": "b"},
                        ],
                    }
                ]
            )
        },
        {
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
            "llm.output_messages.0.message.tool_calls.1.tool_call.id": "c2",
            "llm.input_messages.0.message.tool_calls.0.tool_call.id": "old",
        },
        {"gen_ai.completion.0.tool_calls.0.id": "c1", "gen_ai.completion.0.tool_calls.1.id": "c2"},
        {
            "ai.response.toolCalls": json.dumps(
                [{"toolCallId": "c1", "toolName": "a"}, {"toolCallId": "c2", "toolName": "b"}]
            )
        },
        {
            "langfuse.observation.output": json.dumps(
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "function": {}}, {"id": "c2", "function": {}}],
                }
            )
        },
        {
            "output.value": json.dumps(
                {"content": [{"type": "tool_use", "id": "c1"}, {"type": "tool_use", "id": "c2"}]}
            )
        },
        {"gen_ai.output.messages": [{"toolUse": {"toolUseId": "c1"}}, {"toolUse": {"toolUseId": "c2"}}]},
    ],
    ids=["ours", "otel", "openinference", "openllmetry", "vercel", "langfuse", "anthropic", "bedrock"],
)
def test_an_answer_names_the_tool_calls_that_it_asks_for(attributes: dict[str, Any]) -> None:
    assert dialects.tool_call_ids_of(span(attributes)) == ("c1", "c2")


OLD = {"role": "tool", "tool_call_id": "c0"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"agentprof.tool_result.ids": ("c1", "c2")},
        {
            "gen_ai.input.messages": json.dumps(
                [
                    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0"}]},
                    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1"}]},
                    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1"}]},
                    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c2"}]},
                ]
            )
        },
        {
            "llm.input_messages.1.message.tool_call_id": "c0",
            "llm.input_messages.2.message.role": "assistant",
            "llm.input_messages.3.message.role": "tool",
            "llm.input_messages.10.message.tool_call_id": "c2",
            "llm.input_messages.3.message.tool_call_id": "c1",
        },
        {"gen_ai.prompt.0.tool_call_id": "c1", "gen_ai.prompt.1.tool_call_id": "c2"},
        {
            "ai.prompt.messages": json.dumps(
                [
                    {"role": "tool", "content": [{"type": "tool-result", "toolCallId": id_}]}
                    for id_ in ("c1", "c2")
                ]
            )
        },
        {
            "langfuse.observation.input": json.dumps(
                {
                    "messages": [
                        OLD,
                        {"role": "assistant"},
                        OLD | {"tool_call_id": "c1"},
                        OLD | {"tool_call_id": "c2"},
                    ]
                }
            )
        },
        {
            "input.value": json.dumps(
                [
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_}]}
                    for id_ in ("c1", "c2")
                ]
            )
        },
        {"gen_ai.input.messages": [{"toolResult": {"toolUseId": "c1"}}, {"toolResult": {"toolUseId": "c2"}}]},
    ],
    ids=[
        "ours",
        "otel",
        "openinference",
        "openllmetry",
        "vercel",
        "langfuse",
        "anthropic",
        "bedrock",
    ],
)
def test_a_request_names_the_results_that_it_brings_since_the_model_last_spoke(
    attributes: dict[str, Any],
) -> None:
    assert dialects.tool_result_ids_of(span(attributes)) == ("c1", "c2")


def test_what_is_inside_a_result_is_no_result_of_its_own() -> None:
    inner = {"type": "tool_result", "tool_use_id": "c2"}
    outer = {"type": "function_call_output", "call_id": "c1", "output": [inner]}

    assert dialects.tool_result_ids_of(span({"input.value": json.dumps([outer])})) == ("c1",)


@pytest.mark.parametrize(
    "value", [7, "no list", '{"toolUse": 3}', {"toolResult": []}, [[["deep"]]], {"role": "tool"}]
)
def test_messages_without_tools_name_none(value: Any) -> None:
    attributes = {"gen_ai.input.messages": value, "gen_ai.output.messages": value}

    assert dialects.tool_call_ids_of(span(attributes)) == ()
    assert dialects.tool_result_ids_of(span(attributes)) == ()


def test_a_document_that_never_ends_is_given_up() -> None:
    endless: list[Any] = [[] for _ in range(30_000)] + [{"type": "tool_use", "id": "c1"}]

    assert dialects.tool_call_ids_of(span({"output.value": endless})) == ()


def _event(name: str, **attributes: Any) -> Event:
    return Event(name, 0, {key.replace("__", "."): value for key, value in attributes.items()})


CALLS = json.dumps([{"toolUse": {"toolUseId": "c1"}}, {"toolUse": {"toolUseId": "c2"}}])
RESULTS = json.dumps([{"toolResult": {"toolUseId": "c1"}}, {"toolResult": {"toolUseId": "c2"}}])
STRANDS = (
    _event("gen_ai.user.message", content='[{"text": "How is Paris?"}]'),
    _event("gen_ai.assistant.message", content=CALLS.replace("c", "old")),
    _event("gen_ai.tool.message", content=RESULTS.replace("c", "old")),
    _event("gen_ai.assistant.message", content=CALLS),
    _event("gen_ai.tool.message", content=RESULTS),
    _event("gen_ai.choice", message=CALLS.replace("c", "new"), finish_reason="tool_use"),
)
ONE_EVENT = (
    _event(
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=json.dumps(
            [{"role": "tool", "parts": [{"type": "tool_call_response", "id": id_} for id_ in ("c1", "c2")]}]
        ),
        gen_ai__output__messages=json.dumps(
            [{"role": "assistant", "parts": [{"type": "tool_call", "id": id_} for id_ in ("new1", "new2")]}]
        ),
    ),
)
PLAIN = (
    _event("gen_ai.assistant.message", tool_calls='[{"id": "c1", "type": "function", "function": {}}]'),
    _event("gen_ai.tool.message", id="c1", content="mild"),
    _event("gen_ai.tool.message", id="c2", content="warm"),
    _event("gen_ai.choice", tool_calls='[{"id": "new1", "function": {}}, {"id": "new2", "function": {}}]'),
)


@pytest.mark.parametrize("events", [STRANDS, ONE_EVENT, PLAIN], ids=["Strands", "one event", "plain"])
def test_events_tell_what_was_asked_for_and_brought(events: tuple[Event, ...]) -> None:
    told = Span("1", "a", None, "chat", 0, 1, events=events)

    assert dialects.tool_call_ids_of(told) == ("new1", "new2")
    assert dialects.tool_result_ids_of(told) == ("c1", "c2")
