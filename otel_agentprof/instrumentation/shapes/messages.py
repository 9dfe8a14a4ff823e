"""Anthropic's messages; other clouds serve them too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import Content, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.streamed import StreamedText

_CALLS = {  # what Anthropic and its servers run themselves is not the caller's to run
    "tool_use": "tool_call",
    "server_tool_use": "server_tool_call",
    "mcp_tool_use": "server_tool_call",
}


def read(reply: Reply, message: Any) -> None:
    """Fill a reply from a whole message."""
    reply.id, reply.model = message.id, message.model
    usage = message.usage
    if usage:
        # Fast mode has a price of its own; what else it is called then makes no difference to it.
        is_fast = getattr(usage, "speed", None) == "fast"
        reply.service_tier = "fast" if is_fast else getattr(usage, "service_tier", None)
        written = content.record(getattr(usage, "cache_creation", None))
        reply.usage = _usage(usage, TokenUsage(), (written and written.ephemeral_1h_input_tokens) or 0)
        used = content.record(getattr(usage, "server_tool_use", None))
        if used and used.web_search_requests:
            _add_searches(reply, used.web_search_requests)
    if message.stop_reason:
        reply.finish_reasons.append(message.stop_reason)
    reply.tool_call_ids.extend([block.id for block in message.content or () if block.type == "tool_use"])


def read_event(reply: Reply, event: Any) -> None:
    """Add an event of a stream to a reply."""
    kind = event.type
    if kind == "content_block_delta":  # most events are
        if reply.output is not None:
            add_delta(reply.output, event)
    elif kind in _EVENTS:
        _EVENTS[kind](reply, event)


def _start_message(reply: Reply, event: Any) -> None:
    read(reply, event.message)
    if reply.usage is not None:  # its output count is a placeholder; message_delta brings the real one
        reply.usage = reply.usage._replace(output=0)


def _start_block(reply: Reply, event: Any) -> None:
    if event.content_block.type == "tool_use":
        reply.tool_call_ids.append(event.content_block.id)
    if reply.output is not None:
        add_block(reply.output, event)


def _change_message(reply: Reply, event: Any) -> None:
    if event.delta.stop_reason:
        reply.finish_reasons.append(event.delta.stop_reason)
    before = reply.usage or TokenUsage()
    reply.usage = _usage(event.usage, before, before.cache_write_1h)
    used = content.record(getattr(event.usage, "server_tool_use", None))
    if used and used.web_search_requests:
        _add_searches(reply, used.web_search_requests)


def _add_searches(reply: Reply, count: int) -> None:
    reply.more = {**(reply.more or {}), semconv.WEB_SEARCHES: count}


def _stop_message(reply: Reply, _event: Any) -> None:
    reply.is_final = True


def _take_error(reply: Reply, event: Any) -> None:
    reply.error = event.error.type


_EVENTS = {
    "message_start": _start_message,
    "content_block_start": _start_block,
    "message_delta": _change_message,
    "message_stop": _stop_message,
    "error": _take_error,
}


def _usage(usage: Any, before: TokenUsage, written_1h: int) -> TokenUsage:
    """Return the tokens with the cached ones in the input: the API counts them beside it.

    A ``message_delta`` repeats the running totals, never a difference; what it leaves out stays as it was.
    """
    read, written, fresh = (
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.input_tokens,
    )
    read = before.cache_read if read is None else read
    written = before.cache_write if written is None else written
    fresh = before.input - before.cache_read - before.cache_write if fresh is None else fresh
    details = content.record(getattr(usage, "output_tokens_details", None))
    thinking = (details and details.thinking_tokens) or before.reasoning
    return TokenUsage(fresh + read + written, usage.output_tokens, read, written, thinking, written_1h)


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add stop sequences, and the ids of the tool results that are fed back."""
    if "stop_sequences" in arguments:
        content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, arguments["stop_sequences"])
    messages = arguments["messages"] if "messages" in arguments else None
    if messages.__class__ is not list:
        return
    ids: list[str] = []
    for message in reversed(messages):  # the results that are new since the model last spoke
        if message.__class__ is not dict or ("role" in message and message["role"] == "assistant"):
            break
        if "content" in message and message["content"].__class__ is list:
            ids[:0] = [
                block["tool_use_id"]
                for block in message["content"]
                if block.__class__ is dict and "tool_use_id" in block
            ]
    if ids:
        facts[semconv.TOOL_RESULT_IDS] = tuple(ids)


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the messages, system prompt and tools of a request."""
    system = arguments.get("system")
    texts = [{"type": "text", "content": system}] if isinstance(system, str) else _blocks(system)
    messages = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]}
        if m.__class__ is dict and "role" in m and "content" in m and m["content"].__class__ is str
        else _blocks_message(content.plain(m))
        for m in content.items_of(arguments.get("messages"))
    ]
    return Content(messages, texts, content.items_of(arguments.get("tools")))


def output(message: Any) -> list[Any]:
    """Return the content blocks of a message."""
    return [{"role": "assistant", "parts": content.spoken(_blocks(message.content))}]


def add_block(output: StreamedText, event: Any) -> None:
    """Add the start of a content block; of one that comes in no pieces, all of it."""
    block, kind = event.content_block, event.content_block.type
    if kind == "text":
        output.add("text", block.text, event.index)
    elif kind == "thinking":
        output.add("reasoning", block.thinking, event.index)
    elif kind in _CALLS:
        output.add_call(event.index, block.id, block.name, None, kind=_CALLS[kind], is_json=True)
    else:
        output.add_part(_block(content.plain(block)), event.index)


def add_delta(output: StreamedText, event: Any) -> None:
    """Add a piece of a content block."""
    delta, kind = event.delta, event.delta.type
    if kind == "text_delta":
        output.add("text", delta.text, event.index)
    elif kind == "thinking_delta":
        output.add("reasoning", delta.thinking, event.index)
    elif kind == "input_json_delta":
        output.add_call(event.index, None, None, delta.partial_json, is_json=True)


def _blocks_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return content.text("user", message)
    return {"role": message.get("role", "user"), "parts": _blocks(message.get("content"))}


def _blocks(blocks: Any) -> list[Any]:
    return [_block(content.plain(block)) for block in content.items_of(blocks)]


def _block(block: Any) -> Any:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        return {"type": "text", "content": block.get("text")}
    if kind in _CALLS:
        call = {"name": block.get("name"), "arguments": block.get("input")}
        return {"type": _CALLS[kind], "id": block.get("id"), **call}
    if kind is not None and kind.endswith("tool_result"):
        told = "tool_call_response" if kind == "tool_result" else "server_tool_call_response"
        return {"type": told, "id": block.get("tool_use_id"), "response": block.get("content")}
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking")}
    return block
