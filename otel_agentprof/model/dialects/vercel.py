"""Vercel AI SDK: ``ai.*``, an outer span per function and an inner one per call."""

from __future__ import annotations

from typing import Final

from otel_agentprof.model.dialects.dialect import Dialect

VERCEL: Final = Dialect(
    name="Vercel AI SDK",
    scopes=("ai", "@ai-sdk/otel"),
    marks=("ai.operationId",),
    roles={
        "ai.operationId": {
            "ai.generateText": "agent",
            "ai.generateText.doGenerate": "llm",
            "ai.streamText": "agent",
            "ai.streamText.doStream": "llm",
            "ai.generateObject": "agent",
            "ai.generateObject.doGenerate": "llm",
            "ai.streamObject": "agent",
            "ai.streamObject.doStream": "llm",
            "ai.embed": "step",
            "ai.embed.doEmbed": "embedding",
            "ai.embedMany": "step",
            "ai.embedMany.doEmbed": "embedding",
            "ai.rerank": "step",
            "ai.rerank.doRerank": "rerank",
            "ai.toolCall": "tool",
        }
    },
    keys={
        "model": ("ai.response.model", "ai.model.id"),
        "provider": ("ai.model.provider",),
        "input": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "total": ("ai.usage.totalTokens",),
        "cache_read": ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"),
        "cache_write": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "reasoning": ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"),
        "response": ("ai.response.id",),
        "tool": ("ai.toolCall.name",),
        "call": ("ai.toolCall.id",),
        "agent": ("ai.telemetry.functionId",),
        "finish": ("ai.response.finishReason",),
        "first_token_ms": ("ai.response.msToFirstChunk",),
    },
)
