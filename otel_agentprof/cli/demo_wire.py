"""How a reply of the demo's model looks on the wire, in the words of each API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otel_agentprof.cli.demo_server import Reply

_CREATED: Final = 1_795_356_000  # the clients ask for a time; nothing here depends on it
_CHARACTERS_PER_CHUNK: Final = 48


def openai_completion(reply: Reply) -> dict[str, Any]:
    """Return a whole answer of OpenAI's chat completions."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.calls:
        message["tool_calls"] = _openai_calls(reply)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
    return _openai(reply, "chat.completion", [choice], _openai_usage(reply))


def openai_chunks(reply: Reply) -> list[dict[str, Any]]:
    """Return the same answer as the items of a stream; the last one holds the tokens."""
    pieces: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if reply.calls:
        calls = [{"index": index, **call} for index, call in enumerate(_openai_calls(reply))]
        pieces.append({"tool_calls": calls})
    texts = range(0, len(reply.text), _CHARACTERS_PER_CHUNK)
    pieces += [{"content": reply.text[start : start + _CHARACTERS_PER_CHUNK]} for start in texts]
    choices: list[list[dict[str, Any]]] = [
        [{"index": 0, "delta": piece, "logprobs": None, "finish_reason": None}] for piece in pieces
    ]
    choices.append([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": _finish(reply)}])
    chunks = [_openai(reply, "chat.completion.chunk", choice, None) for choice in choices]
    return [*chunks, _openai(reply, "chat.completion.chunk", [], _openai_usage(reply))]


def anthropic_message(reply: Reply) -> dict[str, Any]:
    """Return a whole answer of Anthropic's messages."""
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    content += [
        {"type": "tool_use", "id": f"toolu_{call.call_id}", "name": call.name, "input": call.arguments}
        for call in reply.calls
    ]
    return {
        "id": f"msg_demo_{reply.number}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": "tool_use" if reply.calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens
            - reply.cached_tokens,  # there the cached ones are counted apart
            "cache_read_input_tokens": reply.cached_tokens,
            "cache_creation_input_tokens": 0,
            "output_tokens": reply.output_tokens,
            "service_tier": "standard",
        },
    }


def _openai(
    reply: Reply, kind: str, choices: list[dict[str, Any]], usage: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-demo-{reply.number}",
        "object": kind,
        "created": _CREATED,
        "model": reply.model,
        "service_tier": "default",
        "choices": choices,
        "usage": usage,
    }


def _openai_calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for call in reply.calls
    ]


def _openai_usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning_tokens, "audio_tokens": 0},
    }


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"
