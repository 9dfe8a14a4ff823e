"""OpenTelemetry's GenAI conventions, old and new, with the names that are ours; MCP."""

from __future__ import annotations

from typing import Final

from otel_agentprof import semconv
from otel_agentprof.model.dialects.dialect import Dialect

OURS: Final = Dialect(
    name="otel_agentprof",
    scopes=(semconv.SCOPE,),
    roles={semconv.ROLE: {role: role for role in semconv.ROLES}},
    keys={
        "cost": (semconv.COST_TOTAL, semconv.COST_MIRROR_AMOUNT),
        "cache_write_1h": (semconv.CACHE_WRITE_1H,),
        "video_input": (semconv.VIDEO_INPUT,),
        "video_output": (semconv.VIDEO_OUTPUT,),
    },
)
OTEL: Final = Dialect(
    name="OpenTelemetry",
    scopes=("opentelemetry.instrumentation.genai", "opentelemetry.instrumentation.openai_v2"),
    roles={
        semconv.OPERATION_NAME: {
            "chat": "llm",
            "generate_content": "llm",
            "text_completion": "llm",
            "responses": "llm",  # Azure
            "call_llm": "llm",  # any-agent
            "embeddings": "embedding",
            "rerank": "rerank",
            "retrieval": "retrieval",
            "search_memory": "retrieval",
            "execute_tool": "tool",
            "invoke_agent": "agent",
            "create_agent": "agent",
            "invoke_workflow": "agent",
            "plan": "step",
            "agent_step": "step",
            "execute_event_loop_cycle": "step",
            "execute_task": "step",
        }
    },
    keys={
        "model": (semconv.RESPONSE_MODEL, semconv.REQUEST_MODEL),
        "provider": (semconv.PROVIDER_NAME, semconv.SYSTEM),
        "input": (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_PROMPT_TOKENS),
        "output": (semconv.USAGE_OUTPUT_TOKENS, semconv.USAGE_COMPLETION_TOKENS),
        "total": ("gen_ai.usage.total_tokens",),
        "cache_read": (
            semconv.USAGE_CACHE_READ,
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.prompt_tokens_details.cache_read",
            "gen_ai.usage.prompt_tokens_details.cached_tokens",
        ),
        "cache_write": (
            semconv.USAGE_CACHE_WRITE,
            semconv.USAGE_CACHE_CREATION,
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.prompt_tokens_details.cache_write",
        ),
        "reasoning": (
            semconv.USAGE_REASONING,
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.completion_tokens_details.reasoning",
            "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        ),
        "audio_input": (semconv.USAGE_AUDIO_INPUT,),
        "audio_output": (semconv.USAGE_AUDIO_OUTPUT,),
        "audio_cache_read": (semconv.USAGE_AUDIO_CACHE_READ,),
        "image_input": (semconv.USAGE_IMAGE_INPUT,),
        "image_output": (semconv.USAGE_IMAGE_OUTPUT,),
        "image_cache_read": (semconv.USAGE_IMAGE_CACHE_READ,),
        "response": (semconv.RESPONSE_ID,),
        "tool": (semconv.TOOL_NAME,),
        "call": (semconv.TOOL_CALL_ID,),
        "agent": (semconv.AGENT_NAME,),
        "finish": (
            semconv.RESPONSE_FINISH_REASONS,
            "gen_ai.response.finish_reason",
            "gen_ai.response.stop_reason",
        ),
        "stream": (semconv.REQUEST_STREAM,),
        "first_token_s": (
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
            semconv.METRIC_TIME_TO_FIRST_CHUNK,  # Pydantic AI and Vercel write the metric's name on spans
        ),
    },
)
MCP: Final = Dialect(
    name="MCP",
    marks=("mcp.method.name",),
    roles={"mcp.method.name": {"tools/call": "tool"}},
)
