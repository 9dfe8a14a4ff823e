"""Anthropic's client: messages, their beta, parse and stream helpers; Bedrock and Vertex too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Record, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping


def _read_message(reply: Reply, message: Any) -> None:
    reply.id, reply.model = message.id, message.model
    usage = message.usage
    if usage:
        reply.service_tier = getattr(usage, "service_tier", None)
        written = _record(getattr(usage, "cache_creation", None))
        reply.usage = _usage(usage, TokenUsage(), (written and written.ephemeral_1h_input_tokens) or 0)
    if message.stop_reason:
        reply.finish_reasons.append(message.stop_reason)
    reply.tool_call_ids.extend([block.id for block in message.content or () if block.type == "tool_use"])


def _read_event(reply: Reply, event: Any) -> None:
    kind = event.type
    if kind == "content_block_delta":  # most events are
        if reply.output is not None:
            content.add_message_delta(reply.output, event)
    elif kind in _EVENTS:
        _EVENTS[kind](reply, event)


def _start_message(reply: Reply, event: Any) -> None:
    _read_message(reply, event.message)
    if reply.usage is not None:  # its output count is a placeholder; message_delta brings the real one
        reply.usage = reply.usage._replace(output=0)


def _start_block(reply: Reply, event: Any) -> None:
    if event.content_block.type == "tool_use":
        reply.tool_call_ids.append(event.content_block.id)
    if reply.output is not None:
        content.add_message_block(reply.output, event)


def _change_message(reply: Reply, event: Any) -> None:
    if event.delta.stop_reason:
        reply.finish_reasons.append(event.delta.stop_reason)
    before = reply.usage or TokenUsage()
    reply.usage = _usage(event.usage, before, before.cache_write_1h)


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
    details = _record(getattr(usage, "output_tokens_details", None))
    thinking = (details and details.thinking_tokens) or before.reasoning
    return TokenUsage(fresh + read + written, usage.output_tokens, read, written, thinking, written_1h)


def _record(details: Any) -> Any:
    """Return details with attributes: what a version of the client has no model for comes as a dict."""
    return Record(details) if details.__class__ is dict else details


def _request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
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


_NOT_IN_FINGERPRINT = frozenset(
    {
        "cache_control",
        "extra_headers",
        "extra_query",
        "idempotency_key",
        "metadata",
        "stream",
        "timeout",
    }
)
_REQUEST = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "stream": semconv.REQUEST_STREAM,
}
_CLASSES = (
    "anthropic.resources.messages.messages:",
    "anthropic.resources.beta.messages.messages:",
    "anthropic.lib.bedrock._beta_messages:",  # these two hold copies of the functions, not the class
    "anthropic.lib.vertex._beta_messages:",
)
_MESSAGES = CallSpec(
    targets=tuple(
        f"{module}{name}.{method}"
        for module in _CLASSES
        for name in ("Messages", "AsyncMessages")
        for method in ("create", "parse")
    ),
    operation="chat",
    role="llm",
    read=_read_message,
    read_chunk=_read_event,
    request=_REQUEST,
    prompt=("tools", "system", "messages"),
    request_facts=_request_facts,
    read_content=content.read_messages,
    read_output=content.message_output,
)
_STREAM_HELPERS = CallSpec(
    targets=tuple(f"{module}{name}.stream" for module in _CLASSES for name in ("Messages", "AsyncMessages")),
    operation="chat",
    role="llm",
    read=_read_message,
    read_chunk=_read_event,
    request=_REQUEST,
    prompt=("tools", "system", "messages"),
    request_facts=_request_facts,
    streams=True,
    read_content=content.read_messages,
    read_output=content.message_output,
    deferred_request="__api_request",
)

SPEC = ProviderSpec(
    name="anthropic",
    provider="anthropic",
    distribution="anthropic>=0.100",
    calls=(_MESSAGES, _STREAM_HELPERS),
    transport="anthropic._base_client",
    provider_by_client={
        "AnthropicBedrock": "aws.bedrock",
        "AsyncAnthropicBedrock": "aws.bedrock",
        "AnthropicVertex": "gcp.vertex_ai",
        "AsyncAnthropicVertex": "gcp.vertex_ai",
    },
    error_code="type",
    not_in_fingerprint=_NOT_IN_FINGERPRINT,
    cache_marks=frozenset({"cache_control"}),
    native_tracer="_tracer",
    native_scope="com.anthropic.sdk.python",
    native_switch=("ANTHROPIC_OPEN_TELEMETRY", "false"),
)
