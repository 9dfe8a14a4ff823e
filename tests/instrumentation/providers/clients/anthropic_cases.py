"""Anthropic's client; more about it in test_calls.py and test_anthropic.py."""

from __future__ import annotations

from typing import Any

import anthropic
from loopback import Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.outcome import read
from providers.served import longer

_MODEL = "claude-haiku-4-5"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULT = {"type": "tool_result", "tool_use_id": TOOL_ID, "content": "18C"}
_RESULTS = [*_MESSAGES, {"role": "user", "content": [_RESULT]}]


def _connect(url: str, kind: str) -> Any:
    make: Any = anthropic.AsyncAnthropic if kind == "async" else anthropic.Anthropic
    # Its own spans off: a client that is built before instrument() is measured with and without us.
    own = {"open_telemetry": False} if "open_telemetry" in make.__init__.__annotations__ else {}
    return make(api_key="none", base_url=url, max_retries=1, **own)


def _create(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.messages.create(model=_MODEL, max_tokens=100, messages=messages, **more)


def _helped(client: Any) -> Any:
    helper = client.messages.stream(model=_MODEL, max_tokens=100, messages=_MESSAGES)
    return _read_async(helper) if isinstance(client, anthropic.AsyncAnthropic) else _read(helper)


def _read(helper: Any) -> None:
    with helper as stream:
        list(stream)


async def _read_async(helper: Any) -> None:
    async with helper as stream:
        await read(stream)


CASES = (
    Case(
        name="anthropic-messages",
        library="anthropic",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_create,
        answer=Answer("anthropic_message.json"),
        stream=lambda client: _create(client, stream=True),
        stream_answer=Answer("anthropic_message_stream.sse"),
        facts={
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.max_tokens": 100,
            "gen_ai.usage.input_tokens": 1712,
            "gen_ai.usage.output_tokens": 85,
            "gen_ai.usage.cache_read.input_tokens": 1024,
            "gen_ai.usage.cache_write.input_tokens": 512,
            "gen_ai.usage.reasoning.output_tokens": 40,
        },
        error=Answer("anthropic_error_429.json", 429, headers={"retry-after-ms": "1"}),
        error_facts={"http.response.status_code": 429, "error.type": "rate_limit_error"},
        broken_stream=Answer("anthropic_stream_error_midway.sse"),
        long_stream=lambda count: longer("anthropic_message_stream.sse", count, place=3),
        bad_call=lambda client: _create(client, no_such_argument=1),
        tools_call=lambda client: _create(client, _RESULTS),
        tools_answer=Answer("anthropic_message_tool_use.json"),
        tools_facts={
            "agentprof.tool_call.ids": ("toolu_aa11", "toolu_bb22"),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
        stream_helpers={"helper": _helped},
    ),
)
