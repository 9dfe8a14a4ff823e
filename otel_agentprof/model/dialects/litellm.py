"""LiteLLM's spans of single requests, which name tokens only as the vendor's own text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.model.dialects.usage import usage_in

if TYPE_CHECKING:
    from otel_agentprof.model.span import Span
    from otel_agentprof.model.tokens import TokenUsage

RAW_REQUEST: Final = "raw_gen_ai_request"
_FIELDS: Final = frozenset({"usage", "model", "id"})


class RawCall(NamedTuple):
    """One request as the vendor saw it; None for whatever the span does not tell."""

    usage: TokenUsage | None
    model: str | None
    response_id: str | None


def raw_call(span: Span) -> RawCall:
    """Return what the attributes ``llm.<vendor>.*`` tell of a request."""
    found: dict[str, object] = {}
    for key, value in span.attributes.items():
        first, _, rest = key.partition(".")
        _, _, field = rest.partition(".")
        if first == "llm" and field in _FIELDS:
            found[field] = value
    model, response = found.get("model"), found.get("id")
    return RawCall(
        usage_in(found.get("usage")),
        model if isinstance(model, str) and model else None,
        response if isinstance(response, str) and response else None,
    )
