"""Anthropic's client: messages, their beta, parse and stream helpers; Bedrock and Vertex too."""

from __future__ import annotations

import re

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers
from otel_agentprof.instrumentation.shapes import messages, stainless
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

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
    read=messages.read,
    read_chunk=messages.read_event,
    request=_REQUEST,
    prompt=("tools", "system", "messages"),
    request_facts=messages.request_facts,
    read_content=messages.read_content,
    read_output=messages.output,
)
_STREAM_HELPERS = CallSpec(
    targets=tuple(f"{module}{name}.stream" for module in _CLASSES for name in ("Messages", "AsyncMessages")),
    operation="chat",
    role="llm",
    read=messages.read,
    read_chunk=messages.read_event,
    request=_REQUEST,
    prompt=("tools", "system", "messages"),
    request_facts=messages.request_facts,
    streams=True,
    read_content=messages.read_content,
    read_output=messages.output,
    deferred_request="__api_request",
)

SPEC = ProviderSpec(
    name="anthropic",
    provider="anthropic",
    distribution="anthropic>=0.100",
    calls=(_MESSAGES, _STREAM_HELPERS, stainless.retries("anthropic._base_client")),
    caller_of=callers.of_stainless,
    transport="anthropic._base_client",
    own_models=re.compile(r".*(claude|anthropic)"),
    provider_by_client={
        "AnthropicBedrock": "aws.bedrock",
        "AsyncAnthropicBedrock": "aws.bedrock",
        "AnthropicBedrockMantle": "aws.bedrock",
        "AsyncAnthropicBedrockMantle": "aws.bedrock",
        "AnthropicVertex": "gcp.vertex_ai",
        "AsyncAnthropicVertex": "gcp.vertex_ai",
    },
    service_tier=semconv.SERVICE_TIER,
    error_code="type",
    not_in_fingerprint=_NOT_IN_FINGERPRINT,
    cache_marks=frozenset({"cache_control"}),
    replay=stainless.Replay("anthropic", has_final_event=True),
    stateful=frozenset({"container"}),
    native_tracer="_tracer",
    native_scope="com.anthropic.sdk.python",
    native_switch=("ANTHROPIC_OPEN_TELEMETRY", "false"),
)
