"""Together's client."""

from __future__ import annotations

import json
from typing import Any

import together
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import document, events

_MODEL = "openai/gpt-oss-120b"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_USAGE = {"prompt_tokens": 1200, "completion_tokens": 5, "total_tokens": 1205, "cached_tokens": 1024}
_FACTS = {
    "gen_ai.provider.name": "together_ai",
    "gen_ai.request.model": _MODEL,
    "gen_ai.response.model": _MODEL,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "server.address": "127.0.0.1",
}
_ERROR: dict[str, Any] = {
    "error": Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"}),
    "error_facts": {
        "http.response.status_code": 429,
        "error.type": "rate_limit_exceeded",
        "agentprof.retry.count": 1,
    },
}


def _connect(url: str, kind: str) -> Any:
    make = together.AsyncTogether if kind == "async" else together.Together
    return make(api_key="none", base_url=url, max_retries=1)


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.chat.completions.create(model=_MODEL, messages=messages, **more)


def _complete(client: Any, **more: Any) -> Any:
    return client.completions.create(model=_MODEL, prompt=CANARY, **more)


def _chunk(**more: Any) -> dict[str, Any]:
    return {"id": "tg-1", "object": "chat.completion.chunk", "created": 1, "model": _MODEL, **more}


def _piece(text: str, reason: str | None = None) -> dict[str, Any]:
    delta = {"role": "assistant", "content": text}
    return _chunk(choices=[{"index": 0, "delta": delta, "text": text, "finish_reason": reason}])


def _streamed(count: int = 2) -> Answer:
    return events(*[_piece("Par")] * count, _piece("is.", "stop"), _chunk(choices=[], usage=_USAGE))


CASES = (
    Case(
        name="together-chat",
        library="together",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=document("together_chat.json", model=_MODEL),
        stream=lambda client: _chat(client, stream=True),
        stream_answer=_streamed(),
        facts=_FACTS,
        **_ERROR,
        broken_stream=events(_piece("Par"), {"error": {"message": "no more", "code": "overloaded"}}, done=""),
        long_stream=_streamed,
        bad_call=lambda client: _chat(client, no_such_argument=1),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=document(
            "together_chat.json",
            choices=json.loads((WIRE / "openai_chat_tool_calls.json").read_bytes())["choices"],
        ),
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
        name="together-text",
        library="together",
        operation="text_completion",
        span_name=f"text_completion {_MODEL}",
        connect=_connect,
        call=_complete,
        answer=document("openai_completion.json", model=_MODEL, usage=_USAGE),
        stream=lambda client: _complete(client, stream=True),
        stream_answer=_streamed(),
        facts=_FACTS,
        **_ERROR,
        broken_stream=events(_piece("Par"), {"error": {"message": "no more", "code": "overloaded"}}, done=""),
        long_stream=_streamed,
        bad_call=lambda client: _complete(client, no_such_argument=1),
    ),
    Case(
        name="together-embeddings",
        library="together",
        operation="embeddings",
        span_name="embeddings intfloat/multilingual-e5-large-instruct",
        connect=_connect,
        call=lambda client: client.embeddings.create(
            model="intfloat/multilingual-e5-large-instruct", input=CANARY
        ),
        answer=document("openai_embeddings.json", model="intfloat/multilingual-e5-large-instruct"),
        facts={"gen_ai.provider.name": "together_ai", "gen_ai.usage.input_tokens": 12},
        **_ERROR,
        bad_call=lambda client: client.embeddings.create(no_such_argument=1),
        has_cost=False,
        has_content=False,
    ),
    Case(
        name="together-rerank",
        library="together",
        operation="rerank",
        span_name="rerank Salesforce/Llama-Rank-V1",
        connect=_connect,
        call=lambda client: client.rerank.create(
            model="Salesforce/Llama-Rank-V1", query=CANARY, documents=["Paris", "London"]
        ),
        answer=Answer(
            json.dumps(
                {
                    "id": "rr-1",
                    "object": "rerank",
                    "model": "Salesforce/Llama-Rank-V1",
                    "results": [{"index": 0, "relevance_score": 0.9, "document": {"text": "Paris"}}],
                    "usage": {"prompt_tokens": 40, "completion_tokens": 0, "total_tokens": 40},
                }
            ).encode()
        ),
        facts={
            "gen_ai.provider.name": "together_ai",
            "gen_ai.response.id": "rr-1",
            "gen_ai.usage.input_tokens": 40,
        },
        error=_ERROR["error"],
        error_facts={"http.response.status_code": 429, "error.type": "rate_limit_exceeded"},
        bad_call=lambda client: client.rerank.create(no_such_argument=1),
        has_cost=False,
    ),
)
