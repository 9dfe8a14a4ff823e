"""One span of each dialect, as its tracer writes it, and what it says in one convention."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from otel_agentprof.model import Span, TokenUsage, dialects


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


CASES = {
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
    "Langfuse": Case(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.usage_details": json.dumps(
                {"input": 30, "output": 15, "total": 120, "input_cache_read": 70, "output_reasoning": 5}
            ),
            "langfuse.observation.cost_details": '{"input": 0.1, "output": 0.15, "total": 0.25}',
            "langfuse.observation.completion_start_time": '"1970-01-01T00:00:00.250000Z"',
        },
        role="llm",
        usage=TokenUsage(100, 20, cache_read=70, reasoning=5),
        model="gpt-4o",
        cost=0.25,
        scope="langfuse-sdk",
        first_token_s=0.25,
    ),
    "Langfuse around OpenAI": Case(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {
                    "prompt_tokens": 100,
                    "completion_tokens": 20,
                    "total_tokens": 120,
                    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 3},
                    "completion_tokens_details": {"reasoning_tokens": 5},
                }
            ),
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, reasoning=5, audio_input=3),
    ),
    "Langfuse after an error": Case(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": '{"input": 3, "output": 0, "total": 3}',
            "langfuse.observation.cost_details": '{"total": 0}',
        },
        role="llm",
        usage=TokenUsage(3),
        cost=None,
    ),
    "Vercel": Case(
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.id": "gpt-4o",
            "ai.model.provider": "openai.chat",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 20,
            "ai.usage.totalTokens": 120,
            "ai.usage.cachedInputTokens": 60,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 10,
            "ai.usage.reasoningTokens": 5,
            "ai.response.id": "r1",
            "ai.response.finishReason": "stop",
            "ai.response.msToFirstChunk": 250,
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10, 5),
        model="gpt-4o",
        provider="openai.chat",
        scope="ai",
        first_token_s=0.25,
        is_streamed=True,
        reasons=("stop",),
        response="r1",
    ),
    "Vercel embedding": Case(
        {"ai.operationId": "ai.embed.doEmbed", "ai.model.id": "e", "ai.usage.tokens": 7},
        role="embedding",
        usage=TokenUsage(7),
        model="e",
        scope="ai",
        is_streamed=False,
    ),
    "Vercel v7": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.client.operation.time_to_first_chunk": 0.25,
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="gpt-4o",
        provider="openai",
        scope="@ai-sdk/otel",
        first_token_s=0.25,
    ),
    "MLflow": Case(
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"claude-sonnet-4-5"',
            "mlflow.llm.provider": '"anthropic"',
            "mlflow.chat.tokenUsage": json.dumps(
                {
                    "input_tokens": 30,
                    "output_tokens": 20,
                    "total_tokens": 120,
                    "cache_read_input_tokens": 60,
                    "cache_creation_input_tokens": 10,
                    "cache_creation_input_tokens_above_1hr": 4,
                }
            ),
            "mlflow.llm.cost": '{"input_cost": 0.1, "output_cost": 0.15, "total_cost": 0.25}',
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10, cache_write_1h=4),
        model="claude-sonnet-4-5",
        provider="anthropic",
        cost=0.25,
    ),
    "LangSmith": Case(
        {
            "langsmith.span.kind": "llm",
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "langchain",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 120,
            "langsmith.metadata.usage_metadata": json.dumps(
                {
                    "input_tokens": 100,
                    "output_tokens": 20,
                    "input_token_details": {"cache_read": 60, "audio": 3},
                    "output_token_details": {"reasoning": 5},
                }
            ),
            "langsmith.request.streaming": True,
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, reasoning=5, audio_input=3),
        model="gpt-4o",
        scope="langsmith",
        is_streamed=True,
    ),
    "LangSmith with reprs": Case(
        {
            "langsmith.span.kind": "llm",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.input_token_details": "{'cache_read': 60, 'cache_creation': 10}",
            "gen_ai.usage.output_token_details": "{'reasoning': 5}",
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10, 5),
        scope="langsmith",
    ),
    "Google ADK": Case(
        {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.system": "gcp.vertex.agent",
            "gen_ai.request.model": "gemini-2.5-pro",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.reasoning.output_tokens": 5,
            "gen_ai.usage.experimental.system_instruction_tokens": 9,
            "gen_ai.response.finish_reasons": ("stop",),
        },
        role="llm",
        usage=TokenUsage(100, 20, reasoning=5),
        model="gemini-2.5-pro",
        scope="gcp.vertex.agent",
        reasons=("stop",),
    ),
    "Strands": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "strands-agents",
            "gen_ai.request.model": "m",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.completion_tokens": 20,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 120,
            "gen_ai.usage.cache_read_input_tokens": 60,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_write_input_tokens": 10,
            "gen_ai.server.time_to_first_token": 250,
            "gen_ai.server.request.duration": 900,
        },
        role="llm",
        usage=TokenUsage(100, 20, 60, 10),
        model="m",
        scope="strands.telemetry.tracer",
        first_token_s=0.25,
    ),
    "Microsoft Agent Framework": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.response.finish_reasons": '["stop"]',
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="gpt-4o",
        provider="openai",
        scope="agent_framework",
        reasons=("stop",),
    ),
    "Semantic Kernel": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.response.finish_reason": "stop",
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="gpt-4o",
        provider="openai",
        reasons=("stop",),
    ),
    "LiteLLM": Case(
        {
            "litellm.call_id": "l1",
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 120,
            "gen_ai.cost.total_cost": 0.25,
            "gen_ai.cost.input_cost": 0.2,
            "llm.is_streaming": "True",
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="gpt-4o",
        provider="openai",
        cost=0.25,
        scope="litellm",
        name="litellm_request",
        is_streamed=True,
    ),
    "LiteLLM v2": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "litellm.cost.total": 0.25,
            "litellm.request.streaming": False,
        },
        role="llm",
        usage=TokenUsage(100, 20),
        provider="openai",
        cost=0.25,
        scope="litellm",
        is_streamed=False,
    ),
    "Azure AI Inference": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "az.ai.inference",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="m",
        provider="az.ai.inference",
    ),
    "Azure AI Projects": Case(
        {
            "gen_ai.operation.name": "responses",
            "gen_ai.provider.name": "azure.openai",
            "gen_ai.system": "az.ai.agents",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
        },
        role="llm",
        usage=TokenUsage(100, 20),
        provider="azure.openai",
    ),
    "any-agent": Case(
        {
            "gen_ai.operation.name": "call_llm",
            "gen_ai.request.model": "mistral/mistral-small",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.input_cost": 0.25,
            "gen_ai.usage.output_cost": 0.5,
        },
        role="llm",
        usage=TokenUsage(100, 20),
        model="mistral/mistral-small",
        cost=0.75,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_call_says_the_same_in_every_dialect(case: Case) -> None:
    span = Span("1", "a", None, case.name, 0, 1_000_000_000, attributes=case.attributes, scope=case.scope)

    found = dialects.read(span)

    assert (found.role, found.usage) == (case.role, case.usage)
    assert (found.model, found.provider) == (case.model, case.provider)
    assert (found.cost, found.response_id) == (case.cost, case.response)
    assert dialects.first_token_s_of(span) == case.first_token_s
    assert dialects.is_streamed(span) is case.is_streamed
    assert dialects.finish_reasons_of(span) == case.reasons


@pytest.mark.parametrize(
    ("attributes", "tool"),
    [
        ({"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1"}, ("search", "c1")),
        ({"tool.name": "search", "tool.id": "c1"}, ("search", "c1")),
        ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, ("search", None)),
        ({"ai.toolCall.name": "search", "ai.toolCall.id": "c1"}, ("search", "c1")),
        ({}, ("span", None)),
    ],
)
def test_a_tool_is_known_by_name_and_call(attributes: dict[str, Any], tool: tuple[str, str | None]) -> None:
    assert dialects.tool_of(Span("1", "a", None, "span", 0, 1, attributes=attributes)) == tool


@pytest.mark.parametrize(
    "key", ["gen_ai.agent.name", "agent.name", "traceloop.entity.name", "ai.telemetry.functionId"]
)
def test_an_agent_is_known_by_name(key: str) -> None:
    assert dialects.agent_name_of(Span("1", "a", None, "x", 0, 1, attributes={key: "planner"})) == "planner"


@pytest.mark.parametrize(
    ("scope", "attributes", "dialect"),
    [
        ("pydantic-ai", {}, "Pydantic AI"),
        ("ai", {}, "Vercel AI SDK"),
        ("airflow", {}, "OpenTelemetry"),
        ("opentelemetry.instrumentation.openai.v1", {}, "OpenLLMetry"),
        ("opentelemetry.instrumentation.crewai", {}, "OpenLLMetry crewai"),
        ("opentelemetry.instrumentation.genai.openai", {}, "OpenTelemetry"),
        ("openinference.instrumentation.smolagents", {}, "smolagents"),
        ("", {"langfuse.observation.type": "span"}, "Langfuse"),
        ("mine", {"gen_ai.system": "strands-agents"}, "Strands"),
        ("mine", {"telemetry.sdk.name": "openlit"}, "OpenLIT"),
        ("mine", {"telemetry.sdk.name": 7}, "OpenTelemetry"),
        ("litellm", {"gen_ai.system": "smolagents"}, "smolagents"),
    ],
)
def test_a_dialect_is_known_by_framework_scope_or_mark(
    scope: str, attributes: dict[str, Any], dialect: str
) -> None:
    span = Span("1", "a", None, "x", 0, 1, scope=scope, attributes=attributes | {"agentprof.role": "llm"})

    assert dialects.read(span).dialect.name == dialect


def test_openlit_is_known_by_its_resource_too() -> None:
    span = Span(
        "1",
        "a",
        None,
        "x",
        0,
        1,
        resource={"telemetry.sdk.name": "openlit"},
        attributes={"gen_ai.operation.name": "chat"},
    )

    assert dialects.read(span).dialect.name == "OpenLIT"


@pytest.mark.parametrize(
    ("scope", "name", "attributes"),
    [
        (
            "openinference.instrumentation.llama_index",
            "OpenAI._prepare_chat_with_tools",
            {"openinference.span.kind": "LLM"},
        ),
        ("openinference.instrumentation.smolagents", "FinalAnswerTool", {"openinference.span.kind": "TOOL"}),
        ("openinference.instrumentation.openai_agents", "handoff to B", {"openinference.span.kind": "TOOL"}),
        ("gcp.vertex.agent", "execute_tool (merged)", {"gen_ai.operation.name": "execute_tool"}),
    ],
)
def test_a_span_that_only_claims_to_be_a_call_is_a_step(
    scope: str, name: str, attributes: dict[str, Any]
) -> None:
    assert dialects.role_of(Span("1", "a", None, name, 0, 1, scope=scope, attributes=attributes)) == "step"
