"""OpenLLMetry (Traceloop), its old names and its new ones; OpenLIT."""

from __future__ import annotations

from typing import Final

from otel_agentprof.model.dialects.dialect import Dialect

OPENLLMETRY: Final = Dialect(
    name="OpenLLMetry",
    scopes=("opentelemetry.instrumentation", "traceloop"),
    marks=("traceloop.span.kind", "llm.request.type"),
    roles={
        "traceloop.span.kind": {"workflow": "agent", "agent": "agent", "task": "step", "tool": "tool"},
        "llm.request.type": {
            "chat": "llm",
            "completion": "llm",
            "embedding": "embedding",
            "rerank": "rerank",
        },
    },
    keys={
        "provider": ("llm.vendor",),
        "total": ("llm.usage.total_tokens",),
        "reasoning": ("llm.usage.reasoning_tokens",),
        "tool": ("traceloop.entity.name",),
        "agent": ("traceloop.entity.name",),
        "finish": ("llm.response.finish_reason", "llm.response.stop_reason"),
        "stream": ("gen_ai.is_streaming", "llm.is_streaming"),
    },
    first_chunk_event="content.completion.chunk",
)
OPENLLMETRY_CREWAI: Final = Dialect(
    name="OpenLLMetry crewai",
    scopes=("opentelemetry.instrumentation.crewai",),
    cumulative=frozenset({"agent"}),
)
OPENLIT: Final = Dialect(
    name="OpenLIT",
    scopes=("openlit",),
    frameworks=("openlit",),
    keys={
        "cost": ("gen_ai.usage.cost",),
        "first_token_s": ("gen_ai.server.time_to_first_token",),
    },
    fakes_first_token=True,
)
OPENLIT_LANGGRAPH: Final = Dialect(
    name="OpenLIT langgraph",
    frameworks=("langgraph",),
    sums="partial",  # the usage of the last message
    fakes_first_token=True,
)
