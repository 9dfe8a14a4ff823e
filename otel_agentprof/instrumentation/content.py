"""Prompts and answers in the conventions' shape. Nothing here runs unless content is asked for.

A message is ``{"role": ..., "parts": [{"type": "text", "content": ...}, ...]}``. Common messages take the
short way; anything else is kept as a part of an unknown type, which readers must tolerate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_agentprof.instrumentation.spec import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.spec import StreamedText


def dump(value: object) -> str:
    """Return JSON for any value; what JSON has no word for is written as its text."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def add_texts(facts: dict[str, Any], attribute: str, value: Any) -> None:
    """Set an attribute that is a list of strings from one string or a list of them."""
    if value.__class__ is str:
        facts[attribute] = (value,)
    elif value.__class__ in (list, tuple):
        facts[attribute] = tuple([text for text in value if text.__class__ is str])


# --- OpenAI chat and legacy completions ---------------------------------------------------------------------


def read_chat(arguments: Mapping[str, Any]) -> Content:
    """Return the messages and tools of a chat request."""
    messages = _list(arguments.get("messages"))
    return Content(_chat_messages(messages), [], _list(arguments.get("tools")))


def read_prompt(arguments: Mapping[str, Any]) -> Content:
    """Return the prompt of a legacy completion."""
    return Content([_text("user", arguments.get("prompt"))], [], [])


def chat_output(response: Any) -> list[Any]:
    """Return the choices of a chat or legacy completion."""
    return _chat_messages(
        [getattr(c, "message", None) or {"role": "assistant", "content": c.text} for c in response.choices]
    )


def add_chat_delta(output: StreamedText, choice: Any) -> None:
    """Add a chunk of a streamed completion."""
    delta = getattr(choice, "delta", None)
    text = choice.text if delta is None else delta.content
    if text:
        output.texts.append(text)
    for call in (delta is not None and delta.tool_calls) or ():
        function = call.function
        output.add_call(call.index, call.id, function and function.name, function and function.arguments)


def _chat_messages(messages: list[Any]) -> list[Any]:
    return [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]}
        if m.__class__ is dict
        and "role" in m
        and "content" in m
        and m["content"].__class__ is str
        and "tool_calls" not in m
        and "tool_call_id" not in m
        else _chat_message(_plain(m))
        for m in messages
    ]


def _chat_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return _text("user", message)
    body = message.get("content")
    if "tool_call_id" in message:
        part = {"type": "tool_call_response", "id": message["tool_call_id"], "response": body}
        return {"role": "tool", "parts": [part]}
    parts = [{"type": "text", "content": body}] if isinstance(body, str) else _list(body)
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call.get("custom") or {}
        arguments = function.get("arguments", function.get("input"))
        name = function.get("name")
        parts.append({"type": "tool_call", "id": call.get("id"), "name": name, "arguments": arguments})
    return {"role": message.get("role", "assistant"), "parts": parts}


# --- OpenAI responses ---------------------------------------------------------------------------------------


def read_responses(arguments: Mapping[str, Any]) -> Content:
    """Return the input, instructions and tools of a responses request."""
    given = arguments.get("input")
    items = [_text("user", given)] if isinstance(given, str) else _items(given)
    instructions = arguments.get("instructions")
    system = [{"type": "text", "content": instructions}] if isinstance(instructions, str) else []
    return Content(items, system, _list(arguments.get("tools")))


def responses_output(response: Any) -> list[Any]:
    """Return the output items of a response."""
    return _items(response.output)


def add_response_event(output: StreamedText, event: Any) -> None:
    """Add an event of a streamed response."""
    if event.type == "response.output_text.delta":
        output.texts.append(event.delta)
    elif event.type == "response.output_item.done" and event.item.type == "function_call":
        item = event.item
        output.add_call(event.output_index, item.call_id, item.name, item.arguments)


def _items(items: Any) -> list[Any]:
    return [_item(_plain(item)) for item in _list(items)]


def _item(item: Any) -> Any:
    if not isinstance(item, dict):
        return _text("user", item)
    kind = item.get("type", "message")
    if kind == "function_call":
        call = {key: item.get(key) for key in ("name", "arguments")}
        return {"role": "assistant", "parts": [{"type": "tool_call", "id": item.get("call_id"), **call}]}
    if kind.endswith("_output"):
        part = {"type": "tool_call_response", "id": item.get("call_id"), "response": item.get("output")}
        return {"role": "tool", "parts": [part]}
    if kind != "message":
        return {"role": "assistant", "parts": [item]}
    body = item.get("content")
    if isinstance(body, str):
        return _text(item.get("role", "user"), body)
    parts = [
        {"type": "text", "content": part["text"]} if isinstance(part, dict) and "text" in part else part
        for part in _list(body)
    ]
    return {"role": item.get("role", "user"), "parts": parts}


# --- Anthropic messages -------------------------------------------------------------------------------------


def read_messages(arguments: Mapping[str, Any]) -> Content:
    """Return the messages, system prompt and tools of a request."""
    system = arguments.get("system")
    texts = [{"type": "text", "content": system}] if isinstance(system, str) else _blocks(system)
    messages = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]}
        if m.__class__ is dict and "role" in m and "content" in m and m["content"].__class__ is str
        else _blocks_message(_plain(m))
        for m in _list(arguments.get("messages"))
    ]
    return Content(messages, texts, _list(arguments.get("tools")))


def message_output(message: Any) -> list[Any]:
    """Return the content blocks of a message."""
    return [{"role": "assistant", "parts": _blocks(message.content)}]


def add_message_block(output: StreamedText, event: Any) -> None:
    """Add the start of a content block: the id and the name of a tool call."""
    if event.content_block.type == "tool_use":
        output.add_call(event.index, event.content_block.id, event.content_block.name, None)


def add_message_delta(output: StreamedText, event: Any) -> None:
    """Add a piece of a content block."""
    if event.delta.type == "text_delta":
        output.texts.append(event.delta.text)
    elif event.delta.type == "input_json_delta":
        output.add_call(event.index, None, None, event.delta.partial_json)


def _blocks_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return _text("user", message)
    return {"role": message.get("role", "user"), "parts": _blocks(message.get("content"))}


def _blocks(blocks: Any) -> list[Any]:
    return [_block(_plain(block)) for block in _list(blocks)]


def _block(block: Any) -> Any:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        return {"type": "text", "content": block.get("text")}
    if kind == "tool_use":
        call = {"name": block.get("name"), "arguments": block.get("input")}
        return {"type": "tool_call", "id": block.get("id"), **call}
    if kind == "tool_result":
        answer = block.get("content")
        return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": answer}
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking")}
    return block


# --- Shared -------------------------------------------------------------------------------------------------


def _text(role: str, text: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _list(value: Any) -> list[Any]:
    # A generator is left alone: reading it would take it away from the client.
    return list(value) if isinstance(value, list | tuple) else []


def _plain(value: Any) -> Any:
    dump_model = getattr(value, "model_dump", None)
    if dump_model is not None:
        return dump_model(mode="json", exclude_none=True)
    return value if isinstance(value, dict | list | str | int | float | None) else str(value)
