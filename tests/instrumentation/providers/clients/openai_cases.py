"""OpenAI's client; more about it in test_calls.py and test_openai.py."""

from __future__ import annotations

from typing import Any

import openai
from loopback import Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import longer

_MODEL = "gpt-5-mini"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_ERROR: dict[str, Any] = {
    "error": Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"}),
    "error_facts": {"http.response.status_code": 429, "error.type": "rate_limit_exceeded"},
}
_USAGE = {
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.reasoning.output_tokens": 64,
}


def _connect(url: str, kind: str) -> Any:
    make = openai.AsyncOpenAI if kind == "async" else openai.OpenAI
    return make(api_key="none", base_url=f"{url}/v1", max_retries=1)


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.chat.completions.create(model=_MODEL, messages=messages, **more)


def _respond(client: Any, asked: Any = CANARY, **more: Any) -> Any:
    return client.responses.create(model=_MODEL, input=asked, **more)


def _complete(client: Any, **more: Any) -> Any:
    return client.completions.create(model="gpt-3.5-turbo-instruct", prompt=CANARY, **more)


CASES = (
    Case(
        name="openai-chat",
        library="openai",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=Answer("openai_chat.json"),
        stream=lambda client: _chat(client, stream=True),
        stream_answer=Answer("openai_chat_stream.sse"),
        facts={"gen_ai.provider.name": "openai", "gen_ai.request.model": _MODEL, **_USAGE},
        **_ERROR,
        broken_stream=Answer("openai_chat_stream_error_midway.sse"),
        long_stream=lambda count: longer("openai_chat_stream.sse", count),
        bad_call=lambda client: _chat(client, no_such_argument=1),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=Answer("openai_chat_tool_calls.json"),
        tools_facts={
            "agentprof.tool_call.ids": ("call_aa11", "call_bb22"),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
    ),
    Case(
        name="openai-responses",
        library="openai",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_respond,
        answer=Answer("openai_responses.json"),
        stream=lambda client: _respond(client, stream=True),
        stream_answer=Answer("openai_responses_stream.sse"),
        facts={
            "gen_ai.provider.name": "openai",
            **_USAGE,
            "gen_ai.usage.output_tokens": 150,
            "gen_ai.usage.reasoning.output_tokens": 100,
        },
        **_ERROR,
        bad_call=lambda client: _respond(client, no_such_argument=1),
        tools_call=lambda client: _respond(
            client,
            [
                {"role": "user", "content": CANARY},
                {"type": "function_call_output", "call_id": TOOL_ID, "output": "18C"},
            ],
        ),
        tools_answer=Answer("openai_responses_tool_call.json"),
        tools_facts={"agentprof.tool_result.ids": (TOOL_ID,)},
    ),
    Case(
        name="openai-text",
        library="openai",
        operation="text_completion",
        span_name="text_completion gpt-3.5-turbo-instruct",
        connect=_connect,
        call=_complete,
        answer=Answer("openai_completion.json"),
        stream=lambda client: _complete(client, stream=True),
        stream_answer=Answer("openai_completion_stream.sse"),
        facts={"gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3},
        **_ERROR,
        broken_stream=Answer("openai_completion_stream_error_midway.sse"),
        bad_call=lambda client: _complete(client, no_such_argument=1),
    ),
    Case(
        name="openai-embeddings",
        library="openai",
        operation="embeddings",
        span_name="embeddings text-embedding-3-small",
        connect=_connect,
        call=lambda client: client.embeddings.create(model="text-embedding-3-small", input=CANARY),
        answer=Answer("openai_embeddings.json"),
        facts={"gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 12},
        **_ERROR,
        bad_call=lambda client: client.embeddings.create(no_such_argument=1),
        has_content=False,
    ),
)
