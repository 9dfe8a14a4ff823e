"""Mistral's client: chat, agents, fill-in-the-middle, conversations, responses, embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import chat, conversations, responses
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping


def _targets(*methods: str) -> tuple[str, ...]:
    return tuple(f"mistralai.client.{method}{suffix}" for method in methods for suffix in ("", "_async"))


def _read(reply: Reply, response: Any) -> None:
    chat.read(reply, response)
    _take_usage(reply, response.usage)


def _read_chunk(reply: Reply, event: Any) -> None:
    chunk = event.data
    for choice in chunk.choices:
        if choice.finish_reason or choice.delta.tool_calls.__class__ is list:
            break
    else:
        if reply.model is not None and chunk.usage is None and reply.output is None:
            return  # most chunks: nothing but text
    chat.read_chunk(reply, chunk)
    if chunk.usage:
        _take_usage(reply, chunk.usage)
        reply.is_final = True


def _take_usage(reply: Reply, usage: Any) -> None:
    reply.service_tier = usage.service_tier
    _tidy(reply)
    if not (usage.prompt_tokens or usage.completion_tokens):  # the model's defaults for what was not told
        reply.usage = None


def _read_response(reply: Reply, response: Any) -> None:
    responses.read(reply, response)
    _tidy(reply)


def _read_frame(reply: Reply, frame: Any) -> None:
    responses.read_event(reply, frame.data)
    if reply.is_final:
        _tidy(reply)


def _tidy(reply: Reply) -> None:
    """Make plain texts of what the client has classes for: what is unset, words that it does not know."""
    reply.service_tier = str(reply.service_tier) if reply.service_tier else None
    reply.finish_reasons = [str(reason) for reason in reply.finish_reasons if reason]


def _request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    chat.request_facts(arguments, facts)
    if ids := chat.result_ids(arguments.get("messages")):
        facts[semconv.TOOL_RESULT_IDS] = ids


def _read_error(error: BaseException) -> tuple[str | None, int | None]:
    told = content.parsed(getattr(error, "body", None))
    code = told.get("type") if told.__class__ is dict else None
    return code, getattr(error, "status_code", None)


_CONVERSING = tuple(f"conversations:Conversations.{verb}" for verb in ("start", "append", "restart"))
_CHAT = CallSpec(
    targets=_targets("chat:Chat.complete", "agents:Agents.complete"),
    operation="chat",
    role="llm",
    read=_read,
    read_chunk=_read_chunk,
    request={**conversations.SAMPLING, "agent_id": semconv.AGENT_ID},
    prompt=("tools", "messages"),
    request_facts=_request_facts,
    read_content=chat.read_content,
    read_output=chat.output,
)
_FIM = replace(
    _CHAT,
    targets=_targets("fim:Fim.complete"),
    operation="text_completion",
    prompt=("suffix", "prompt"),
    read_content=chat.read_prompt,
)
_CONVERSATION = replace(
    _CHAT,
    targets=_targets(*_CONVERSING),
    read=conversations.read,
    read_chunk=conversations.read_event,
    request={"agent_id": semconv.AGENT_ID, "conversation_id": semconv.CONVERSATION_ID},
    # What an id stands for comes before the inputs; two turns after different ones share no prompt.
    prompt=("agent_id", "tools", "instructions", "conversation_id", "from_entry_id", "inputs"),
    request_facts=conversations.request_facts,
    read_content=conversations.read_content,
    read_output=conversations.output,
)
_RESPONSES = replace(
    _CHAT,
    targets=_targets("responses:Responses.create"),
    read=_read_response,
    read_chunk=_read_frame,
    request={**conversations.SAMPLING, "max_output_tokens": semconv.REQUEST_MAX_TOKENS},
    prompt=("tools", "instructions", "input"),
    request_facts=responses.request_facts,
    read_content=responses.read_content,
    read_output=responses.output,
)

SPEC = ProviderSpec(
    name="mistral",
    provider="mistral_ai",
    distribution="mistralai>=3",
    calls=(
        _CHAT,
        replace(_CHAT, targets=_targets("chat:Chat.stream", "agents:Agents.stream"), streams=True),
        _FIM,
        replace(_FIM, targets=_targets("fim:Fim.stream"), streams=True),
        _CONVERSATION,
        replace(_CONVERSATION, targets=_targets(*(f"{name}_stream" for name in _CONVERSING)), streams=True),
        _RESPONSES,
        CallSpec(
            targets=_targets("embeddings:Embeddings.create"),
            operation="embeddings",
            role="embedding",
            read=chat.read_embeddings,
            request={"output_dimension": semconv.EMBEDDINGS_DIMENSION_COUNT},
        ),
    ),
    client_of=lambda resource: resource.sdk_configuration,
    url_of=lambda configuration: configuration.get_server_details()[0],
    caller_of=callers.of_mistral,
    read_error=_read_error,
    not_in_fingerprint=chat.NOT_IN_FINGERPRINT
    | {"http_headers", "retries", "server_url", "timeout_ms", "name", "description"},
    stateful=frozenset({"conversation_id"}),
    native_scope="mistralai_sdk_tracer",
)
