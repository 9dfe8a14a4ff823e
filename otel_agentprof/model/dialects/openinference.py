"""OpenInference (Arize Phoenix): attributes under ``llm.*``, flattened messages."""

from __future__ import annotations

from typing import Final

from otel_agentprof.model.dialects.dialect import Dialect

OPENINFERENCE: Final = Dialect(
    name="OpenInference",
    scopes=("openinference.instrumentation",),
    marks=("openinference.span.kind",),
    roles={
        "openinference.span.kind": {
            "LLM": "llm",
            "EMBEDDING": "embedding",
            "RETRIEVER": "retrieval",
            "RERANKER": "rerank",
            "TOOL": "tool",
            "AGENT": "agent",
            "CHAIN": "step",
            "PROMPT": "step",
        }
    },
    keys={
        "model": (
            "llm.response.model_name",
            "llm.request.model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        "provider": ("llm.provider", "llm.system"),
        "input": ("llm.token_count.prompt",),
        "output": ("llm.token_count.completion",),
        "total": ("llm.token_count.total",),
        "cache_read": (
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        "cache_write": ("llm.token_count.prompt_details.cache_write",),
        "reasoning": ("llm.token_count.completion_details.reasoning",),
        "audio_input": ("llm.token_count.prompt_details.audio",),
        "audio_output": ("llm.token_count.completion_details.audio",),
        "cost": ("llm.cost.total",),
        "tool": ("tool.name", "tool_call.function.name"),
        "call": ("tool.id", "tool_call.id"),
        "agent": ("agent.name",),
        "finish": ("llm.finish_reason",),
    },
    cost_parts=(("llm.cost.prompt", "llm.cost.completion"),),
    not_calls=("handoff to ", "FinalAnswerTool", "_prepare_chat_with_tools"),
    first_chunk_event="First Token Stream Event",
)
# The same words, other sums.
OPENINFERENCE_LANGCHAIN: Final = Dialect(
    name="OpenInference langchain",
    scopes=("openinference.instrumentation.langchain",),
    not_calls=OPENINFERENCE.not_calls,
    sums="partial",
    first_chunk_event=OPENINFERENCE.first_chunk_event,
)
SMOLAGENTS: Final = Dialect(
    name="smolagents",
    scopes=("openinference.instrumentation.smolagents",),
    frameworks=("smolagents",),  # as OpenLIT writes it
    not_calls=OPENINFERENCE.not_calls,
    cumulative=frozenset({"agent"}),
    first_chunk_event=OPENINFERENCE.first_chunk_event,
)
CLAUDE_AGENT: Final = Dialect(
    name="Claude Agent SDK",
    scopes=("openinference.instrumentation.claude_agent_sdk", "logfire.claude_agent_sdk"),
    frameworks=("claude_agent_sdk", "claude-agent-sdk"),
    is_billed=True,
)
BROWSER_USE: Final = Dialect(
    name="browser-use",
    frameworks=("browser_use", "browser-use"),
    is_billed=True,
)
