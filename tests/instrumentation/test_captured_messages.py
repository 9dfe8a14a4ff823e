"""Captured content: a streamed answer gives the messages of the same answer when it comes whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import cohere
import event_stream
import ollama
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from google import genai
from google.genai import types
from loopback import Answer
from mistralai.client import Mistral
from surfaces import SURFACES

import otel_agentprof
from otel_agentprof import pricing
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Spans
    from loopback import Loopback

CHAT, TEXT, RESPONSES, _, ANTHROPIC = SURFACES[:5]
TOOLS_ARGUMENTS = '{"city": "Paris"}'


@pytest.fixture
def captured(pipeline: Spans) -> Iterator[Spans]:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=True):
        assert pricing.wait(600)
        yield pipeline
        assert all(slot.engine is None or not slot.engine.failures for slot in REGISTRY.slots.values())
    otel_agentprof.uninstrument()


def whole(document: Any) -> Answer:
    return Answer(json.dumps(document).encode())


def events(*documents: Any, named: bool = False) -> Answer:
    lines = [
        (f"event: {each['type']}\n" if named else "") + f"data: {json.dumps(each)}\n\n" for each in documents
    ]
    return Answer("".join(lines).encode(), content_type="text/event-stream")


# --- Chat completions ---------------------------------------------------------------------------------------


def _completion(*messages: dict[str, Any]) -> Answer:
    choices = [
        {"index": index, "finish_reason": "stop", "message": {"role": "assistant", **message}}
        for index, message in enumerate(messages)
    ]
    return whole({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices})


def _chunks(*deltas: tuple[int, dict[str, Any]]) -> Answer:
    made = [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": index, "delta": delta, "finish_reason": None}],
        }
        for index, delta in deltas
    ]
    return events(*made)


def _call(call_id: str | None, name: str | None, arguments: str, index: int | None = None) -> dict[str, Any]:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"tool_calls": [call if index is None else {"index": index, **call}]}


CHATS = {
    "choices": (
        _completion({"content": "Hello"}, {"content": "Bonjour"}),
        _chunks(
            (0, {"content": "Hel"}), (1, {"content": "Bon"}), (0, {"content": "lo"}), (1, {"content": "jour"})
        ),
        [[{"type": "text", "content": "Hello"}], [{"type": "text", "content": "Bonjour"}]],
    ),
    "calls": (
        _completion(
            {"content": None, **_call("call_a", "f", '{"x":1}')},
            {"content": None, **_call("call_b", "g", '{"y":2}')},
        ),
        _chunks(
            (0, _call("call_a", "f", '{"x":', 0)),
            (1, _call("call_b", "g", '{"y":', 0)),
            (0, _call(None, None, "1}", 0)),
            (1, _call(None, None, "2}", 0)),
        ),
        [
            [{"type": "tool_call", "id": "call_a", "name": "f", "arguments": '{"x":1}'}],
            [{"type": "tool_call", "id": "call_b", "name": "g", "arguments": '{"y":2}'}],
        ],
    ),
    "refusal": (
        _completion({"content": None, "refusal": "I cannot"}),
        _chunks((0, {"content": "", "refusal": "I can"}), (0, {"refusal": "not"})),
        [[{"type": "refusal", "content": "I cannot"}]],
    ),
    "reasoning": (
        _completion({"content": "Paris", "reasoning_content": "Hm."}),
        _chunks((0, {"reasoning_content": "H"}), (0, {"reasoning_content": "m."}), (0, {"content": "Paris"})),
        [[{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Paris"}]],
    ),
    "audio": (
        _completion(
            {"content": None, "audio": {"id": "a", "data": "QUJD", "expires_at": 1, "transcript": "Hi"}}
        ),
        _chunks(
            (0, {"audio": {"id": "a", "transcript": "H"}}),
            (0, {"audio": {"data": "QUJD", "transcript": "i"}}),
        ),
        [[{"type": "audio", "transcript": "Hi"}]],
    ),
    "custom": (
        _completion(
            {
                "tool_calls": [
                    {"id": "call_c", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
                ]
            }
        ),
        _chunks(
            (0, {"tool_calls": [{"index": 0, "id": "call_c", "custom": {"name": "run", "input": "print("}}]}),
            (0, {"tool_calls": [{"index": 0, "custom": {"input": "1)"}}]}),
        ),
        [[{"type": "tool_call", "id": "call_c", "name": "run", "arguments": "print(1)"}]],
    ),
}

# --- Responses ----------------------------------------------------------------------------------------------

ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "Paris", "annotations": []},
            {"type": "refusal", "refusal": "I cannot"},
        ],
    },
    {"type": "custom_tool_call", "id": "u", "call_id": "call_c", "name": "run", "input": "print(1)"},
    {"type": "function_call", "id": "f", "call_id": "call_f", "name": "get", "arguments": TOOLS_ARGUMENTS},
]
ITEM_PARTS = [
    [{"type": "reasoning", "content": "Hm."}],
    [{"type": "text", "content": "Paris"}, {"type": "refusal", "content": "I cannot"}],
    [{"type": "tool_call", "id": "call_c", "name": "run", "arguments": "print(1)"}],
    [{"type": "tool_call", "id": "call_f", "name": "get", "arguments": TOOLS_ARGUMENTS}],
]


def _response(*items: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    fixed: dict[str, Any] = {"tools": [], "parallel_tool_calls": True, "tool_choice": "auto"}
    told = {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": status}
    return {**fixed, **told, "output": list(items)}


def _pieces(*, ends: bool, has_items: bool) -> Answer:
    """Return the events of a stream, with the items when they are done, and the last event, or without."""
    made: list[dict[str, Any]] = [{"type": "response.created", "response": _response(status="in_progress")}]
    for index, item in enumerate(ITEMS):
        at = {"output_index": index, "item_id": item["id"]}
        empty = {**item, "summary": [], "content": [], "input": "", "arguments": ""}
        made.append({"type": "response.output_item.added", "item": empty, **at})
        made += [{"type": f"response.{kind}.delta", **more, **at} for kind, more in _DELTAS[index]]
        if has_items:
            made.append({"type": "response.output_item.done", "item": item, **at})
    if ends:
        made.append({"type": "response.completed", "response": _response(*ITEMS)})
    return events(*[{"sequence_number": number, **each} for number, each in enumerate(made)])


_DELTAS: list[list[tuple[str, dict[str, Any]]]] = [
    [("reasoning_summary_text", {"summary_index": 0, "delta": "Hm."})],
    [
        ("output_text", {"content_index": 0, "delta": "Par", "logprobs": []}),
        ("output_text", {"content_index": 0, "delta": "is", "logprobs": []}),
        ("refusal", {"content_index": 1, "delta": "I cannot"}),
    ],
    [("custom_tool_call_input", {"delta": "print("}), ("custom_tool_call_input", {"delta": "1)"})],
    [("function_call_arguments", {"delta": TOOLS_ARGUMENTS})],
]

# --- Anthropic ----------------------------------------------------------------------------------------------

BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "text", "text": "I will search."},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {"type": "text", "text": "It is sunny."},
    {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}},
]
BLOCK_PARTS = [
    [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "I will search."},
        {
            "type": "server_tool_call",
            "id": "srvtoolu_1",
            "name": "web_search",
            "arguments": {"query": "weather"},
        },
        {"type": "server_tool_call_response", "id": "srvtoolu_1", "response": []},
        {"type": "text", "content": "It is sunny."},
        {"type": "tool_call", "id": "toolu_1", "name": "now", "arguments": {}},
    ]
]


def _message(*blocks: dict[str, Any]) -> dict[str, Any]:
    told = {"id": "msg", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
    usage = {"input_tokens": 5, "output_tokens": 5}
    return {**told, "content": list(blocks), "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


def _block_events() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {**_message(), "stop_reason": None}}
    for index, block in enumerate(BLOCKS):
        kind = block["type"]
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}.get(kind, {})
        start = {**block, **empty, **({"input": {}} if "input" in block else {})}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        if kind in ("text", "thinking"):
            for piece in (block[kind][:3], block[kind][3:]):
                if piece:
                    delta = {"type": f"{kind}_delta", kind: piece}
                    yield {"type": "content_block_delta", "index": index, "delta": delta}
        elif block.get("input"):
            for piece in ('{"query": "wea', 'ther"}'):
                delta = {"type": "input_json_delta", "partial_json": piece}
                yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


# --- Google, Bedrock, Ollama --------------------------------------------------------------------------------


def _candidates(*parts: tuple[int, list[dict[str, Any]]]) -> dict[str, Any]:
    made = [{"index": index, "content": {"role": "model", "parts": each}} for index, each in parts]
    return {"candidates": made, "modelVersion": "gemini-2.5-flash", "responseId": "r"}


ASKS_CITY = {"functionCall": {"id": "fc", "name": "get", "args": {"city": "Paris"}}}
GOOGLE = (
    whole(
        _candidates(
            (0, [{"text": "Hm.", "thought": True}, {"text": "Hello"}, ASKS_CITY]),
            (1, [{"text": "Bonjour"}]),
        )
    ),
    events(
        _candidates((0, [{"text": "H", "thought": True}]), (1, [{"text": "Bon"}])),
        _candidates((0, [{"text": "m.", "thought": True}])),
        _candidates((0, [{"text": "Hel"}])),
        _candidates((0, [{"text": "lo"}]), (1, [{"text": "jour"}])),
        _candidates((0, [ASKS_CITY, {"text": ""}])),
    ),
    [
        [
            {"type": "reasoning", "content": "Hm."},
            {"type": "text", "content": "Hello"},
            {"type": "tool_call", "id": "fc", "name": "get", "arguments": {"city": "Paris"}},
        ],
        [{"type": "text", "content": "Bonjour"}],
    ],
)
CONVERSE_BLOCKS: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
    {"text": "Hello"},
    {"toolUse": {"toolUseId": "tu", "name": "get", "input": {"city": "Paris"}}},
]
CONVERSE = (
    whole(
        {
            "output": {"message": {"role": "assistant", "content": CONVERSE_BLOCKS}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11},
            "metrics": {"latencyMs": 3},
        }
    ),
    event_stream.stream(
        [
            ("messageStart", {"role": "assistant"}),
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "H"}}}),
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m."}}}),
            (
                "contentBlockDelta",
                {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}},
            ),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Hello"}}),
            (
                "contentBlockStart",
                {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "tu", "name": "get"}}},
            ),
            ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city": '}}}),
            ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '"Paris"}'}}}),
            ("messageStop", {"stopReason": "tool_use"}),
        ]
    ),
    [
        [
            {"type": "reasoning", "content": "Hm."},
            {"type": "text", "content": "Hello"},
            {"type": "tool_call", "id": "tu", "name": "get", "arguments": {"city": "Paris"}},
        ]
    ],
)
OLLAMA_CALL = {"function": {"name": "get", "arguments": {"city": "Paris"}}}


def _turn(*, done: bool = False, **message: Any) -> dict[str, Any]:
    return {"model": "qwen3", "message": {"role": "assistant", "content": "", **message}, "done": done}


OLLAMA = (
    whole(_turn(thinking="Hm.", content="Hello", tool_calls=[OLLAMA_CALL], done=True)),
    Answer(
        b"\n".join(
            json.dumps(turn).encode()
            for turn in (
                _turn(thinking="Hm."),
                _turn(tool_calls=[OLLAMA_CALL]),
                _turn(content="Hel"),
                _turn(content="lo", done=True),
            )
        ),
        content_type="application/x-ndjson",
    ),
    [
        [
            {"type": "reasoning", "content": "Hm."},
            {"type": "text", "content": "Hello"},
            {"type": "tool_call", "id": None, "name": "get", "arguments": {"city": "Paris"}},
        ]
    ],
)

COHERE_CALL = {"id": "call_c", "type": "function", "function": {"name": "get", "arguments": TOOLS_ARGUMENTS}}
COHERE = (
    whole(
        {
            "id": "c",
            "finish_reason": "TOOL_CALL",
            "message": {
                "role": "assistant",
                "tool_plan": "Look it up.",
                "content": [{"type": "text", "text": "Hello"}],
                "tool_calls": [COHERE_CALL],
            },
        }
    ),
    events(
        {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Look "}}},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "it up."}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hel"}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "lo"}}}},
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": COHERE_CALL}}},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
    ),
    [
        [
            {"type": "reasoning", "content": "Look it up."},
            {"type": "text", "content": "Hello"},
            {"type": "tool_call", "id": "call_c", "name": "get", "arguments": TOOLS_ARGUMENTS},
        ]
    ],
)
ENTRY_CALL = {"tool_call_id": "call_m", "name": "get", "arguments": TOOLS_ARGUMENTS}
CONVERSATION = (
    whole(
        {
            "object": "conversation.response",
            "conversation_id": "conv",
            "outputs": [
                {"type": "message.output", "model": "m", "role": "assistant", "content": "Hello"},
                {"type": "function.call", **ENTRY_CALL},
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
        }
    ),
    events(
        {"type": "conversation.response.started", "conversation_id": "conv"},
        {"type": "message.output.delta", "id": "m", "model": "m", "output_index": 0, "content": "Hel"},
        {"type": "message.output.delta", "id": "m", "model": "m", "output_index": 0, "content": "lo"},
        {"type": "function.call.delta", "id": "f", "output_index": 1, **ENTRY_CALL},
        {
            "type": "conversation.response.done",
            "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
        },
        named=True,
    ),
    [
        [{"type": "text", "content": "Hello"}],
        [{"type": "tool_call", "id": "call_m", "name": "get", "arguments": TOOLS_ARGUMENTS}],
    ],
)


def _legacy(kind: str, *texts: tuple[int, str]) -> dict[str, Any]:
    choices = [
        {"index": index, "text": text, "finish_reason": None, "logprobs": None} for index, text in texts
    ]
    return {"id": "c", "object": kind, "created": 1, "model": "m", "choices": choices}


LEGACY = (
    whole(_legacy("text_completion", (0, "Hello"), (1, "Bonjour"))),
    events(*[_legacy("text_completion", each) for each in ((0, "Hel"), (1, "Bon"), (0, "lo"), (1, "jour"))]),
    [[{"type": "text", "content": "Hello"}], [{"type": "text", "content": "Bonjour"}]],
)
INVOKED = (
    whole(_message(*BLOCKS)),
    event_stream.stream([("chunk", {"bytes_json": each}) for each in _block_events()]),
    BLOCK_PARTS,
)

# --- The clients --------------------------------------------------------------------------------------------


def _openai_or_anthropic(surface: Any) -> Callable[[str, bool], None]:
    def ask(url: str, streams: bool) -> None:  # noqa: FBT001 - of each client alike
        with surface.make(url) as client:
            answer = surface.resource(client).create(**surface.arguments, stream=streams)
            if streams:
                list(answer)

    return ask


def _ask_google(url: str, streams: bool) -> None:  # noqa: FBT001 - likewise
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=url))
    if streams:
        list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi"))
    else:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    client.close()


def _bedrock(url: str) -> Any:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
    settings = Config(retries={"max_attempts": 1})
    return boto3.client("bedrock-runtime", endpoint_url=url, config=settings, **keys)


def _ask_bedrock(url: str, streams: bool) -> None:  # noqa: FBT001 - likewise
    client = _bedrock(url)
    asked = {"modelId": "anthropic.claude-haiku", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    if streams:
        list(client.converse_stream(**asked)["stream"])
    else:
        client.converse(**asked)
    client.close()


def _invoke_bedrock(url: str, streams: bool) -> None:  # noqa: FBT001 - likewise
    client = _bedrock(url)
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9})
    if streams:
        list(client.invoke_model_with_response_stream(modelId="anthropic.claude-haiku", body=body)["body"])
    else:
        client.invoke_model(modelId="anthropic.claude-haiku", body=body)["body"].read()
    client.close()


def _ask_cohere(url: str, streams: bool) -> None:  # noqa: FBT001 - likewise
    with cohere.ClientV2(api_key="none", base_url=url) as client:
        asked: Any = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "Hi"}]}
        if streams:
            list(client.chat_stream(**asked))
        else:
            client.chat(**asked)


def _ask_mistral(url: str, streams: bool) -> None:  # noqa: FBT001 - likewise
    with Mistral(api_key="none", server_url=url) as client:
        conversations: Any = client.beta.conversations
        if streams:
            list(conversations.start_stream(model="mistral-small-latest", inputs="Hi"))
        else:
            conversations.start(model="mistral-small-latest", inputs="Hi")


def _ask_ollama(url: str, streams: bool) -> None:  # noqa: FBT001 - likewise
    client: Any = ollama.Client(host=url)
    answer = client.chat("qwen3", [{"role": "user", "content": "Hi"}], stream=streams)
    if streams:
        list(answer)
    client._client.close()


_RESPONSE = whole(_response(*ITEMS))
SHAPES: dict[str, tuple[Callable[[str, bool], None], tuple[Answer, Answer, list[Any]]]] = {
    **{f"chat-{name}": (_openai_or_anthropic(CHAT), told) for name, told in CHATS.items()},
    "responses": (
        _openai_or_anthropic(RESPONSES),
        (_RESPONSE, _pieces(ends=True, has_items=True), ITEM_PARTS),
    ),
    "responses-cut": (
        _openai_or_anthropic(RESPONSES),
        (_RESPONSE, _pieces(ends=False, has_items=True), ITEM_PARTS),
    ),
    "responses-pieces": (
        _openai_or_anthropic(RESPONSES),
        (_RESPONSE, _pieces(ends=False, has_items=False), ITEM_PARTS),
    ),
    "messages": (
        _openai_or_anthropic(ANTHROPIC),
        (whole(_message(*BLOCKS)), events(*_block_events(), named=True), BLOCK_PARTS),
    ),
    "google": (_ask_google, GOOGLE),
    "completions": (_openai_or_anthropic(TEXT), LEGACY),
    "converse": (_ask_bedrock, CONVERSE),
    "invoked": (_invoke_bedrock, INVOKED),
    "cohere": (_ask_cohere, COHERE),
    "conversations": (_ask_mistral, CONVERSATION),
    "ollama": (_ask_ollama, OLLAMA),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_streamed_answer_and_a_whole_one_give_the_same_messages(
    shape: str, server: Loopback, captured: Spans
) -> None:
    ask, (answer, stream, parts) = SHAPES[shape]

    server.script = [answer]
    ask(server.url, False)  # noqa: FBT003 - of each client alike
    server.script = [stream]
    ask(server.url, True)  # noqa: FBT003 - likewise

    at_once, in_pieces = (
        json.loads(str((span.attributes or {})["gen_ai.output.messages"])) for span in captured.all()
    )
    assert at_once == [{"role": "assistant", "parts": each} for each in parts]
    assert in_pieces == at_once


def test_images_and_long_texts_do_not_swell_a_span(server: Loopback, captured: Spans) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 300_000}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "x" * 500_000}, image]}]

    with CHAT.make(server.url) as client:
        client.chat.completions.create(model="gpt-5-mini", messages=messages)

    told = str((captured.only().attributes or {})["gen_ai.input.messages"])
    assert len(told) < 70_000
    assert json.loads(told)[0]["parts"][1]["image_url"]["url"] == "[image/png, 225,000 bytes: left out]"


def test_large_arguments_and_results_of_tools_are_cut(captured: Spans) -> None:
    @otel_agentprof.tool("big")
    def big(text: str) -> str:
        return text

    assert len(big("x" * 5_000_000)) == 5_000_000

    facts = captured.facts()
    for name in ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"):
        assert "[cut: 5,000,000 characters in all]" in json.dumps(json.loads(facts[name]))
        assert len(facts[name]) < 66_000
