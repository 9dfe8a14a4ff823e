"""What a span says of itself, in whatever dialect it was written.

A dialect is data: which attribute names it, and which of its words mean which role. The tests below are
tried in order and the first hit decides the role; token fields are read from every family present, the
first name that is there wins (the same number often stands under two names: never add them).

Source of the tables: dialects.md, sections 1 and 2.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.model.span import Span
    from otel_agentprof.semconv import Role

_OPENINFERENCE_KIND: Final = "openinference.span.kind"
_OPERATION_ROLES: Final[Mapping[str, Role]] = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "responses": "llm",
    "call_llm": "llm",
    "embeddings": "embedding",
    "rerank": "retrieval",
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
_ROLE_TABLE: Final[tuple[tuple[str, Mapping[str, Role]], ...]] = (
    (semconv.ROLE, {role: role for role in semconv.ROLES}),
    (
        _OPENINFERENCE_KIND,
        {
            "LLM": "llm",
            "EMBEDDING": "embedding",
            "RETRIEVER": "retrieval",
            "RERANKER": "retrieval",
            "TOOL": "tool",
            "AGENT": "agent",
            "CHAIN": "step",
            "PROMPT": "step",
        },
    ),
    (
        "langfuse.observation.type",
        {
            "generation": "llm",
            "embedding": "embedding",
            "retriever": "retrieval",
            "tool": "tool",
            "agent": "agent",
            "chain": "step",
        },
    ),
    (
        "langsmith.span.kind",  # before the operation name, which says "chat" on prompt runs too
        {
            "llm": "llm",
            "embedding": "embedding",
            "retriever": "retrieval",
            "tool": "tool",
            "chain": "step",
            "prompt": "step",
        },
    ),
    (
        "mlflow.spanType",
        {
            '"LLM"': "llm",  # every value of MLflow is a JSON text
            '"CHAT_MODEL"': "llm",
            '"EMBEDDING"': "embedding",
            '"RETRIEVER"': "retrieval",
            '"RERANKER"': "retrieval",
            '"TOOL"': "tool",
            '"AGENT"': "agent",
            '"WORKFLOW"': "agent",
            '"CHAIN"': "step",
            '"TASK"': "step",
        },
    ),
    (
        "ai.operationId",
        {
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
            "ai.rerank.doRerank": "retrieval",
            "ai.toolCall": "tool",
        },
    ),
    (semconv.OPERATION_NAME, _OPERATION_ROLES),
    ("traceloop.span.kind", {"workflow": "agent", "agent": "agent", "task": "step", "tool": "tool"}),
    (
        "llm.request.type",
        {"chat": "llm", "completion": "llm", "embedding": "embedding", "rerank": "retrieval"},
    ),
    ("mcp.method.name", {"tools/call": "tool"}),
)
_NAME_PREFIX_ROLES: Final[tuple[tuple[str, Role], ...]] = (
    ("chat ", "llm"),
    ("generate_content ", "llm"),
    ("text_completion ", "llm"),
    ("embeddings ", "embedding"),
    ("execute_tool ", "tool"),
    ("invoke_agent", "agent"),
    ("invoke_workflow", "agent"),
    ("litellm_request", "llm"),
    ("ChatCompletion", "llm"),
)
_MODEL_KEYS: Final = (
    semconv.RESPONSE_MODEL,
    semconv.REQUEST_MODEL,
    "llm.response.model_name",
    "llm.request.model_name",
    "llm.model_name",
    "embedding.model_name",
    "langfuse.observation.model.name",
    "ai.response.model",
    "ai.model.id",
)
_PROVIDER_KEYS: Final = (
    semconv.PROVIDER_NAME,
    semconv.SYSTEM,
    "llm.provider",
    "llm.system",
    "ai.model.provider",
)
_NOT_VENDORS: Final = frozenset({"strands-agents", "langchain", "crewai", "gcp.vertex.agent"})
_INPUT_KEYS: Final = (
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_PROMPT_TOKENS,
    "llm.token_count.prompt",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
_OUTPUT_KEYS: Final = (
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_COMPLETION_TOKENS,
    "llm.token_count.completion",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
_TOTAL_KEYS: Final = (
    "gen_ai.usage.total_tokens",
    "llm.token_count.total",
    "llm.usage.total_tokens",
    "ai.usage.totalTokens",
)
_CACHE_READ_KEYS: Final = (
    semconv.USAGE_CACHE_READ,
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens",
)
_CACHE_WRITE_KEYS: Final = (
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_CACHE_CREATION,
    "gen_ai.usage.cache_write_input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_REASONING_KEYS: Final = (
    semconv.USAGE_REASONING,
    "gen_ai.usage.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
)
_COST_KEYS: Final = (
    semconv.COST_TOTAL,
    semconv.COST_MIRROR_AMOUNT,
    "gen_ai.usage.cost",
    "operation.cost",
    "llm.cost.total",
    "gen_ai.cost.total_cost",
    "litellm.cost.total",
)
# Most spans are no calls: one look in C whether any name is there at all saves ten in Python.
_ANY_ROLE: Final = frozenset(key for key, _ in _ROLE_TABLE)
_ANY_COUNT: Final = frozenset(_INPUT_KEYS + _OUTPUT_KEYS)
_ANY_COST: Final = frozenset(_COST_KEYS)


def role_of(span: Span) -> Role:
    """Return what kind of work a span is: llm, tool, agent, retrieval, embedding, step or other."""
    attributes = span.attributes
    if not _ANY_ROLE.isdisjoint(attributes):
        for key, roles in _ROLE_TABLE:
            value = attributes.get(key)
            if isinstance(value, str):
                return roles.get(value, "other")
    if semconv.SYSTEM in attributes and semconv.REQUEST_MODEL in attributes:
        return "llm"  # the conventions before v1.36 had no operation name
    for prefix, role in _NAME_PREFIX_ROLES:
        if span.name.startswith(prefix):
            return role
    return "other"


def model_of(span: Span) -> str | None:
    """Return the model that answered, else the one that was asked for."""
    return _first_text(span.attributes, _MODEL_KEYS)


def provider_of(span: Span) -> str | None:
    """Return the vendor in the conventions' spelling; None when only a framework is named."""
    provider = _first_text(span.attributes, _PROVIDER_KEYS)
    return None if provider in _NOT_VENDORS else provider


