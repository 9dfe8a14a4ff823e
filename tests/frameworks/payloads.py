"""Answers in the words of the three APIs that the frameworks speak: chat, responses, messages.

A call's figures are all different from every other call's, so that a call which is lost, or counted twice,
shows in every sum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Served:
    """What one answer said that it took; the conventions of ``TokenUsage``."""

    number: int
    model: str
    api: str
    is_streamed: bool
    tools: tuple[str, ...]
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A tool call that an answer asks for."""

    id: str
    name: str
    arguments: Mapping[str, str]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments)


def _chat_usage(served: Served) -> dict[str, Any]:
    return {
        "prompt_tokens": served.input,
        "completion_tokens": served.output,
        "total_tokens": served.input + served.output,
        "prompt_tokens_details": {"cached_tokens": served.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": served.reasoning, "audio_tokens": 0},
    }


def chat(served: Served, text: str, wishes: tuple[Wish, ...]) -> dict[str, Any]:
    """Return a chat completion."""
    calls = [
        {"id": wish.id, "type": "function", "function": {"name": wish.name, "arguments": wish.json}}
        for wish in wishes
    ]
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else text, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    head = {"id": f"chatcmpl-{served.number}", "object": "chat.completion", "created": 1795356000}
    return {**head, "model": served.model, "choices": [choice], "usage": _chat_usage(served)}


def chat_stream(served: Served, text: str, wishes: tuple[Wish, ...], *, tells: bool) -> bytes:
    """Return the same in pieces; the usage comes last, and only where it was asked for."""
    head = {"id": f"chatcmpl-{served.number}", "object": "chat.completion.chunk", "created": 1795356000}
    head["model"] = served.model
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if wishes else ""}]
    deltas += [] if wishes else [{"content": f"{word} "} for word in text.split()]
    for place, wish in enumerate(wishes):
        function = {"name": wish.name, "arguments": wish.json}
        call = {"index": place, "id": wish.id, "type": "function", "function": function}
        deltas.append({"tool_calls": [call]})
    chunks = [_chunk(head, delta, None) for delta in deltas]
    chunks.append(_chunk(head, {}, "tool_calls" if wishes else "stop"))
    if tells:
        chunks.append({**head, "choices": [], "usage": _chat_usage(served)})
    return _events(chunks) + b"data: [DONE]\n\n"


def _chunk(head: Mapping[str, Any], delta: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": None}


def response(served: Served, text: str, wishes: tuple[Wish, ...]) -> dict[str, Any]:
    """Return a response of the responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "id": f"fc_{wish.id}",
            "call_id": wish.id,
            "name": wish.name,
            "arguments": wish.json,
            "status": "completed",
        }
        for wish in wishes
    ] or [
        {
            "type": "message",
            "id": f"msg_{served.number}",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
    ]
    usage = {
        "input_tokens": served.input,
        "input_tokens_details": {"cached_tokens": served.cache_read},
        "output_tokens": served.output,
        "output_tokens_details": {"reasoning_tokens": served.reasoning},
        "total_tokens": served.input + served.output,
    }
    return {
        "id": f"resp_{served.number}",
        "object": "response",
        "created_at": 1795356000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": served.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    }


def response_stream(served: Served, text: str, wishes: tuple[Wish, ...]) -> bytes:
    """Return the same in pieces."""
    done = response(served, text, wishes)
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for place, item in enumerate(done["output"]):
        events.append({"type": "response.output_item.added", "output_index": place, "item": item})
        if item["type"] == "message":
            where = {"item_id": item["id"], "output_index": place, "content_index": 0}
            events += [
                {"type": "response.output_text.delta", **where, "delta": f"{word} ", "logprobs": []}
                for word in text.split()
            ]
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    events.append({"type": "response.completed", "response": done})
    return _events({**event, "sequence_number": number} for number, event in enumerate(events))


def message(served: Served, text: str, wishes: tuple[Wish, ...]) -> dict[str, Any]:
    """Return a message of Anthropic's API."""
    content: list[dict[str, Any]] = [
        {"type": "tool_use", "id": wish.id, "name": wish.name, "input": wish.arguments} for wish in wishes
    ] or [{"type": "text", "text": text}]
    return {
        "id": f"msg_{served.number}",
        "type": "message",
        "role": "assistant",
        "model": served.model,
        "stop_sequence": None,
        "content": content,
        "stop_reason": "tool_use" if wishes else "end_turn",
        "usage": _message_usage(served),
    }


def message_stream(served: Served, text: str, wishes: tuple[Wish, ...]) -> bytes:
    """Return the same in pieces; the first names one token of output, as the real ones do."""
    done = message(served, text, wishes)
    usage = done["usage"]
    begun = {**done, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for place, block in enumerate(done["content"]):
        empty = {**block, "input": {}} if wishes else {**block, "text": ""}
        events.append({"type": "content_block_start", "index": place, "content_block": empty})
        deltas = (
            [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
            if wishes
            else [{"type": "text_delta", "text": f"{word} "} for word in text.split()]
        )
        events += [{"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": place})
    ending = {"stop_reason": done["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": usage})
    events.append({"type": "message_stop"})
    return _events(events)


def _message_usage(served: Served) -> dict[str, Any]:
    return {
        "input_tokens": served.input - served.cache_read - served.cache_write,
        "cache_creation_input_tokens": served.cache_write,
        "cache_read_input_tokens": served.cache_read,
        "output_tokens": served.output,
        "output_tokens_details": {"thinking_tokens": served.reasoning},
    }


def _events(events: Iterable[Mapping[str, Any]]) -> bytes:
    lines = []
    for event in events:
        named = f"event: {event['type']}\n" if "type" in event else ""
        lines.append(f"{named}data: {json.dumps(event)}\n\n")
    return "".join(lines).encode()
