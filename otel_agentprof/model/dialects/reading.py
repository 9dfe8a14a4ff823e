"""One look at a span: what it is, in which dialect, and what it says of tokens and money."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof.model.dialects.otel import OTEL
from otel_agentprof.model.dialects.table import (
    BY_FRAMEWORK,
    FEW,
    KNOWN,
    NOT_VENDORS,
    SDK_NAME,
    Plan,
    dialect_of_scope,
    plan_of,
    plan_of_few,
)
from otel_agentprof.model.dialects.usage import usage_of as usage_in_attributes
from otel_agentprof.model.dialects.values import amount, document, first_amount, first_text
from otel_agentprof.semconv import AGENT_NAME, OPERATION_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.model.dialects.dialect import Dialect
    from otel_agentprof.model.span import Span
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role

_NAME_ROLES: Final[Mapping[str, Role]] = {
    "chat ": "llm",
    "generate_content ": "llm",
    "text_completion ": "llm",
    "embeddings ": "embedding",
    "execute_tool ": "tool",
    "invoke_agent": "agent",
    "invoke_workflow": "agent",
    "litellm_request": "llm",
    "call_llm": "llm",
    "ChatCompletion": "llm",
}
_NAMES: Final = tuple(_NAME_ROLES)
LITELLM_SCOPE: Final = "litellm"


class Reading(NamedTuple):
    """What one span says of itself.

    Attributes:
        role: What kind of work it is.
        dialect: How its words are meant.
        usage: Its tokens; None when it names neither input nor output.
        model: The model that answered, else the one that was asked for.
        provider: The vendor; None when only a framework is named.
        cost: US dollars that it names; None for a zero on tokens, which only says that nobody knew.
        response_id: The provider's id of the response.
        is_polluted: A gateway wrote its call's attributes on it although it is something else.
        is_log: A log record in the shape of a span, without a length.
        has_sums: It names sums that are marked as such, or a total that does not say what was input.
    """

    role: Role
    dialect: Dialect = OTEL
    usage: TokenUsage | None = None
    model: str | None = None
    provider: str | None = None
    cost: float | None = None
    response_id: str | None = None
    is_polluted: bool = False
    is_log: bool = False
    has_sums: bool = False


_reading: Final = partial(tuple.__new__, Reading)  # what Reading() comes down to, without a Python frame
_BY_NAME: Final[Mapping[Role, Reading]] = {role: Reading(role) for role in (*_NAME_ROLES.values(), "other")}


def read(span: Span) -> Reading:
    """Return what a span says of itself."""
    attributes = span.attributes
    few = len(attributes) <= FEW
    plan = plan_of_few(tuple(attributes)) if few else plan_of(KNOWN.intersection(attributes))
    if plan is None:
        return _BY_NAME[_role_by_name(span.name)]
    dialect = _dialect(span, plan)
    role = _role(span, plan, dialect)
    if plan.is_plain:
        return _reading((role, dialect, None, None, None, None, None, False, False, plan.has_sums))
    usage = None
    # Reading a stored response runs no model.
    if attributes.get(OPERATION_NAME) != "fetch_response" and not span.name.startswith(dialect.copies):
        usage = usage_in_attributes(attributes, plan)
    model = first_text(attributes, plan.model) if plan.model else None
    provider = _provider(attributes, plan) if plan.provider else None
    # LiteLLM's spelling, openai/gpt-5: who is paid stands beside it already.
    if model and provider and "/" in model and model.startswith(f"{provider}/"):
        model = model[len(provider) + 1 :]
        if dialect.adds_thoughts and usage is not None:
            usage = _without_thoughts_twice(usage)
    cost = _cost(attributes, plan)
    if not cost and usage is not None and usage.total:
        cost = None
    response_id = first_text(attributes, plan.response) if plan.response else None
    is_polluted = plan.is_polluted and span.scope != LITELLM_SCOPE
    is_log = plan.is_log and attributes.get("logfire.span_type") == "log"
    return _reading(
        (role, dialect, usage, model, provider, cost, response_id, is_polluted, is_log, plan.has_sums)
    )


def _role(span: Span, plan: Plan, dialect: Dialect) -> Role:
    attributes = span.attributes
    if plan.is_polluted and span.scope != LITELLM_SCOPE:
        return _role_of_polluted(span, plan)
    for key, roles in plan.role_keys:
        word = attributes[key]
        if isinstance(word, str):
            role = roles.get(word) or roles.get(word.strip('"'), "other")
            if dialect.not_calls and _is_no_call(span.name, dialect):
                return "step"
            return role
    return "llm" if plan.is_old else _role_by_name(span.name)


def _role_of_polluted(span: Span, plan: Plan) -> Role:
    """R14: the words of the gateway's call do not say what the span around it is."""
    for key, roles in plan.own_role_keys:
        word = span.attributes[key]
        if isinstance(word, str):
            return roles.get(word) or roles.get(word.strip('"'), "other")
    role = _role_by_name(span.name)
    if role == "other":
        return "agent" if AGENT_NAME in span.attributes else "step"
    return role


def _is_no_call(name: str, dialect: Dialect) -> bool:
    return name.startswith(dialect.not_calls) or name.endswith(dialect.not_calls)


def _role_by_name(name: str) -> Role:
    if name.startswith(_NAMES):
        return next(role for start, role in _NAME_ROLES.items() if name.startswith(start))
    return "other"


def _dialect(span: Span, plan: Plan) -> Dialect:
    """Return whose words these are: a framework that names itself, else the scope's, else the marks'."""
    attributes = span.attributes
    for key in plan.provider:
        word = attributes[key]
        if isinstance(word, str) and word in BY_FRAMEWORK:
            return BY_FRAMEWORK[word]
    found = dialect_of_scope(span.scope) if span.scope else None
    if found is None:
        word = attributes.get(SDK_NAME) or span.resource.get(SDK_NAME)
        found = BY_FRAMEWORK.get(word) if isinstance(word, str) else None
    return found or plan.dialect or OTEL


def _provider(attributes: Mapping[str, Any], plan: Plan) -> str | None:
    for key in plan.provider:
        provider = first_text(attributes, (key,))
        if provider is not None and provider not in NOT_VENDORS:
            return provider
    return None


def _without_thoughts_twice(usage: TokenUsage) -> TokenUsage:
    # Output that has its thinking twice is at least twice as long as the thinking.
    thoughts = usage.reasoning
    return usage._replace(output=usage.output - thoughts) if usage.output >= 2 * thoughts else usage


def _cost(attributes: Mapping[str, Any], plan: Plan) -> float | None:
    cost = first_amount(attributes, plan.cost) if plan.cost else None
    if cost is None and plan.cost_documents:
        for key, part in plan.cost_documents:
            found = document(attributes[key])
            cost = None if found is None else amount(found.get(part))
    if cost is None and plan.cost_parts:
        for keys in plan.cost_parts:
            parts = [amount(attributes[key]) for key in keys]
            cost = None if None in parts else sum(part for part in parts if part is not None)
    return cost
