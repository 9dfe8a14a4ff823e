"""Hugging Face's inference client."""

from __future__ import annotations

import json
from typing import Any

import huggingface_hub
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import document, events

_MODEL = "Qwen/Qwen3-8B"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_USAGE = {"prompt_tokens": 1200, "completion_tokens": 5, "total_tokens": 1205}
_FACTS = {
    "gen_ai.provider.name": "huggingface",
    "gen_ai.request.model": _MODEL,
    "gen_ai.response.model": _MODEL,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 5,
    "server.address": "127.0.0.1",
}
_ERROR: dict[str, Any] = {
    "error": Answer("openai_error_429.json", 429),
    "error_facts": {
        "http.response.status_code": 429,
        "error.type": "huggingface_hub.errors.HfHubHTTPError",
    },
    "retries": False,
    "has_cost": False,
}
_REFUSED = {"error": "Model is overloaded", "error_type": "overloaded", "http_status_code": 503}


def _connect(url: str, kind: str) -> Any:
    kind_of = huggingface_hub.AsyncInferenceClient if kind == "async" else huggingface_hub.InferenceClient
    return kind_of(base_url=f"{url}/models/mine", api_key="none")


def _chat(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.chat_completion(messages, model=_MODEL, **more)


def _piece(text: str, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}
    return {"id": "hf-001", "created": 1, "model": _MODEL, "choices": [choice]}


def _streamed(count: int = 2) -> Answer:
    last = {**_piece(""), "choices": [], "usage": _USAGE}
    return events(*[_piece("Par")] * count, _piece("is.", "stop"), last)


def _generate(client: Any, **more: Any) -> Any:
    return client.text_generation(CANARY, details=True, max_new_tokens=9, **more)


def _token(text: str, **details: Any) -> dict[str, Any]:
    token = {"id": 1, "text": text, "logprob": -0.1, "special": False}
    return {"index": 1, "token": token, "generated_text": text, "details": details or None}


def _tokens(count: int = 2) -> Answer:
    end = {"finish_reason": "stop", "generated_tokens": 5, "input_length": 1200}
    return events(*[_token("Par")] * count, _token("is.", **end), done="")


_DETAILS = {"finish_reason": "stop", "generated_tokens": 5, "prefill": [], "tokens": []}

CASES = (
    Case(
        name="huggingface-chat",
        library="huggingface",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        answer=Answer("huggingface_chat.json"),
        stream=lambda client: _chat(client, stream=True),
        stream_answer=_streamed(),
        facts=_FACTS,
        **_ERROR,
        broken_stream=events(_piece("Par"), _REFUSED, done=""),
        long_stream=_streamed,
        bad_call=lambda client: _chat(client, no_such_argument=1),
        tools_call=lambda client: _chat(client, _RESULTS),
        tools_answer=document(
            "huggingface_chat.json",
            choices=json.loads((WIRE / "openai_chat_tool_calls.json").read_bytes())["choices"],
        ),
        tools_facts={
            "agentprof.tool_call.ids": ("call_aa11", "call_bb22"),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
        helpers={
            "alias": lambda client: client.chat.completions.create(messages=_MESSAGES, model=_MODEL),
        },
    ),
    Case(
        name="huggingface-text",
        library="huggingface",
        operation="text_completion",
        span_name="text_completion",
        connect=_connect,
        call=_generate,
        answer=Answer(json.dumps([{"generated_text": "Paris.", "details": _DETAILS}]).encode()),
        stream=lambda client: _generate(client, stream=True),
        stream_answer=_tokens(),
        facts={
            "gen_ai.provider.name": "huggingface",
            "gen_ai.request.max_tokens": 9,
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.output_tokens": 5,
        },
        stream_facts={
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 5,
        },
        **_ERROR,
        broken_stream=events(_token("Par"), _REFUSED, done=""),
        long_stream=_tokens,
        bad_call=lambda client: _generate(client, no_such_argument=1),
    ),
    Case(
        name="huggingface-embeddings",
        library="huggingface",
        operation="embeddings",
        span_name="embeddings",
        connect=_connect,
        call=lambda client: client.feature_extraction(CANARY),
        answer=Answer(b"[[0.1, 0.2]]"),
        facts={"gen_ai.provider.name": "huggingface"},
        **_ERROR,
        bad_call=lambda client: client.feature_extraction(no_such_argument=1),
        has_content=False,
    ),
)