def usage_of(span: Span) -> TokenUsage | None:
    """Return the tokens written on a span; None when it names neither input nor output."""
    attributes = span.attributes
    if _ANY_COUNT.isdisjoint(attributes):
        return None
    if attributes.get(semconv.OPERATION_NAME) == "fetch_response":
        return None  # reading a stored response runs no model
    taken, made = _first_count(attributes, _INPUT_KEYS), _first_count(attributes, _OUTPUT_KEYS)
    if taken is None and made is None:
        return None
    taken, made = taken or 0, made or 0
    cache_read = _first_count(attributes, _CACHE_READ_KEYS) or 0
    cache_write = _first_count(attributes, _CACHE_WRITE_KEYS) or 0
    cached = cache_read + cache_write
    if cached and _is_without_cached(taken, made, cached, _first_count(attributes, _TOTAL_KEYS)):
        taken += cached
    return TokenUsage(
        input=taken,
        output=made,
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=_first_count(attributes, _REASONING_KEYS) or 0,
        cache_write_1h=_first_count(attributes, (semconv.CACHE_WRITE_1H,)) or 0,
        audio_input=_first_count(attributes, (semconv.USAGE_AUDIO_INPUT,)) or 0,
        audio_output=_first_count(attributes, (semconv.USAGE_AUDIO_OUTPUT,)) or 0,
        audio_cache_read=_first_count(attributes, (semconv.USAGE_AUDIO_CACHE_READ,)) or 0,
    )


def response_id_of(span: Span) -> str | None:
    """Return the provider's id of the response; two leaves that share one show the same call."""
    return _first_text(span.attributes, (semconv.RESPONSE_ID, "ai.response.id"))


def tool_of(span: Span) -> tuple[str, str | None]:
    """Return the name of the tool that a tool span ran, and the id of the call where it is known."""
    attributes = span.attributes
    name = _first_text(attributes, (semconv.TOOL_NAME, "tool.name", "ai.toolCall.name")) or span.name
    return name, _first_text(attributes, (semconv.TOOL_CALL_ID, "tool.id", "ai.toolCall.id"))


def reported_cost_of(span: Span) -> float | None:
    """Return the US dollars that the span itself names, ours or a provider's; None when it names none."""
    for key in () if _ANY_COST.isdisjoint(span.attributes) else _COST_KEYS:
        value = span.attributes.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if 0 <= value <= sys.float_info.max:  # neither nan nor an integer beyond all floats
            return float(value)
    return None


def operation_of(span: Span, role: Role) -> str:
    """Return the name under which calls of the same kind are added up: the tool's, else the span's."""
    return tool_of(span)[0] if role == "tool" else span.name


def _is_without_cached(taken: int, made: int, cached: int, total: int | None) -> bool:
    """Return whether the input of a span leaves its cached tokens out, as some providers' own figures do."""
    if total is not None and total in (taken + made, taken + made + cached):
        return total != taken + made
    return cached > taken


def _first_text(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def _first_count(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None
