"""LiteLLM, which may hold openai back: these run in an environment of its own (``.ci/run``)."""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import Any

from loopback import Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import events

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network for prices
litellm: Any = importlib.import_module("litellm")
litellm.suppress_debug_info = True

_MODEL = "gpt-5-mini"
_CLAUDE = "claude-sonnet-4-5"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_ASKING = {"stream": True, "stream_options": {"include_usage": True}}
_ERROR: dict[str, Any] = {
    "error": Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"}),
    "error_facts": {"http.response.status_code": 429, "error.type": "rate_limit_exceeded"},
}
_FACTS = {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": _MODEL,
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.reasoning.output_tokens": 64,
    "server.address": "127.0.0.1",
}


def _connect(url: str, kind: str) -> Any:
    return SimpleNamespace(
        prefix="a" if kind == "async" else "",
        url=url,
        settings={"api_base": f"{url}/v1", "api_key": "none", "max_retries": 1},
    )


def _call(client: Any, function: str, *args: Any, **more: Any) -> Any:
    return getattr(litellm, client.prefix + function)(*args, **{**client.settings, **more})


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return _call(client, "completion", f"openai/{_MODEL}", messages, **more)


def _long(count: int) -> Answer:
    """Return a stream of different texts: LiteLLM breaks off where a model repeats itself."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": _MODEL}
    texts = [{"index": 0, "delta": {"content": f"piece {number}"}} for number in range(count)]
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}  # a stream without is an error to LiteLLM
    return events(*({**chunk, "choices": [choice]} for choice in (*texts, last)))


def _claude(client: Any, **more: Any) -> Any:
    settings = {"api_base": client.url, "max_retries": 0, "max_tokens": 99}
    return _call(client, "completion", f"anthropic/{_CLAUDE}", _MESSAGES, **settings, **more)


def _respond(client: Any, asked: Any = CANARY, **more: Any) -> Any:
    model = f"openai/{_MODEL}"
    if isinstance(asked, list):  # LiteLLM 1.110 takes one that is given by position for the model's name
        return _call(client, "responses", input=asked, model=model, **more)
    return _call(client, "responses", asked, model, **more)


def _route(client: Any) -> Any:
    settings = {"model": f"openai/{_MODEL}", **client.settings}
    router = litellm.Router([{"model_name": "mine", "litellm_params": settings}])
    return getattr(router, f"{client.prefix}completion")("mine", _MESSAGES)


CASES = (
    Case(
        name="litellm-chat",
        library="litellm",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=Answer("openai_chat.json"),
        stream=lambda client: _chat(client, **_ASKING),
        stream_answer=Answer("openai_chat_stream.sse"),
        facts=_FACTS,
        **_ERROR,
        broken_stream=Answer("openai_chat_stream_error_midway.sse"),
        long_stream=_long,
        bad_call=lambda client: _call(client, "completion"),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=Answer("openai_chat_tool_calls.json"),
        tools_facts={
            "agentprof.tool_call.ids": ("call_aa11", "call_bb22"),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
        helpers={"router": _route},
    ),
    Case(
        name="litellm-claude",
        library="litellm",
        operation="chat",
        span_name=f"chat {_CLAUDE}",
        connect=_connect,
        call=_claude,
        answer=Answer("anthropic_message.json"),
        stream=lambda client: _claude(client, **_ASKING),
        stream_answer=Answer("anthropic_message_stream.sse"),
        facts={
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": _CLAUDE,
            "gen_ai.usage.input_tokens": 1712,
            "gen_ai.usage.output_tokens": 85,
            "gen_ai.usage.cache_read.input_tokens": 1024,
            "gen_ai.usage.cache_write.input_tokens": 512,
            "gen_ai.usage.reasoning.output_tokens": 40,
        },
        error=Answer("anthropic_error_429.json", 429),
        error_facts={"http.response.status_code": 429},
        retries=False,
        broken_stream=Answer("anthropic_stream_error_midway.sse"),
    ),
    Case(
        name="litellm-responses",
        library="litellm",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_respond,
        answer=Answer("openai_responses.json"),
        stream=lambda client: _respond(client, stream=True),
        stream_answer=Answer("openai_responses_stream.sse"),
        facts={**_FACTS, "gen_ai.usage.output_tokens": 150, "gen_ai.usage.reasoning.output_tokens": 100},
        error=_ERROR["error"],
        error_facts={"http.response.status_code": 429},
        retries=False,
        bad_call=lambda client: _call(client, "responses"),
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
        name="litellm-text",
        library="litellm",
        operation="text_completion",
        span_name="text_completion gpt-3.5-turbo-instruct",
        connect=_connect,
        call=lambda client: _call(
            client, "text_completion", CANARY, "text-completion-openai/gpt-3.5-turbo-instruct"
        ),
        answer=Answer("openai_completion.json"),
        facts={
            "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3,
        },
        error=_ERROR["error"],
        error_facts={"http.response.status_code": 429},
    ),
    Case(
        name="litellm-embeddings",
        library="litellm",
        operation="embeddings",
        span_name="embeddings text-embedding-3-small",
        connect=_connect,
        call=lambda client: _call(client, "embedding", "openai/text-embedding-3-small", [CANARY]),
        answer=Answer("openai_embeddings.json"),
        facts={"gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 12},
        error=_ERROR["error"],
        error_facts={"http.response.status_code": 429},
        bad_call=lambda client: _call(client, "embedding"),
        has_content=False,
    ),
)
