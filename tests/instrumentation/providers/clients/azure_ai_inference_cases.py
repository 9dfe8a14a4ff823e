"""Azure's client for any vendor's model."""

from __future__ import annotations

from typing import Any

import azure.ai.inference
import azure.ai.inference.aio
from azure.core.credentials import AzureKeyCredential
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import longer

_MODEL = "gpt-5-mini"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_STREAM = (WIRE / "azure_openai_chat_stream.sse").read_bytes()
_ERROR: dict[str, Any] = {
    "error": Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"}),
    "retries": False,  # it tries again after 500, 503 and 504 only, as these are POSTs
    "error_facts": {"http.response.status_code": 429, "error.type": "rate_limit_exceeded"},
}


def _connect(url: str, kind: str) -> Any:
    place: Any = azure.ai.inference.aio if kind == "async" else azure.ai.inference
    return place.ChatCompletionsClient(
        url, AzureKeyCredential("none"), model=_MODEL, retry_total=1, retry_backoff_factor=0
    )


def _connect_embeddings(url: str, kind: str) -> Any:
    place: Any = azure.ai.inference.aio if kind == "async" else azure.ai.inference
    return place.EmbeddingsClient(url, AzureKeyCredential("none"), retry_total=1, retry_backoff_factor=0)


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.complete(messages=messages, **more)


CASES = (
    Case(
        name="azure_ai_inference-chat",
        library="azure_ai_inference",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=Answer("openai_chat.json"),
        stream=lambda client: _chat(client, stream=True),
        stream_answer=Answer("azure_openai_chat_stream.sse"),
        facts={
            "gen_ai.provider.name": "azure.ai.inference",
            "gen_ai.request.model": _MODEL,
            "gen_ai.response.model": "gpt-5-mini-2026-01-15",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 85,
            "gen_ai.usage.cache_read.input_tokens": 1024,
            "gen_ai.usage.reasoning.output_tokens": 64,
            "server.address": "127.0.0.1",
        },
        **_ERROR,
        broken_stream=Answer(_STREAM[:900] + b"\nevent: error\n\n", content_type="text/event-stream"),
        long_stream=lambda count: longer("azure_openai_chat_stream.sse", count, place=2),
        bad_call=lambda client: client.complete(),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=Answer("openai_chat_tool_calls.json"),
        tools_facts={
            "agentprof.tool_call.ids": ("call_aa11", "call_bb22"),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
        helpers={"body": lambda client: client.complete({"messages": _MESSAGES})},
    ),
    Case(
        name="azure_ai_inference-embeddings",
        library="azure_ai_inference",
        operation="embeddings",
        span_name="embeddings text-embedding-3-small",
        connect=_connect_embeddings,
        call=lambda client: client.embed(input=[CANARY], model="text-embedding-3-small"),
        answer=Answer("openai_embeddings.json"),
        facts={"gen_ai.provider.name": "azure.ai.inference", "gen_ai.usage.input_tokens": 12},
        **_ERROR,
        bad_call=lambda client: client.embed(),
        has_content=False,
    ),
)
