"""Agent frameworks and gateways that write the conventions' names, each with habits of its own."""

from __future__ import annotations

from typing import Final

from otel_agentprof.model.dialects.dialect import Dialect

PYDANTIC_AI: Final = Dialect(
    name="Pydantic AI",
    scopes=("pydantic-ai",),
    keys={"cost": ("operation.cost",)},
    sums="own",
    loose_sums=("agent run",),  # the span of version 1, which holds the whole run context so far
)
LOGFIRE: Final = Dialect(
    name="Logfire",
    scopes=("logfire",),
    documents={"gen_ai.usage.raw": ""},
)
STRANDS: Final = Dialect(
    name="Strands",
    scopes=("strands",),
    frameworks=("strands-agents", "strands_agents"),
    cumulative=frozenset({"agent", "step"}),  # OpenInference copies the counter to chains
    counts_ms=True,
)
ADK: Final = Dialect(
    name="Google ADK",
    scopes=("gcp.vertex.agent",),
    frameworks=("gcp.vertex.agent",),
    not_calls=("execute_tool (merged",),
    adds_thoughts=True,  # right for Gemini, whose output leaves them out
)
AGENT_FRAMEWORK: Final = Dialect(name="Microsoft Agent Framework", scopes=("agent_framework",))
AG2: Final = Dialect(
    name="AG2",
    scopes=("opentelemetry.instrumentation.ag2",),
    keys={"reasoning": ("gen_ai.usage.thinking_tokens",)},
    copies=("record_usage model_call",),
)
ANY_AGENT: Final = Dialect(
    name="any-agent",
    scopes=("any_agent", "any-agent"),
    cost_parts=(("gen_ai.usage.input_cost", "gen_ai.usage.output_cost"),),
)
LITELLM: Final = Dialect(
    name="LiteLLM",
    scopes=("litellm",),
    keys={
        "cost": ("gen_ai.cost.total_cost", "litellm.cost.total"),
        "stream": ("litellm.request.streaming",),
    },
    is_gateway=True,
)
# Named where the vendor should stand, with no habit that matters here.
OTHER_FRAMEWORKS: Final = frozenset(
    {
        "ag2",
        "agno",
        "autogen",
        "crewai",
        "dspy",
        "google_adk",
        "haystack",
        "langchain",
        "llamaindex",
        "mastra",
        "openai_agents",
        "openai-agents",
        "pydantic-ai",
        "pydantic_ai",
        "semantic_kernel",
    }
)
