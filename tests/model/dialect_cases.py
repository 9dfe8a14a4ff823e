"""One span of each dialect, as its tracer writes it, and what it says in one convention: instrumentations."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from otel_agentprof.model import TokenUsage


class Case(NamedTuple):
    """A span of a dialect and what is in it."""

    attributes: dict[str, Any]
    role: str
    usage: TokenUsage | None = None
    model: str | None = None
    provider: str | None = None
    cost: float | None = None
    scope: str = ""
    name: str = "span"
    first_token_s: float | None = None
    is_streamed: bool | None = None
    reasons: tuple[str, ...] = ()
    response: str | None = None


INSTRUMENTATIONS = {
    "otel_agentprof": Case(
        {
            "agentprof.role": "llm",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_write.input_tokens": 40,
            "agentprof.usage.cache_write_1h.input_tokens": 30,
            "agentprof.cost.total": 0.25,
        },
        role="llm",
        usage=TokenUsage(100, 20, cache_write=40, cache_write_1h=30),
        model="claude-sonnet-4-5",
        provider="anthropic",
        cost=0.25,
    ),
    "OpenTelemetry": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": "r1",
            "gen_ai.response.finish_reasons": ("stop", "length"),
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_write.input_tokens": 10,
            "gen_ai.usage.reasoning.output_tokens": 5,
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10, 5),
        model="gpt-4o-2024-08-06",
        provider="openai",
        response="r1",
        first_token_s=0.25,
        is_streamed=True,
        reasons=("stop", "length"),
    ),
    "OpenTelemetry of 2025": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_creation.input_tokens": 10,
        },
        role="llm",
        usage=TokenUsage(100, 20, cache_write=10),
        model="m",
        provider="anthropic",
    ),
    "OpenTelemetry of 2024": Case(
        {
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 20,
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="gpt-4",
        provider="openai",
    ),
    "OpenInference": Case(
        {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 20,
            "llm.token_count.total": 120,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.prompt_details.cache_write": 10,
            "llm.token_count.prompt_details.audio": 3,
            "llm.token_count.completion_details.audio": 2,
            "llm.token_count.completion_details.reasoning": 5,
            "llm.cost.total": 0.5,
            "llm.finish_reason": "stop",
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10, 5, audio_input=3, audio_output=2),
        model="gpt-4o",
        provider="openai",
        cost=0.5,
        scope="openinference.instrumentation.openai",
        reasons=("stop",),
    ),
    "OpenLLMetry": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "az.ai.openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 120,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.reasoning_tokens": 5,
            "gen_ai.is_streaming": True,
            "gen_ai.response.finish_reason": "stop",
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, reasoning=5),
        model="gpt-4o",
        provider="az.ai.openai",
        scope="opentelemetry.instrumentation.openai.v1",
        is_streamed=True,
        reasons=("stop",),
    ),
    "OpenLLMetry of 2024": Case(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 20,
            "llm.usage.total_tokens": 120,
            "gen_ai.usage.cache_read_input_tokens": 60,
            "gen_ai.usage.cache_creation_input_tokens": 10,
            "llm.usage.reasoning_tokens": 5,
            "llm.is_streaming": False,
            "llm.response.stop_reason": "end_turn",
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10, 5),
        model="gpt-4o",
        provider="OpenAI",
        is_streamed=False,
        reasons=("end_turn",),
    ),
    "OpenLIT": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 120,
            "gen_ai.client.token.usage": 120,
            "gen_ai.usage.cost": 0.25,
            "gen_ai.request.stream": True,
            "gen_ai.server.time_to_first_token": 0.25,
            "telemetry.sdk.name": "openlit",
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="gpt-4o",
        provider="openai",
        cost=0.25,
        first_token_s=0.25,
        is_streamed=True,
    ),
    "Pydantic AI": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.details.reasoning_tokens": 5,
            "gen_ai.client.operation.time_to_first_chunk": 0.25,
            "operation.cost": 0.25,
        },
        role="llm",
        usage=TokenUsage(100, 20, reasoning=5),
        model="gpt-4o",
        provider="openai",
        cost=0.25,
        scope="pydantic-ai",
        first_token_s=0.25,
    ),
    "Logfire": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.raw": json.dumps(
                {"input_tokens": 30, "output_tokens": 20, "cache_read_input_tokens": 70}
            ),
            "operation.cost": 0.25,
        },
        role="llm",
        usage=TokenUsage(100, 20, cache_read=70),
        model="m",
        provider="anthropic",
        cost=0.25,
        scope="logfire.anthropic",
    ),
}
