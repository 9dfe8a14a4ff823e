"""Calls of models as spans that have just ended tell them, whoever made the spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_agentprof import pricing, semconv
from otel_agentprof.model import dialects
from otel_agentprof.model.cost import billed_models
from otel_agentprof.readers.sdk import span_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role


class EndedCall(NamedTuple):
    """A call of a model that is over.

    Attributes:
        asked: The model that was asked for, where the span tells it.
        model: The model that answered, else the one that was asked for.
        usage: Its tokens; None where the span names none.
        usd: What it cost, by the span or by the price table; None where nobody knows.
        duration_ns: How long it took.
        error: ``error.type`` of a failed call, or "ERROR"; None for one that did not fail.
        status_code: The server's HTTP status, where the span tells it.
    """

    role: Role
    asked: str | None
    model: str | None
    usage: TokenUsage | None
    usd: float | None
    duration_ns: int
    error: str | None
    status_code: int | None


def call_of(readable: ReadableSpan) -> EndedCall | None:
    """Return the call that a span shows; None for a span that shows none."""
    scope, attributes = readable.instrumentation_scope, readable.attributes or {}
    is_ours = scope is not None and scope.name == semconv.SCOPE
    if is_ours and attributes.get(semconv.ROLE) not in semconv.LEAF_ROLES:
        return None  # most spans are: the rest is not for them
    span = span_of(readable)
    said = dialects.read(span)
    if said.role not in semconv.LEAF_ROLES:
        return None
    asked = span.attributes.get(semconv.REQUEST_MODEL)
    asked = asked if isinstance(asked, str) else None
    usd = said.cost
    if usd is None and said.usage is not None:
        names = billed_models(said.provider, asked, said.model)
        costs = [pricing.price(said.usage, name, provider=said.provider) for name in names]
        usd = next((float(cost.total) for cost in costs if cost is not None), None)
    told = span.attributes.get(semconv.ERROR_TYPE)
    status = span.attributes.get(semconv.HTTP_RESPONSE_STATUS_CODE)
    return EndedCall(
        role=said.role,
        asked=asked,
        model=said.model,
        usage=said.usage,
        usd=usd,
        duration_ns=(span.end_ns or span.start_ns) - span.start_ns,
        error=str(told) if told else "ERROR" if span.status == "ERROR" else None,
        status_code=status if isinstance(status, int) else None,
    )


def is_agent(readable: ReadableSpan) -> bool:
    """Return whether a span is an agent's, as far as its first attributes tell."""
    try:
        # The public view copies and locks: several function calls for each span of a program.
        attributes: Any = readable._attributes._dict  # type: ignore[union-attr]  # noqa: SLF001 - see above
    except AttributeError:  # another SDK than the ones that we know
        attributes = readable.attributes or {}
    if semconv.ROLE in attributes:  # it is ours
        return bool(attributes[semconv.ROLE] == "agent")
    return dialects.role_of(span_of(readable)) == "agent"
