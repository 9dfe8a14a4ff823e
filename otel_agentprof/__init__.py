"""The profiler for LLM agents that speaks OpenTelemetry.

    import otel_agentprof as ap
    ap.instrument()

Every LLM and tool call becomes a span; every trace becomes a Report that says where the time and the money
went. Names are loaded when they are first used, so that the import costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from otel_agentprof import analysis as analysis
    from otel_agentprof import model as model
    from otel_agentprof.analysis.finding import Finding as Finding
    from otel_agentprof.api import analyze as analyze
    from otel_agentprof.api import instrument as instrument
    from otel_agentprof.api import suggest as suggest
    from otel_agentprof.api import uninstrument as uninstrument
    from otel_agentprof.config import Config as Config
    from otel_agentprof.errors import AgentProfError as AgentProfError
    from otel_agentprof.errors import BudgetExceeded as BudgetExceeded
    from otel_agentprof.instrumentation.propagation import propagate as propagate
    from otel_agentprof.instrumentation.tools import agent as agent
    from otel_agentprof.instrumentation.tools import step as step
    from otel_agentprof.instrumentation.tools import tool as tool
    from otel_agentprof.optimize.budgets import Budget as Budget
    from otel_agentprof.optimize.executor import ParallelExecutor as ParallelExecutor
    from otel_agentprof.optimize.executor import RateLimit as RateLimit
    from otel_agentprof.optimize.executor import Retry as Retry
    from otel_agentprof.optimize.model_selector import ModelSelector as ModelSelector
    from otel_agentprof.optimize.prompt_cache import PromptCache as PromptCache
    from otel_agentprof.optimize.streaming import StreamingOptimizer as StreamingOptimizer
    from otel_agentprof.optimize.tool_calls import arun_tool_calls as arun_tool_calls
    from otel_agentprof.optimize.tool_calls import run_tool_calls as run_tool_calls
    from otel_agentprof.processor import AgentProfSpanProcessor as AgentProfSpanProcessor
    from otel_agentprof.processor import BoundedSpanExporter as BoundedSpanExporter
    from otel_agentprof.profilers import BottleneckDetector as BottleneckDetector
    from otel_agentprof.profilers import PerformanceProfiler as PerformanceProfiler
    from otel_agentprof.profilers import TokenProfiler as TokenProfiler
    from otel_agentprof.profiling import profile as profile
    from otel_agentprof.readers import read as read
    from otel_agentprof.report.report import Report as Report

_HOMES = {
    "AgentProfError": "errors",
    "AgentProfSpanProcessor": "processor",
    "BottleneckDetector": "profilers",
    "BoundedSpanExporter": "processor",
    "Budget": "optimize.budgets",
    "BudgetExceeded": "errors",
    "Config": "config",
    "Finding": "analysis.finding",
    "ModelSelector": "optimize.model_selector",
    "ParallelExecutor": "optimize.executor",
    "PerformanceProfiler": "profilers",
    "PromptCache": "optimize.prompt_cache",
    "RateLimit": "optimize.executor",
    "Report": "report.report",
    "Retry": "optimize.executor",
    "StreamingOptimizer": "optimize.streaming",
    "TokenProfiler": "profilers",
    "agent": "instrumentation.tools",
    "analyze": "api",
    "arun_tool_calls": "optimize.tool_calls",
    "instrument": "api",
    "profile": "profiling",
    "propagate": "instrumentation.propagation",
    "read": "readers",
    "run_tool_calls": "optimize.tool_calls",
    "step": "instrumentation.tools",
    "suggest": "api",
    "tool": "instrumentation.tools",
    "uninstrument": "api",
}
_ROOMS = ("analysis", "model")

__all__ = [
    "AgentProfError",
    "AgentProfSpanProcessor",
    "BottleneckDetector",
    "BoundedSpanExporter",
    "Budget",
    "BudgetExceeded",
    "Config",
    "Finding",
    "ModelSelector",
    "ParallelExecutor",
    "PerformanceProfiler",
    "PromptCache",
    "RateLimit",
    "Report",
    "Retry",
    "StreamingOptimizer",
    "TokenProfiler",
    "__version__",
    "agent",
    "analysis",
    "analyze",
    "arun_tool_calls",
    "instrument",
    "model",
    "profile",
    "propagate",
    "read",
    "run_tool_calls",
    "step",
    "suggest",
    "tool",
    "uninstrument",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
