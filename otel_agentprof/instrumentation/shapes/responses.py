"""OpenAI's responses API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import Content, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.streamed import StreamedText


_RUN_BY_CALLER = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "shell_call",
    }
)
_FINISH_REASONS = {
    "completed": "stop",
    "failed": "error",
    "cancelled": "error",
    "max_output_tokens": "length",
}
_ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
_PIECES = {  # the type of the part, and what numbers it within its item
    "response.output_text.delta": ("text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary_index"),
    "response.reasoning_text.delta": ("reasoning", "content_index"),
}
_ARGUMENT_PIECES = frozenset(
    {"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"}
)
_FINAL_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole response, failed ones too."""
    reply.id, reply.model, reply.service_tier = response.id, response.model, response.service_tier
    reply.usage = _usage(response.usage)
    status, details = response.status, response.incomplete_details
    reply.tool_call_ids.extend(
        [item.call_id for item in response.output or () if item.type in _RUN_BY_CALLER]
    )
    reason = details.reason if status == "incomplete" and details else status
    if reason == "completed" and reply.tool_call_ids:
        reason = "tool_call"
    if reason not in (None, "queued", "in_progress"):
        reply.finish_reasons.append(_FINISH_REASONS.get(reason, reason))
    if status == "failed":
        reply.error = (response.error and response.error.code) or "failed"


def read_compacted(reply: Reply, compacted: Any) -> None:
    """Fill a reply from a compacted conversation, which does not name the model that made it."""
    reply.id = compacted.id
    reply.usage = _usage(compacted.usage)


def _usage(usage: Any) -> TokenUsage | None:
    if not usage:
        return None
    taken, made = usage.input_tokens_details, usage.output_tokens_details
    return TokenUsage(
        usage.input_tokens,
        usage.output_tokens,
        (taken and taken.cached_tokens) or 0,
        (taken and getattr(taken, "cache_write_tokens", 0)) or 0,
        (made and made.reasoning_tokens) or 0,
    )


def read_event(reply: Reply, event: Any) -> None:
    """Add an event of a stream to a reply."""
    kind = event.type
    if kind in _FINAL_EVENTS:
        read(reply, event.response)
        reply.is_final = True
        if reply.output is not None:
            reply.output.replace(output(event.response))
    elif kind == "response.created":
        reply.id, reply.model = event.response.id, event.response.model
    elif kind == "error":
        reply.error = event.code or "error"
    if reply.output is not None:
        add_event(reply.output, event)


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add the reasoning effort, and the ids of the tool results that are fed back."""
    reasoning = arguments["reasoning"] if "reasoning" in arguments else None
    if reasoning.__class__ is dict and "effort" in reasoning:
        facts[semconv.REQUEST_REASONING_LEVEL] = reasoning["effort"]
    items = arguments["input"] if "input" in arguments else None
    if items.__class__ is not list:
        return
    ids = []
    for item in reversed(items):
        if item.__class__ is not dict:
            continue  # the model's own items are passed back as the client's objects
        if "role" in item:
            break
        if "call_id" in item and "output" in item:
            ids.append(item["call_id"])
    if ids:
        facts[semconv.TOOL_RESULT_IDS] = tuple(ids[::-1])


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the input, instructions and tools of a responses request."""
    given = arguments.get("input")
    items = [content.text("user", given)] if isinstance(given, str) else _items(given)
    instructions = arguments.get("instructions")
    system = [{"type": "text", "content": instructions}] if isinstance(instructions, str) else []
    return Content(items, system, content.items_of(arguments.get("tools")))


def output(response: Any) -> list[Any]:
    """Return the output items of a response."""
    return _items(response.output)


def add_event(output: StreamedText, event: Any) -> None:
    """Add an event of a streamed response, for one that is left before its last event has all of it."""
    kind = event.type
    if kind in _PIECES:
        type_, place = _PIECES[kind]
        output.add(type_, event.delta, getattr(event, place), event.output_index)
    elif kind == "response.output_item.done":
        output.set_parts(_item(content.plain(event.item))["parts"], event.output_index)
    elif kind == "response.output_item.added" and event.item.type in _ARGUMENTS:
        output.add_call(0, event.item.call_id, event.item.name, None, event.output_index)
    elif kind in _ARGUMENT_PIECES:
        output.add_call(0, None, None, event.delta, event.output_index)


def _items(items: Any) -> list[Any]:
    return [_item(content.plain(item)) for item in content.items_of(items)]


def _item(item: Any) -> Any:
    if not isinstance(item, dict):
        return content.text("user", item)
    kind = item.get("type", "message")
    if kind.endswith("_output"):
        part = {"type": "tool_call_response", "id": item.get("call_id"), "response": item.get("output")}
        return {"role": "tool", "parts": [part]}
    if kind != "message":
        return {"role": "assistant", "parts": _parts_made(kind, item)}
    body = item.get("content")
    if isinstance(body, str):
        return content.text(item.get("role", "user"), body)
    return {"role": item.get("role", "user"), "parts": [_part(part) for part in content.items_of(body)]}


def _parts_made(kind: str, item: dict[str, Any]) -> list[Any]:
    """Return what else than a message the model made: calls, thoughts, and what a later API has."""
    if kind in _ARGUMENTS:
        call = {"name": item.get("name"), "arguments": item.get(_ARGUMENTS[kind])}
        return [{"type": "tool_call", "id": item.get("call_id"), **call}]
    if kind == "reasoning":
        told = [*content.items_of(item.get("summary")), *content.items_of(item.get("content"))]
        texts = [part["text"] for part in told if isinstance(part, dict) and part.get("text")]
        return [{"type": "reasoning", "content": text} for text in texts]
    return [item]


def _part(part: Any) -> Any:
    if isinstance(part, dict) and "text" in part:
        return {"type": "text", "content": part["text"]}
    if isinstance(part, dict) and "refusal" in part:
        return {"type": "refusal", "content": part["refusal"]}
    return part
