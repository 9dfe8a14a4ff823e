"""Spans, trees of spans, tokens and money: the data that every other room works on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otel_agentprof.model.cost import Cost as Cost
    from otel_agentprof.model.span import Event as Event
    from otel_agentprof.model.span import Link as Link
    from otel_agentprof.model.span import Span as Span
    from otel_agentprof.model.tokens import TokenUsage as TokenUsage
    from otel_agentprof.model.tree import SpanTree as SpanTree
    from otel_agentprof.model.tree import by_trace as by_trace

_HOMES: Final = {
    "Cost": "cost",
    "Event": "span",
    "Link": "span",
    "Span": "span",
    "SpanTree": "tree",
    "TokenUsage": "tokens",
    "by_trace": "tree",
}

__all__ = ["Cost", "Event", "Link", "Span", "SpanTree", "TokenUsage", "by_trace"]


def __getattr__(name: str) -> Any:
    # Spans and trees take longer to load than a program's start should, and no trace has ended yet.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
