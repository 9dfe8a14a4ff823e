"""Finished spans in, reports out: the SpanProcessor, and what it does with a trace that is complete."""

from __future__ import annotations

from otel_agentprof.processor.exporter import BoundedSpanExporter
from otel_agentprof.processor.span_processor import AgentProfSpanProcessor
from otel_agentprof.processor.stats import ProcessorStats
from otel_agentprof.processor.watch import Watch

__all__ = ["AgentProfSpanProcessor", "BoundedSpanExporter", "ProcessorStats", "Watch"]
