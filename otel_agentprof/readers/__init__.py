"""Traces that others made, read into spans: from files, and from the OpenTelemetry SDK of this process."""

from __future__ import annotations

from otel_agentprof.readers.loaded import Loaded, read, read_spans
from otel_agentprof.readers.sdk import span_of, spans_of

__all__ = ["Loaded", "read", "read_spans", "span_of", "spans_of"]
