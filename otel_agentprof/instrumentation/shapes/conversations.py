"""Mistral's conversations: the server keeps the history and runs tools of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.shapes import chat
from otel_agentprof.instrumentation.spec import Content, Reply
from otel_agentprof.instrumentation.streamed import CALLS
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLING: Final = {  # as the client's other calls name them too
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "random_seed": semconv.REQUEST_SEED,
    "reasoning_effort": semconv.REQUEST_REASONING_LEVEL,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_k": semconv.REQUEST_TOP_K,
    "top_p": semconv.REQUEST_TOP_P,
}


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole response."""
    reply.more = {semconv.CONVERSATION_ID: response.conversation_id}
    reply.usage = _usage(response.usage)
    for entry in response.outputs:
        reply.model = reply.model or getattr(entry, "model", None) or None
        if entry.type == "function.call":  # what the server runs itself is a tool.execution
            reply.tool_call_ids.append(entry.tool_call_id)


def read_event(reply: Reply, event: Any) -> None:
    """Add an event of a stream to a reply."""
    data = event.data
    kind = data.type
    if kind == "message.output.delta":
        if reply.model is None:
            reply.model = data.model or None
        if reply.output is not None:
            said = data.content if isinstance(data.content, str | list) else [data.content]
            reply.output.add("reasoning", chat.thoughts_of(said), 0, data.output_index)
            reply.output.add("text", chat.text_of(said), 1, data.output_index)
    elif kind == "function.call.delta":
        if data.tool_call_id not in reply.tool_call_ids:
            reply.tool_call_ids.append(data.tool_call_id)
        if reply.output is not None:
            reply.output.add_call(CALLS, data.tool_call_id, data.name, data.arguments, data.output_index)
    elif kind == "conversation.response.started":
        reply.more = {semconv.CONVERSATION_ID: data.conversation_id}
    elif kind == "conversation.response.done":
        reply.usage = _usage(data.usage)
        reply.is_final = True
    elif kind == "conversation.response.error":
        reply.error = str(data.code)
        reply.is_final = True


def _usage(usage: Any) -> TokenUsage | None:
    """Return the tokens; what the server's own tools brought the model to read is told beside the prompt."""
    taken, made = usage.prompt_tokens or 0, usage.completion_tokens or 0
    read_more = usage.connector_tokens or 0
    return TokenUsage(taken + read_more, made) if taken or made else None


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add the options, which are one argument, and the ids of the tool results that are fed back."""
    options = arguments.get("completion_args")
    told = options if options.__class__ is dict else getattr(options, "__dict__", {})
    for name, attribute in SAMPLING.items():
        if isinstance(told.get(name), str | int | float):
            facts[attribute] = told[name]
    if ids := chat.result_ids(arguments.get("inputs")):
        facts[semconv.TOOL_RESULT_IDS] = ids


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the inputs, instructions and tools of a request."""
    given = arguments.get("inputs")
    inputs = [content.text("user", given)] if isinstance(given, str) else _messages(content.items_of(given))
    told = arguments.get("instructions")
    system = [{"type": "text", "content": told}] if isinstance(told, str) else []
    return Content(inputs, system, content.items_of(arguments.get("tools")))


def output(response: Any) -> list[Any]:
    """Return the entries of a response that say or ask something."""
    return [message for message in _messages(response.outputs) if message["parts"]]


def _messages(entries: list[Any]) -> list[Any]:
    return chat.read_content({"messages": [_message(content.plain(entry)) for entry in entries]}).input


def _message(entry: Any) -> Any:
    """Return an entry as a message of a chat."""
    if isinstance(entry, dict) and "result" in entry:
        return {"role": "tool", "tool_call_id": entry.get("tool_call_id"), "content": entry["result"]}
    if isinstance(entry, dict) and "tool_call_id" in entry:
        return {"role": "assistant", "tool_calls": [{"id": entry["tool_call_id"], "function": entry}]}
    return entry
