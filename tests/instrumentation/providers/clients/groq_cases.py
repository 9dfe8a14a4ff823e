"""Groq's client."""

from __future__ import annotations

import json
from typing import Any

import groq
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import longer

_MODEL = "openai/gpt-oss-120b"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_WHOLE = json.loads((WIRE / "groq_chat.json").read_bytes())
_TOOLS = json.loads((WIRE / "openai_chat_tool_calls.json").read_bytes())


def _connect(url: str, kind: str) -> Any:
    make = groq.AsyncGroq if kind == "async" else groq.Groq
    return make(api_key="none", base_url=url, max_retries=1)


def _create(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.chat.completions.create(model=_MODEL, messages=messages, **more)


CASES = (
    Case(
        name="groq-chat",
        library="groq",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_create,
        answer=Answer("groq_chat.json"),
        stream=lambda client: _create(client, stream=True),
        stream_answer=Answer("groq_chat_stream.sse"),
        facts={
            "gen_ai.provider.name": "groq",
            "gen_ai.request.model": _MODEL,
            "gen_ai.response.model": _MODEL,
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 85,
            "gen_ai.usage.cache_read.input_tokens": 1024,
            "gen_ai.usage.reasoning.output_tokens": 64,
            "agentprof.server.queue_time": 0.012,
            "agentprof.server.prompt_time": 0.04,
            "agentprof.server.completion_time": 0.2,
            "server.address": "127.0.0.1",
        },
        error=Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"}),
        error_facts={"http.response.status_code": 429, "error.type": "rate_limit_exceeded"},
        broken_stream=Answer("openai_chat_stream_error_midway.sse"),
        long_stream=lambda count: longer("groq_chat_stream.sse", count),
        bad_call=lambda client: _create(client, no_such_argument=1),
        tools_call=lambda client: _create(client, _RESULTS),
        tools_answer=Answer(json.dumps({**_WHOLE, "choices": _TOOLS["choices"]}).encode()),
        tools_facts={
            "agentprof.tool_call.ids": ("call_aa11", "call_bb22"),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
        helpers={
            "raw": lambda client: client.chat.completions.with_raw_response.create(
                model=_MODEL, messages=_MESSAGES
            ),
        },
    ),
    Case(
        name="groq-embeddings",
        library="groq",
        operation="embeddings",
        span_name="embeddings nomic-embed-text-v1_5",
        connect=_connect,
        call=lambda client: client.embeddings.create(model="nomic-embed-text-v1_5", input=CANARY),
        answer=Answer("openai_embeddings.json"),
        facts={"gen_ai.provider.name": "groq", "gen_ai.usage.input_tokens": 12},
        has_cost=False,
        has_content=False,
        error=Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"}),
        error_facts={"http.response.status_code": 429, "error.type": "rate_limit_exceeded"},
        bad_call=lambda client: client.embeddings.create(no_such_argument=1),
    ),
)
