"""Cohere's client: its second API and its first one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import cohere
import pytest
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import longer

_MODEL = "command-a-03-2025"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_EVENTS = "text/event-stream"


@dataclass(frozen=True)
class _Open:
    """A client, and how to close it: it has no method for that."""

    client: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def close(self) -> Any:
        leave = getattr(self.client, "__aexit__", None) or self.client.__exit__
        return leave(None, None, None)


def _connect(url: str, kind: str) -> Any:
    make: Any = cohere.AsyncClientV2 if kind == "async" else cohere.ClientV2
    return _Open(make(api_key="none", base_url=url, max_retries=1))


def _connect_first(url: str, kind: str) -> Any:
    make: Any = cohere.AsyncClient if kind == "async" else cohere.Client
    return _Open(make(api_key="none", base_url=url, max_retries=1))


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.chat(model=_MODEL, messages=messages, **more)


def _rank(client: Any, **more: Any) -> Any:
    return client.rerank(model="rerank-v3.5", query=CANARY, documents=["Rome", "Paris"], **more)


async def _raw_stream(response: Any) -> None:
    if hasattr(response.gen, "__anext__"):
        async with response as answer:
            async for _ in answer.data:
                pass
    else:
        with response as answer:
            for _ in answer.data:
                pass


def _chunked(events: bytes) -> Answer:
    """Return a stream that breaks off after some events, in the middle of the transfer."""
    body = b"%x\r\n%s\r\nno length\r\n" % (len(events), events)
    return Answer(body, content_type=_EVENTS, headers={"transfer-encoding": "chunked"})


_STREAM = (WIRE / "cohere_v2_chat_stream.sse").read_bytes()
_META = json.loads((WIRE / "cohere_v2_chat.json").read_bytes())["usage"]
_FIRST = {
    "response_id": "r-1",
    "generation_id": "g-1",
    "text": "Paris.",
    "finish_reason": "COMPLETE",
    "meta": _META,
}
_FIRST_EVENTS: list[dict[str, Any]] = [
    {"event_type": "stream-start", "generation_id": "g-1"},
    {"event_type": "text-generation", "text": "Paris."},
    {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": _FIRST},
]
_FLOATS = {
    "response_type": "embeddings_floats",
    "id": "e-001",
    "texts": ["hello"],
    "embeddings": [[0.1, 0.2]],
    "meta": {"billed_units": {"input_tokens": 2}},
}


def _lines(*events: dict[str, Any]) -> Answer:
    return Answer(b"".join(json.dumps(event).encode() + b"\n" for event in events))


_FACTS: dict[str, Any] = {
    "gen_ai.provider.name": "cohere",
    "gen_ai.request.model": _MODEL,
    "gen_ai.response.id": "c-001",
    "gen_ai.response.finish_reasons": ("COMPLETE",),
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    # By hand: 20 and 12 tokens are billed, at 2.5 and 10 dollars per million.
    "agentprof.cost.total": pytest.approx((20 * 2.5 + 12 * 10) / 1e6),
    "server.address": "127.0.0.1",
}
_REFUSED: dict[str, Any] = {
    "error": Answer("cohere_error_429.json", 429, headers={"retry-after-ms": "1"}),
    "error_facts": {
        "http.response.status_code": 429,
        "error.type": "cohere.errors.too_many_requests_error.TooManyRequestsError",
    },
}

CASES = (
    Case(
        name="cohere-chat",
        library="cohere",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=Answer("cohere_v2_chat.json"),
        stream=lambda client: client.chat_stream(model=_MODEL, messages=_MESSAGES),
        stream_answer=Answer("cohere_v2_chat_stream.sse"),
        facts=_FACTS,
        stream_facts={
            **_FACTS,
            "gen_ai.response.id": "c-003",
            "gen_ai.response.finish_reasons": ("TOOL_CALL",),
            "agentprof.tool_call.ids": ("get_weather_aa11",),
        },
        is_lazy=True,
        **_REFUSED,
        broken_stream=_chunked(_STREAM.partition(b"event: content-end")[0]),
        long_stream=lambda count: longer("cohere_v2_chat_stream.sse", count, place=2),
        bad_call=lambda client: _chat(client, no_such_argument=1),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=Answer("cohere_v2_chat_tool_calls.json"),
        tools_facts={
            "agentprof.tool_call.ids": ("get_weather_aa11",),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
        helpers={
            "raw_chat": lambda client: client.with_raw_response.chat(model=_MODEL, messages=_MESSAGES),
            "v2": lambda client: client.v2.chat(model=_MODEL, messages=_MESSAGES),
        },
        stream_helpers={
            "raw": lambda client: _raw_stream(
                client.with_raw_response.chat_stream(model=_MODEL, messages=_MESSAGES)
            ),
        },
    ),
    Case(
        name="cohere-embed",
        library="cohere",
        operation="embeddings",
        span_name="embeddings embed-v4.0",
        connect=_connect,
        call=lambda client: client.embed(
            model="embed-v4.0", texts=[CANARY], input_type="search_query", embedding_types=["float"]
        ),
        answer=Answer("cohere_v2_embed.json"),
        facts={
            "gen_ai.provider.name": "cohere",
            "gen_ai.response.id": "e-001",
            "gen_ai.request.encoding_formats": ("float",),
            "gen_ai.usage.input_tokens": 2,
            "agentprof.cost.total": pytest.approx(2 * 0.12 / 1e6),
        },
        **_REFUSED,
        bad_call=lambda client: client.embed(no_such_argument=1),
        has_content=False,
    ),
    Case(
        name="cohere-rerank",
        library="cohere",
        operation="rerank",
        span_name="rerank rerank-v3.5",
        connect=_connect,
        call=_rank,
        answer=Answer("cohere_v2_rerank.json"),
        facts={"gen_ai.provider.name": "cohere", "gen_ai.response.id": "r-001"},
        has_cost=False,
        has_content=False,
        **_REFUSED,
        bad_call=lambda client: _rank(client, no_such_argument=1),
        helpers={
            "raw": lambda client: client.with_raw_response.rerank(
                model="rerank-v3.5", query=CANARY, documents=["Rome", "Paris"]
            )
        },
    ),
    Case(
        name="cohere-v1-chat",
        library="cohere",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect_first,
        call=lambda client: client.chat(model=_MODEL, message=CANARY),
        answer=Answer(json.dumps(_FIRST).encode()),
        stream=lambda client: client.chat_stream(model=_MODEL, message=CANARY),
        stream_answer=_lines(*_FIRST_EVENTS),
        facts={**_FACTS, "gen_ai.response.id": "r-1"},
        is_lazy=True,
        **_REFUSED,
        broken_stream=_chunked(json.dumps(_FIRST_EVENTS[0]).encode() + b"\n"),
        bad_call=lambda client: client.chat(message=CANARY, no_such_argument=1),
        helpers={"raw_chat": lambda client: client.with_raw_response.chat(model=_MODEL, message=CANARY)},
        stream_helpers={
            "raw": lambda client: _raw_stream(
                client.with_raw_response.chat_stream(model=_MODEL, message=CANARY)
            ),
        },
    ),
    Case(
        name="cohere-v1-embed",
        library="cohere",
        operation="embeddings",
        span_name="embeddings embed-v4.0",
        connect=_connect_first,
        call=lambda client: client.embed(model="embed-v4.0", texts=[CANARY]),
        answer=Answer(json.dumps(_FLOATS).encode()),
        facts={
            "gen_ai.provider.name": "cohere",
            "gen_ai.usage.input_tokens": 2,
            "agentprof.cost.total": pytest.approx(2 * 0.12 / 1e6),
        },
        **_REFUSED,
        bad_call=lambda client: client.embed(no_such_argument=1),
        has_content=False,
    ),
    Case(
        name="cohere-v1-rerank",
        library="cohere",
        operation="rerank",
        span_name="rerank rerank-v3.5",
        connect=_connect_first,
        call=_rank,
        answer=Answer("cohere_v2_rerank.json"),
        facts={"gen_ai.provider.name": "cohere", "gen_ai.response.id": "r-001"},
        has_cost=False,
        has_content=False,
        **_REFUSED,
        bad_call=lambda client: _rank(client, no_such_argument=1),
    ),
)
