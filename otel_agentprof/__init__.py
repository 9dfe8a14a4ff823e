"""The profiler for LLM agents that speaks OpenTelemetry."""

from __future__ import annotations

__version__ = "0.1.0"
