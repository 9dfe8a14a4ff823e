"""The three hand-driven fronts: time, tokens and bottlenecks of code that calls them itself."""

from __future__ import annotations

from otel_agentprof.profilers.bottlenecks import Bottleneck, BottleneckDetector
from otel_agentprof.profilers.records import TimingRecord
from otel_agentprof.profilers.timing import PerformanceProfiler
from otel_agentprof.profilers.tokens import TokenProfiler, TokenUsage

__all__ = [
    "Bottleneck",
    "BottleneckDetector",
    "PerformanceProfiler",
    "TimingRecord",
    "TokenProfiler",
    "TokenUsage",
]
