"""Cohere's answers: chat of its second and first API, embeddings; tokens taken and tokens billed.

All counts come as floats. ``billed_units`` leaves out what Cohere adds to a prompt by itself: the tokens on
the span are those of the model, the cost is that of the billed ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.shapes import chat
from otel_agentprof.instrumentation.spec import Content, Reply
from otel_agentprof.instrumentation.streamed import CALLS
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILED = frozenset({"ERROR", "ERROR_TOXIC", "TIMEOUT"})


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole answer of the second API."""
    reply.id = response.id
    _take_usage(reply, response.usage or getattr(response, "meta", None))  # on AWS it is still in ``meta``
    _take_reason(reply, response.finish_reason)
    reply.tool_call_ids.extend([call.id for call in response.message.tool_calls or ()])


def read_event(reply: Reply, event: Any) -> None:
    """Add an event of a stream of the second API to a reply."""
    kind = event.type
    if kind == "content-delta":  # most events are
        if reply.output is not None:
            said = event.delta.message.content
            reply.output.add("reasoning", getattr(said, "thinking", None), 0)
            reply.output.add("text", getattr(said, "text", None))
    elif kind in _EVENTS:
        _EVENTS[kind](reply, event)


def _start_message(reply: Reply, event: Any) -> None:
    reply.id = event.id


def _start_call(reply: Reply, event: Any) -> None:
    call = event.delta.message.tool_calls
    reply.tool_call_ids.append(call.id)
    _add_call(reply, event)


def _add_call(reply: Reply, event: Any) -> None:
    if reply.output is not None:
        call = event.delta.message.tool_calls
        function = call.function
        name = getattr(function, "name", None)
        reply.output.add_call(CALLS + event.index, getattr(call, "id", None), name, function.arguments)


def _end_message(reply: Reply, event: Any) -> None:
    _take_usage(reply, event.delta.usage)
    _take_reason(reply, event.delta.finish_reason)
    reply.is_final = True


def _add_plan(reply: Reply, event: Any) -> None:
    if reply.output is not None:
        reply.output.add("reasoning", event.delta.message.tool_plan, 0)


_EVENTS = {
    "message-start": _start_message,
    "tool-plan-delta": _add_plan,
    "tool-call-start": _start_call,
    "tool-call-delta": _add_call,
    "message-end": _end_message,
}


def read_first(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole answer of the first API; its tool calls have no ids."""
    reply.id = response.response_id or response.generation_id
    _take_usage(reply, response.meta)
    _take_reason(reply, response.finish_reason)


def read_first_event(reply: Reply, event: Any) -> None:
    """Add an event of a stream of the first API to a reply."""
    kind = event.event_type
    if kind == "text-generation":
        if reply.output is not None:
            reply.output.add("text", event.text)
    elif kind == "stream-start":
        reply.id = event.generation_id
    elif kind == "stream-end":
        read_first(reply, event.response)
        reply.is_final = True


def read_embeddings(reply: Reply, response: Any) -> None:
    """Fill a reply from an answer with embeddings."""
    reply.id = response.id
    _take_usage(reply, response.meta)


def read_ranking(reply: Reply, response: Any) -> None:
    """Fill a reply from a ranking, which is billed by the search and not by the token."""
    reply.id = response.id


def _take_usage(reply: Reply, told: Any) -> None:
    told = content.record(told)
    billed = _tokens(told and told.billed_units)
    taken = _tokens(told and told.tokens)
    if taken is not None and (cached := getattr(told, "cached_tokens", None)):  # older clients do not know it
        taken = taken._replace(cache_read=int(cached))
    reply.usage = billed if taken is None else taken
    reply.billed = billed


def _tokens(counts: Any) -> TokenUsage | None:
    """Return counts as tokens; the clients for AWS have -1 for what is not known."""
    counts = content.record(counts)
    taken = counts and counts.input_tokens
    if taken is None or taken < 0:
        return None
    return TokenUsage(int(taken), max(int(counts.output_tokens or 0), 0))


def _take_reason(reply: Reply, reason: str | None) -> None:
    if reason:
        reply.finish_reasons.append(reason)
        if reason in _FAILED:
            reply.error = reason


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add stop sequences, output type, and the ids of the tool results that are fed back."""
    chat.request_facts(arguments, facts)
    content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, arguments.get("stop_sequences"))
    if ids := chat.result_ids(arguments.get("messages")):
        facts[semconv.TOOL_RESULT_IDS] = ids


# --- Content: only when asked for ---------------------------------------------------------------------------


def output(response: Any) -> list[Any]:
    """Return the message of an answer of the second API."""
    told = content.plain(response.message)
    parts = told.get("content") or ()
    said = "".join([part.get("text") or "" for part in parts])
    thought = (told.get("tool_plan") or "") + "".join([part.get("thinking") or "" for part in parts])
    return chat.read_content({"messages": [{**told, "content": said, "reasoning": thought}]}).input


def read_first_content(arguments: Mapping[str, Any]) -> Content:
    """Return the history, the message, the preamble and the tools of a request to the first API."""
    turns = [content.plain(turn) for turn in content.items_of(arguments.get("chat_history"))]
    history = [content.text(turn.get("role", ""), turn.get("message")) for turn in turns]
    told = arguments.get("preamble")
    preamble = [{"type": "text", "content": told}] if isinstance(told, str) else []
    asked = content.text("user", arguments.get("message"))
    return Content([*history, asked], preamble, content.items_of(arguments.get("tools")))


def first_output(response: Any) -> list[Any]:
    """Return the text of an answer of the first API."""
    return [content.text("assistant", response.text)]
