"""Chat completions as OpenAI made them, and many others since; legacy completions too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import Content, Reply
from otel_agentprof.instrumentation.streamed import CALLS
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.streamed import StreamedText


_REASONING: Final = ("reasoning_content", "reasoning", "thinking")
SAMPLING: Final = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "stream": semconv.REQUEST_STREAM,
    "service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
}
REQUEST: Final = {
    **SAMPLING,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "reasoning_effort": semconv.REQUEST_REASONING_LEVEL,
}
NOT_IN_FINGERPRINT: Final = frozenset(
    {
        "extra_headers",
        "extra_query",
        "idempotency_key",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream",
        "stream_options",
        "timeout",
        "user",
    }
)


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole completion."""
    reply.id, reply.model = response.id, response.model
    reply.service_tier = getattr(response, "service_tier", None)
    reply.usage = usage_of(response.usage)  # before what compatible servers shape in their own way
    for choice in response.choices or ():  # compatible servers send null with an error
        reply.finish_reasons.append(choice.finish_reason)
        message = getattr(choice, "message", None)  # a legacy completion has a text instead
        if message is not None and message.tool_calls:
            reply.tool_call_ids.extend([call.id for call in message.tool_calls])


def read_chunk(reply: Reply, chunk: Any) -> None:
    """Add a chunk of a stream to a reply."""
    if not reply.model:  # Azure's first chunk has neither id nor model
        reply.id, reply.model = chunk.id, chunk.model
    if chunk.usage:
        reply.usage = usage_of(chunk.usage)
    for choice in chunk.choices or ():
        if choice.finish_reason:
            reply.finish_reasons.append(choice.finish_reason)
            reply.service_tier = getattr(chunk, "service_tier", None)
        delta = getattr(choice, "delta", None)
        if delta is not None and delta.tool_calls:
            reply.tool_call_ids.extend([call.id for call in delta.tool_calls if call.id])
        if reply.output is not None:
            add_delta(reply.output, choice)


def read_embeddings(reply: Reply, response: Any) -> None:
    """Fill a reply from an answer with embeddings."""
    reply.model = response.model
    usage = content.record(getattr(response, "usage", None))  # not every client has a model of it
    reply.usage = TokenUsage(usage.prompt_tokens) if usage else None


def usage_of(usage: Any) -> TokenUsage | None:
    """Return the tokens of a usage object; compatible servers leave parts of it out."""
    if not usage:
        return None
    taken = getattr(usage, "prompt_tokens_details", None)
    made = getattr(usage, "completion_tokens_details", None)
    if taken.__class__ is dict or made.__class__ is dict:  # what a client has no model for
        taken, made = content.record(taken), content.record(made)
    cached = (
        getattr(usage, "cached_tokens", 0) if taken is None else taken.cached_tokens
    )  # Together, Moonshot
    return TokenUsage(
        usage.prompt_tokens,
        usage.completion_tokens,
        cached or 0,
        (taken and getattr(taken, "cache_write_tokens", 0)) or 0,
        (made and made.reasoning_tokens) or 0,
        0,
        (taken and getattr(taken, "audio_tokens", 0)) or 0,
        (made and getattr(made, "audio_tokens", 0)) or 0,
    )


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add what needs a look inside the arguments: choices, stops, output type, ids of tool results."""
    if "n" in arguments and arguments["n"].__class__ is int and arguments["n"] != 1:
        facts[semconv.REQUEST_CHOICE_COUNT] = arguments["n"]
    if "stop" in arguments:
        content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, arguments["stop"])
    if "response_format" in arguments and arguments["response_format"].__class__ is dict:
        kind = arguments["response_format"].get("type")
        facts[semconv.OUTPUT_TYPE] = "text" if kind == "text" else "json"
    messages = arguments["messages"] if "messages" in arguments else None
    if messages.__class__ is not list:
        return
    ids = []
    for message in reversed(messages):  # the results that are new since the model last spoke
        if message.__class__ is not dict or ("role" in message and message["role"] == "assistant"):
            break
        if "tool_call_id" in message:
            ids.append(message["tool_call_id"])
    if ids:
        facts[semconv.TOOL_RESULT_IDS] = tuple(ids[::-1])


def result_ids(items: Any) -> tuple[str, ...]:
    """Return the ids of the tool results that are new since the model last spoke: dicts or objects."""
    ids: list[str] = []
    for item in reversed(content.items_of(items)):
        told = item if item.__class__ is dict else getattr(item, "__dict__", {})
        if told.get("role") == "assistant" or "arguments" in told:
            break
        if told.get("tool_call_id"):
            ids.append(told["tool_call_id"])
    return tuple(ids[::-1])


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the messages and tools of a chat request."""
    messages = content.items_of(arguments.get("messages"))
    return Content(_chat_messages(messages), [], content.items_of(arguments.get("tools")))


