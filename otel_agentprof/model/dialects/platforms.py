"""Langfuse, LangSmith and MLflow: platforms that write usage as a text that holds a document."""

from __future__ import annotations

from typing import Final

from otel_agentprof.model.dialects.dialect import Dialect

LANGFUSE: Final = Dialect(
    name="Langfuse",
    scopes=("langfuse-sdk",),
    marks=("langfuse.observation.type",),
    roles={
        "langfuse.observation.type": {
            "generation": "llm",
            "embedding": "embedding",
            "retriever": "retrieval",
            "tool": "tool",
            "agent": "agent",
            "chain": "step",
        }
    },
    keys={
        "model": ("langfuse.observation.model.name",),
        "first_token_at": ("langfuse.observation.completion_start_time",),
    },
    documents={"langfuse.observation.usage_details": ""},
    costs={"langfuse.observation.cost_details": "total"},
)
LANGSMITH: Final = Dialect(
    name="LangSmith",
    scopes=("langsmith",),
    marks=("langsmith.span.kind",),
    roles={
        "langsmith.span.kind": {
            "llm": "llm",
            "embedding": "embedding",
            "retriever": "retrieval",
            "tool": "tool",
            "chain": "step",
            "prompt": "step",
        }
    },
    keys={"stream": ("langsmith.request.streaming",)},
    documents={
        "langsmith.metadata.usage_metadata": "",
        "gen_ai.usage.input_token_details": "input_token_details",
        "gen_ai.usage.output_token_details": "output_token_details",
    },
    sums="partial",  # any run whose result is a message has the message's usage
)
MLFLOW: Final = Dialect(
    name="MLflow",
    marks=("mlflow.spanType",),
    roles={
        "mlflow.spanType": {
            "LLM": "llm",
            "CHAT_MODEL": "llm",
            "EMBEDDING": "embedding",
            "RETRIEVER": "retrieval",
            "RERANKER": "rerank",
            "TOOL": "tool",
            "AGENT": "agent",
            "WORKFLOW": "agent",
            "CHAIN": "step",
            "TASK": "step",
        }
    },
    keys={"model": ("mlflow.llm.model",), "provider": ("mlflow.llm.provider",)},
    documents={"mlflow.chat.tokenUsage": ""},
    costs={"mlflow.llm.cost": "total_cost"},
)
