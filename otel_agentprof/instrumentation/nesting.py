"""Calls inside calls: what a client, or another package, does beneath a call is no call of its own."""

from __future__ import annotations

from random import getrandbits
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context

from otel_agentprof import semconv
from otel_agentprof.model.budget import AGENTS_KEY

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

SPAN_KEY: Final = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
INNER_KEY: Final = "otel_agentprof.call"  # a client that is called by a client is the same call
_WITHIN_KEY: Final = "otel_agentprof.within"  # likewise for a tool: its methods call each other
_OPENLLMETRY_KEY: Final = "suppress_language_model_instrumentation"
_SILENCERS: Final = (
    INNER_KEY,
    _OPENLLMETRY_KEY,
    "suppress_instrumentation",
    context_api._SUPPRESS_INSTRUMENTATION_KEY,  # noqa: SLF001 - has no public name
    "opentelemetry.genai.client.inference.context",  # an instrumentation on OTel's util-genai is at work
    "opentelemetry.genai.client.embedding.context",
)
_OF_TOOLS: Final = frozenset({"tool", "retrieval"})


def is_silenced(outer: Context, provider: ProviderSpec, spec: CallSpec) -> bool:
    """Return whether somebody around a call makes its span, or wants none."""
    for key in _SILENCERS:
        if key in outer and outer[key]:
            return True
    return _WITHIN_KEY in outer and outer[_WITHIN_KEY] == provider.name and spec.role in _OF_TOOLS


def inside(outer: Context, span: Span, provider: ProviderSpec, spec: CallSpec) -> Context:
    """Return the context that a call works in: what it does below is the same call."""
    inner = {**outer, SPAN_KEY: span}
    if spec.role in semconv.LEAF_ROLES or spec.operation == "rerank":  # a search may well ask a model
        inner[INNER_KEY] = inner[_OPENLLMETRY_KEY] = True
    elif spec.role in _OF_TOOLS:
        inner[_WITHIN_KEY] = provider.name
    elif spec.role == "agent":
        return with_agent(span, Context(inner))
    return Context(inner)


def with_agent(span: Span, context: Context) -> Context:
    """Return a context that has an agent which has just begun, if nobody records its span."""
    if span.is_recording():
        return context  # listeners know it
    around: Any = context[AGENTS_KEY] if AGENTS_KEY in context else ()
    return Context({**context, AGENTS_KEY: (*around, (getrandbits(64), monotonic()))})
