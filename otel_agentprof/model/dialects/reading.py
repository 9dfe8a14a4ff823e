"""One look at a span: what it is, in which dialect, and what it says of tokens and money.

Spans of one kind say the same but for tokens, money and response: all else is found once per kind and kept.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof.model.dialects.otel import OTEL
from otel_agentprof.model.dialects.table import (
    BY_FRAMEWORK,
    FEW,
    KNOWN,
    LOGFIRE_KIND,
    NOT_VENDORS,
    SDK_NAME,
    Plan,
    dialect_of_scope,
    plan_of,
    plan_of_few,
)
from otel_agentprof.model.dialects.usage import usage_of as usage_in_attributes
from otel_agentprof.model.dialects.values import amount, document, first_amount, first_text
from otel_agentprof.semconv import OPERATION_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.model.dialects.dialect import Dialect, Kind
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
_INFINITY: Final = float("inf")
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
        is_rerank: A retrieval that is a call of a model, and is counted like one.
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
    is_rerank: bool = False


_reading: Final = partial(tuple.__new__, Reading)  # what Reading() comes down to, without a Python frame
_BY_NAME: Final[Mapping[Role, Reading]] = {role: Reading(role) for role in (*_NAME_ROLES.values(), "other")}


class _Kind(NamedTuple):
    """What spans have in common that have the same plan, scope, tracer and words.

    Attributes:
        role: What the words say; None where they say nothing.
        minds_name: Whether the span's name has a say in it too.
        has_usage: Whether such a span may have tokens.
        has_thoughts_twice: Whether its output may have its thinking twice.
        reading: What such a span says, but for tokens, money and response.
    """

    role: Role | None
    minds_name: bool
    has_usage: bool
    has_thoughts_twice: bool
    reading: Reading


def read(span: Span) -> Reading:
    """Return what a span says of itself."""
    attributes = span.attributes
    few = len(attributes) <= FEW
    plan = plan_of_few(tuple(attributes)) if few else plan_of(KNOWN.intersection(attributes))
    if plan is None:
        return _BY_NAME[_role_by_name(span.name)]
    words, tracer = plan.words(attributes), span.resource.get(SDK_NAME)
    try:
        kind = _kind_of(plan, span.scope, words, tracer)
    except TypeError:  # a list where a word should be
        kind = _kind_of.__wrapped__(plan, span.scope, words, tracer)
    reading = kind.reading
    role = _role_with_name(span.name, plan, kind) if kind.minds_name else reading.role
    if plan.is_plain:
        return reading if role == reading.role else _reading((role, *reading[1:]))
    _, dialect, usage, model, provider, cost, response_id, is_polluted, is_log, has_sums, is_rerank = reading
    if kind.has_usage and not (dialect.copies and span.name.startswith(dialect.copies)):
        usage = usage_in_attributes(attributes, plan)
        if kind.has_thoughts_twice and usage is not None:
            usage = _without_thoughts_twice(usage)
    if plan.has_cost:
        cost = _cost(attributes, plan)
        if cost == 0 and usage is not None and usage.total:
            cost = None
    if plan.response:
        response_id = first_text(attributes, plan.response)
    told = role, dialect, usage, model, provider, cost, response_id, is_polluted, is_log, has_sums, is_rerank
    return _reading(told)


@lru_cache(maxsize=1024)  # by words for roles, vendors and models: nothing of what was asked or answered
def _kind_of(plan: Plan, scope: str, words: tuple[Any, ...], tracer: Any) -> _Kind:
    told = dict(zip(plan.word_keys, words, strict=False))
    dialect = _dialect(scope, told, tracer, plan)
    is_polluted = plan.is_polluted and scope != LITELLM_SCOPE
    role_keys = plan.own_role_keys if is_polluted else plan.role_keys
    said = _kind_by_words(told, role_keys)
    role: Role | None = "retrieval" if said == "rerank" else said
    minds_name = role is None or (bool(dialect.not_calls) and not is_polluted)
    if role is None and plan.is_old and not is_polluted:
        role, minds_name = "llm", False
    model, provider = first_text(told, plan.model), _provider(told, plan)
    is_litellm = False
    # LiteLLM's spelling, openai/gpt-5: who is paid stands beside it already.
    if model and provider and model.startswith(f"{provider}/"):
        model, is_litellm = model[len(provider) + 1 :], True
    return _Kind(
        role=role,
        minds_name=minds_name,
        has_usage=plan.has_usage and told.get(OPERATION_NAME) != "fetch_response",
        has_thoughts_twice=is_litellm and dialect.adds_thoughts,
        reading=Reading(
            role or "other",
            dialect,
            model=model,
            provider=provider,
            is_polluted=is_polluted,
            is_log=plan.is_log and told.get(LOGFIRE_KIND) == "log",
            has_sums=plan.has_sums,
            # Our own word for the role says retrieval; the conventions' word beside it says what it is.
            is_rerank=role == "retrieval"
            and any(_kind_by_words(told, (one,)) == "rerank" for one in role_keys),
        ),
    )


def _kind_by_words(told: Mapping[str, Any], keys: tuple[tuple[str, Mapping[str, Kind]], ...]) -> Kind | None:
    for key, roles in keys:
        word = told[key]
        if isinstance(word, str):
            return roles.get(word) or roles.get(word.strip('"'), "other")
    return None


def _role_with_name(name: str, plan: Plan, kind: _Kind) -> Role:
    if kind.role is not None:
        return "step" if _is_no_call(name, kind.reading.dialect) else kind.role
    role = _role_by_name(name)
    if kind.reading.is_polluted and role == "other":
        # R14: the words of the gateway's call do not say what the span around it is.
        return "agent" if plan.names_agent else "step"
    return role


def _is_no_call(name: str, dialect: Dialect) -> bool:
    return name.startswith(dialect.not_calls) or name.endswith(dialect.not_calls)


def _role_by_name(name: str) -> Role:
    if name.startswith(_NAMES):
        return next(role for start, role in _NAME_ROLES.items() if name.startswith(start))
    return "other"


def _dialect(scope: str, told: Mapping[str, Any], tracer: Any, plan: Plan) -> Dialect:
    """Return whose words these are: a framework that names itself, else the scope's, else the marks'."""
    for key in plan.provider:
        word = told[key]
        if isinstance(word, str) and word in BY_FRAMEWORK:
            return BY_FRAMEWORK[word]
    found = dialect_of_scope(scope) if scope else None
    if found is None:
        word = told.get(SDK_NAME) or tracer
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
    cost = None
    if plan.cost:
        cost = attributes[plan.cost[0]]
        if type(cost) is float and 0 <= cost < _INFINITY:  # as nearly always
            return cost
        cost = first_amount(attributes, plan.cost)
    if cost is None and plan.cost_documents:
        for key, part in plan.cost_documents:
            found = document(attributes[key])
            cost = None if found is None else amount(found.get(part))
    if cost is None and plan.cost_parts:
        for keys in plan.cost_parts:
            parts = [amount(attributes[key]) for key in keys]
            cost = None if None in parts else sum(part for part in parts if part is not None)
    return cost
