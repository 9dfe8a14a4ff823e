"""Ollama's client; it never tries again, and its tool calls have no ids."""

from __future__ import annotations

import json
from typing import Any

import ollama
from loopback import WIRE, Answer
from providers.case import CANARY, Case
from providers.served import longer

_MODEL = "llama3.2"
_MESSAGES = [{"role": "user", "content": CANARY}]
_CALLED = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
_RESULTS = [
    *_MESSAGES,
    {"role": "assistant", "tool_calls": [_CALLED]},
    {"role": "tool", "tool_name": "weather", "content": "18C"},
]
_TOLD = {
    "gen_ai.provider.name": "ollama",
    "gen_ai.request.model": _MODEL,
    "gen_ai.response.model": _MODEL,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 26,
    "gen_ai.usage.output_tokens": 298,
    "agentprof.server.load_time": 0.002154458,
    "agentprof.server.prompt_time": 0.383809,
    "agentprof.server.completion_time": 4.799921,
    "server.address": "127.0.0.1",
}
_ERROR: dict[str, Any] = {
    "error": Answer(b'{"error": "too many requests"}', 429),
    "error_facts": {"http.response.status_code": 429, "error.type": "ollama._types.ResponseError"},
    "retries": False,
}
_STREAM = (WIRE / "ollama_chat_stream.ndjson").read_bytes()
_BROKEN = b'{"error": "the model runner has stopped"}\n'


def _as_generated(lines: bytes) -> bytes:
    """Return a chat's stream as ``generate`` is answered."""
    items = [json.loads(line) for line in lines.splitlines()]
    for item in items:
        item["response"] = item.pop("message")["content"]
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def _connect(url: str, kind: str) -> Any:
    return (ollama.AsyncClient if kind == "async" else ollama.Client)(host=url)


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.chat(_MODEL, messages, **more)


def _generate(client: Any, **more: Any) -> Any:
    return client.generate(model=_MODEL, prompt=CANARY, **more)


CASES = (
    Case(
        name="ollama-chat",
        library="ollama",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=Answer("ollama_chat.json"),
        stream=lambda client: _chat(client, stream=True),
        stream_answer=Answer("ollama_chat_stream.ndjson"),
        facts=_TOLD,
        has_cost=False,
        is_lazy=True,
        **_ERROR,
        broken_stream=Answer(_STREAM.splitlines(keepends=True)[0] + _BROKEN),
        long_stream=lambda count: longer("ollama_chat_stream.ndjson", count, separator=b"\n"),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=Answer("ollama_chat_tool_calls.json"),
        tools_facts={
            "agentprof.tool_call.ids": None,
            "agentprof.tool_result.ids": None,
            "gen_ai.response.finish_reasons": ("stop",),
        },
        helpers={
            "by name": lambda client: client.chat(model=_MODEL, messages=_MESSAGES),
            "the client's own objects": lambda client: client.chat(
                _MODEL, [ollama.Message(role="user", content=CANARY)], options=ollama.Options(seed=7)
            ),
        },
    ),
    Case(
        name="ollama-generate",
        library="ollama",
        operation="text_completion",
        span_name=f"text_completion {_MODEL}",
        connect=_connect,
        call=_generate,
        answer=Answer("ollama_generate.json"),
        stream=lambda client: _generate(client, stream=True),
        stream_answer=Answer(_as_generated(_STREAM)),
        facts=_TOLD,
        has_cost=False,
        is_lazy=True,
        **_ERROR,
        broken_stream=Answer(_as_generated(_STREAM.splitlines(keepends=True)[0]) + _BROKEN),
    ),
    Case(
        name="ollama-embed",
        library="ollama",
        operation="embeddings",
        span_name="embeddings all-minilm",
        connect=_connect,
        call=lambda client: client.embed("all-minilm", CANARY),
        answer=Answer("ollama_embed.json"),
        facts={
            "gen_ai.provider.name": "ollama",
            "gen_ai.usage.input_tokens": 8,
            "agentprof.server.load_time": 0.0010195,
        },
        has_cost=False,
        has_content=False,
        **_ERROR,
    ),
)
