"""What a span says of itself, in whatever dialect it was written.

A dialect is data: which attribute names it, and which of its words mean which role. The tests below are
tried in order and the first hit decides the role; token fields are read from every family present, the
first name that is there wins (the same number often stands under two names: never add them).

Source of the tables: dialects.md, sections 1 and 2.
"""

from __future__ import annotations

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
    (semconv.OPERATION_NAME, _OPERATION_ROLES),
    ("traceloop.span.kind", {"workflow": "agent", "agent": "agent", "task": "step", "tool": "tool"}),
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
)
_MODEL_KEYS: Final = (
    semconv.RESPONSE_MODEL,
    semconv.REQUEST_MODEL,
    "llm.response.model_name",
    "llm.request.model_name",
    "llm.model_name",
    "embedding.model_name",
)
_PROVIDER_KEYS: Final = (semconv.PROVIDER_NAME, semconv.SYSTEM, "llm.provider", "llm.system")
_NOT_VENDORS: Final = frozenset({"strands-agents", "langchain", "crewai", "gcp.vertex.agent"})
_INPUT_KEYS: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_PROMPT_TOKENS, "llm.token_count.prompt")
_OUTPUT_KEYS: Final = (
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_COMPLETION_TOKENS,
    "llm.token_count.completion",
)
_CACHE_READ_KEYS: Final = (semconv.USAGE_CACHE_READ, "llm.token_count.prompt_details.cache_read")
_CACHE_WRITE_KEYS: Final = (
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_CACHE_CREATION,
    "llm.token_count.prompt_details.cache_write",
)
_REASONING_KEYS: Final = (
    semconv.USAGE_REASONING,
    "gen_ai.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
)


def role_of(span: Span) -> Role:
    """Return what kind of work a span is: llm, tool, agent, retrieval, embedding, step or other."""
    attributes = span.attributes
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
    if attributes.get(semconv.OPERATION_NAME) == "fetch_response":
        return None  # reading a stored response runs no model
    taken, made = _first_count(attributes, _INPUT_KEYS), _first_count(attributes, _OUTPUT_KEYS)
    if taken is None and made is None:
        return None
    return TokenUsage(
        input=taken or 0,
        output=made or 0,
        cache_read=_first_count(attributes, _CACHE_READ_KEYS) or 0,
        cache_write=_first_count(attributes, _CACHE_WRITE_KEYS) or 0,
        reasoning=_first_count(attributes, _REASONING_KEYS) or 0,
        cache_write_1h=_first_count(attributes, (semconv.CACHE_WRITE_1H,)) or 0,
        audio_input=_first_count(attributes, (semconv.USAGE_AUDIO_INPUT,)) or 0,
        audio_output=_first_count(attributes, (semconv.USAGE_AUDIO_OUTPUT,)) or 0,
        audio_cache_read=_first_count(attributes, (semconv.USAGE_AUDIO_CACHE_READ,)) or 0,
    )


def response_id_of(span: Span) -> str | None:
    """Return the provider's id of the response; two leaves that share one show the same call."""
    return _first_text(span.attributes, (semconv.RESPONSE_ID,))


def reported_cost_of(span: Span) -> float | None:
    """Return the US dollars that the span itself names, ours or a provider's; None when it names none."""
    value = span.attributes.get(semconv.COST_TOTAL)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def operation_of(span: Span, role: Role) -> str:
    """Return the name under which calls of the same kind are added up: agent, tool or operation and model."""
    attributes = span.attributes
    if role == "tool":
        return _first_text(attributes, (semconv.TOOL_NAME, "tool.name")) or span.name
    return span.name


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
