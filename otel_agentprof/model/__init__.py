"""Spans, trees of spans, tokens and money: the data that every other room works on."""

from __future__ import annotations

from otel_agentprof.model.cost import Cost
from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.model.tree import SpanTree, by_trace

__all__ = ["Cost", "Event", "Link", "Span", "SpanTree", "TokenUsage", "by_trace"]