def read_prompt(arguments: Mapping[str, Any]) -> Content:
    """Return the prompt of a legacy completion."""
    return Content([content.text("user", arguments.get("prompt"))], [], [])


def output(response: Any) -> list[Any]:
    """Return the choices of a chat or legacy completion."""
    return _chat_messages(
        [getattr(c, "message", None) or {"role": "assistant", "content": c.text} for c in response.choices]
    )


def generated(answer: Any) -> list[Any]:
    """Return the text of an answer to a mere prompt, and what was thought before it."""
    told = {"role": "assistant", "content": answer.response, "thinking": getattr(answer, "thinking", None)}
    return [{"role": "assistant", "parts": _spoken_parts(told, answer.response)}]


def add_delta(output: StreamedText, choice: Any) -> None:
    """Add a chunk of a streamed completion; each choice is a message of its own."""
    index, delta = getattr(choice, "index", 0), getattr(choice, "delta", None)
    if delta is None:
        output.add("text", choice.text, choice=index)
        return
    thoughts = [thought for name in _REASONING if isinstance(thought := getattr(delta, name, None), str)]
    output.add("reasoning", "".join(thoughts[:1]), 0, index)
    if delta.content:
        output.add("reasoning", thoughts_of(delta.content), 0, index)
        output.add("text", text_of(delta.content), 1, index)
    output.add("refusal", getattr(delta, "refusal", None), 2, index)
    audio = content.record(getattr(delta, "audio", None))
    output.add("audio", getattr(audio, "transcript", None), 3, index)
    for call in delta.tool_calls or ():
        function = call.function or content.record(getattr(call, "custom", None))
        name, arguments = getattr(function, "name", None), getattr(function, "arguments", None)
        place = CALLS + (call.index or 0)
        output.add_call(place, call.id, name, arguments or getattr(function, "input", None), index)


def text_of(body: Any) -> str:
    """Return the text of a message's body: a text, or a list of chunks of which some are."""
    if isinstance(body, str):
        return body
    return "".join([getattr(chunk, "text", None) or "" for chunk in content.items_of(body)])


def thoughts_of(body: Any) -> str:
    """Return the thinking in a message's body, which only a list of chunks can have."""
    chunks = [getattr(chunk, "thinking", None) for chunk in content.items_of(body)]
    return "".join([chunk if isinstance(chunk, str) else text_of(chunk) for chunk in chunks])


def _chat_messages(messages: list[Any]) -> list[Any]:
    return [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]}
        if m.__class__ is dict
        and "role" in m
        and "content" in m
        and m["content"].__class__ is str
        and "tool_calls" not in m
        and "tool_call_id" not in m
        else _chat_message(content.plain(m))
        for m in messages
    ]


def _chat_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return content.text("user", message)
    body = message.get("content")
    if message.get("tool_call_id"):
        part = {"type": "tool_call_response", "id": message["tool_call_id"], "response": body}
        return {"role": "tool", "parts": [part]}
    parts = _spoken_parts(message, body)
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call.get("custom") or {}
        arguments = function.get("arguments", function.get("input"))
        name = function.get("name")
        parts.append({"type": "tool_call", "id": call.get("id"), "name": name, "arguments": arguments})
    return {"role": message.get("role", "assistant"), "parts": parts}


def _spoken_parts(message: dict[str, Any], body: Any) -> list[Any]:
    """Return what a message thinks and says, in the order in which a streamed one is put together."""
    thoughts = [message[name] for name in _REASONING if isinstance(message.get(name), str)][:1]
    parts: list[Any] = [{"type": "reasoning", "content": thought} for thought in thoughts if thought]
    if isinstance(body, str):
        parts += content.spoken([{"type": "text", "content": body}])
    else:
        parts += [_chunk(chunk) for chunk in content.items_of(body)]
    if message.get("refusal"):
        parts.append({"type": "refusal", "content": message["refusal"]})
    audio = message.get("audio")
    if isinstance(audio, dict) and audio.get("transcript"):
        parts.append({"type": "audio", "transcript": audio["transcript"]})
    return parts


def _chunk(chunk: Any) -> Any:
    kind = chunk.get("type") if isinstance(chunk, dict) else None
    if kind == "text" and isinstance(chunk.get("text"), str):
        return {"type": "text", "content": chunk["text"]}
    if kind == "thinking":
        thought = chunk.get("thinking")
        texts = [each.get("text") or "" for each in content.items_of(thought) if isinstance(each, dict)]
        return {"type": "reasoning", "content": thought if isinstance(thought, str) else "".join(texts)}
    return chunk
