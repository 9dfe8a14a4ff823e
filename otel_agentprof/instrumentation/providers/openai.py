"""OpenAI's client: chat, legacy completions, responses, embeddings; Azure and compatible servers too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_FINAL_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def _read_completion(reply: Reply, response: Any) -> None:
    reply.id, reply.model = response.id, response.model
    reply.service_tier = getattr(response, "service_tier", None)
    reply.usage = _completion_usage(response.usage)  # before what compatible servers shape in their own way
    for choice in response.choices or ():  # compatible servers send null with an error
        reply.finish_reasons.append(choice.finish_reason)
        message = getattr(choice, "message", None)  # a legacy completion has a text instead
        if message is not None and message.tool_calls:
            reply.tool_call_ids.extend([call.id for call in message.tool_calls])


def _read_completion_chunk(reply: Reply, chunk: Any) -> None:
    if not reply.model:  # Azure's first chunk has neither id nor model
        reply.id, reply.model = chunk.id, chunk.model
    if chunk.usage:
        reply.usage = _completion_usage(chunk.usage)
    for choice in chunk.choices or ():
        if choice.finish_reason:
            reply.finish_reasons.append(choice.finish_reason)
            reply.service_tier = getattr(chunk, "service_tier", None)
        delta = getattr(choice, "delta", None)
        if delta is not None and delta.tool_calls:
            reply.tool_call_ids.extend([call.id for call in delta.tool_calls if call.id])
        if reply.output is not None:
            content.add_chat_delta(reply.output, choice)


def _completion_usage(usage: Any) -> TokenUsage | None:
    if not usage:
        return None
    taken, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return TokenUsage(
        usage.prompt_tokens,
        usage.completion_tokens,
        (taken and taken.cached_tokens) or 0,
        (taken and getattr(taken, "cache_write_tokens", 0)) or 0,
        (made and made.reasoning_tokens) or 0,
        0,
        (taken and taken.audio_tokens) or 0,
        (made and made.audio_tokens) or 0,
    )


def _read_embeddings(reply: Reply, response: Any) -> None:
    reply.model = response.model
    reply.usage = TokenUsage(response.usage.prompt_tokens) if response.usage else None


def _read_response(reply: Reply, response: Any) -> None:
    reply.id, reply.model, reply.service_tier = response.id, response.model, response.service_tier
    reply.usage = _response_usage(response.usage)
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


def _response_usage(usage: Any) -> TokenUsage | None:
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


def _read_response_event(reply: Reply, event: Any) -> None:
    kind = event.type
    if kind in _FINAL_EVENTS:
        _read_response(reply, event.response)
        reply.is_final = True
    elif kind == "response.created":
        reply.id, reply.model = event.response.id, event.response.model
    elif kind == "error":
        reply.error = event.code or "error"
    if reply.output is not None:
        content.add_response_event(reply.output, event)


def _chat_request(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
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


def _responses_request(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
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


def _embeddings_request(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    if "encoding_format" in arguments:
        content.add_texts(facts, semconv.REQUEST_ENCODING_FORMATS, arguments["encoding_format"])


_NOT_IN_FINGERPRINT = frozenset(
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
_SAMPLING = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "stream": semconv.REQUEST_STREAM,
    "service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
}
_COMPLETION_REQUEST = {
    **_SAMPLING,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "reasoning_effort": semconv.REQUEST_REASONING_LEVEL,
}
_CHAT = CallSpec(
    targets=(
        "openai.resources.chat.completions.completions:Completions.create",
        "openai.resources.chat.completions.completions:Completions.parse",
        "openai.resources.chat.completions.completions:AsyncCompletions.create",
        "openai.resources.chat.completions.completions:AsyncCompletions.parse",
    ),
    operation="chat",
    role="llm",
    read=_read_completion,
    read_chunk=_read_completion_chunk,
    request=_COMPLETION_REQUEST,
    prompt=("tools", "functions", "messages"),
    request_facts=_chat_request,
    constants={semconv.OPENAI_API_TYPE: "chat_completions"},
    read_content=content.read_chat,
    read_output=content.chat_output,
)
_TEXT_COMPLETION = CallSpec(
    targets=(
        "openai.resources.completions:Completions.create",
        "openai.resources.completions:AsyncCompletions.create",
    ),
    operation="text_completion",
    role="llm",
    read=_read_completion,
    read_chunk=_read_completion_chunk,
    request=_COMPLETION_REQUEST,
    prompt=("prompt",),
    request_facts=_chat_request,
    read_content=content.read_prompt,
    read_output=content.chat_output,
)
_RESPONSES = CallSpec(
    targets=(
        "openai.resources.responses.responses:Responses.create",
        "openai.resources.responses.responses:Responses.parse",
        "openai.resources.responses.responses:AsyncResponses.create",
        "openai.resources.responses.responses:AsyncResponses.parse",
    ),
    operation="chat",
    role="llm",
    read=_read_response,
    read_chunk=_read_response_event,
    request={
        **_SAMPLING,
        "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
        "previous_response_id": semconv.REQUEST_PREVIOUS_RESPONSE_ID,
    },
    # What an id stands for comes before the input; two turns after different ones share no prompt.
    prompt=("tools", "instructions", "prompt", "previous_response_id", "conversation", "input"),
    request_facts=_responses_request,
    constants={semconv.OPENAI_API_TYPE: "responses"},
    read_content=content.read_responses,
    read_output=content.responses_output,
)
_EMBEDDINGS = CallSpec(
    targets=(
        "openai.resources.embeddings:Embeddings.create",
        "openai.resources.embeddings:AsyncEmbeddings.create",
    ),
    operation="embeddings",
    role="embedding",
    read=_read_embeddings,
    request={"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT},
    request_facts=_embeddings_request,
)

SPEC = ProviderSpec(
    name="openai",
    provider="openai",
    distribution="openai>=2",
    calls=(_CHAT, _TEXT_COMPLETION, _RESPONSES, _EMBEDDINGS),
    transport="openai._base_client",
    provider_by_client={"AzureOpenAI": "azure.ai.openai", "AsyncAzureOpenAI": "azure.ai.openai"},
    service_tier=semconv.OPENAI_RESPONSE_SERVICE_TIER,
    not_in_fingerprint=_NOT_IN_FINGERPRINT,
)
