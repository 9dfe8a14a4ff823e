"""What a span says of itself, in whatever dialect it was written.

    dialect.py                          what a dialect is
    otel.py openinference.py ...        one family each, as data: which attribute, which word, which habit
    table.py                            all of them in one table; what of it applies to which attributes
    values.py usage.py                  values as found in the wild; the tokens of a span
    reading.py                          one look at a span: all that counting needs
    calls.py tool_ids.py requests.py litellm.py     what is asked of few spans

The role tests are tried in the order of the table and the first hit decides; tokens and cost are read from
every family present. Source of the tables: dialects.md, sections 1, 2 and 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.model.dialects.calls import (
    agent_name_of,
    aggregated_of,
    bare_total_of,
    finish_reasons_of,
    first_token_s_of,
    is_cache_hit,
    is_streamed,
    operation_of,
    tool_call_id_of,
    tool_of,
)
from otel_agentprof.model.dialects.dialect import Dialect
from otel_agentprof.model.dialects.reading import Reading, read
from otel_agentprof.model.dialects.requests import (
    TELLING,
    Chain,
    Request,
    request_of,
    written_chain_of,
)
from otel_agentprof.model.dialects.tool_ids import tool_call_ids_of, tool_result_ids_of
from otel_agentprof.model.dialects.usage import has_unreadable_tokens

if TYPE_CHECKING:
    from otel_agentprof.model.span import Span
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role

__all__ = [
    "TELLING",
    "Chain",
    "Dialect",
    "Reading",
    "Request",
    "agent_name_of",
    "aggregated_of",
    "bare_total_of",
    "finish_reasons_of",
    "first_token_s_of",
    "has_unreadable_tokens",
    "is_cache_hit",
    "is_streamed",
    "model_of",
    "operation_of",
    "provider_of",
    "read",
    "reported_cost_of",
    "request_of",
    "response_id_of",
    "role_of",
    "tool_call_id_of",
    "tool_call_ids_of",
    "tool_of",
    "tool_result_ids_of",
    "usage_of",
    "written_chain_of",
]


def role_of(span: Span) -> Role:
    """Return what kind of work a span is: llm, tool, agent, retrieval, embedding, step or other."""
    return read(span).role


def model_of(span: Span) -> str | None:
    """Return the model that answered, else the one that was asked for."""
    return read(span).model


def provider_of(span: Span) -> str | None:
    """Return the vendor in the conventions' spelling; None when only a framework is named."""
    return read(span).provider


def usage_of(span: Span) -> TokenUsage | None:
    """Return the tokens written on a span; None when it names neither input nor output."""
    return read(span).usage


def response_id_of(span: Span) -> str | None:
    """Return the provider's id of the response; two leaves that share one show the same call."""
    return read(span).response_id


def reported_cost_of(span: Span) -> float | None:
    """Return the US dollars that the span itself names, ours or a provider's; None when it names none."""
    return read(span).cost
