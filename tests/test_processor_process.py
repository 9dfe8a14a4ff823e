"""The processor where processes fork and end. Each script runs in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pipelines import drop_in, owning

_TESTS = Path(__file__).parent
_SET_UP = """
import os, sys
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SimpleSpanProcessor, BatchSpanProcessor
from otel_agentprof.config import Config
from otel_agentprof.processor import AgentProfSpanProcessor

class Print(SpanExporter):
    def export(self, spans):
        for span in spans:
            print(os.getpid() == parent and "parent" or "child", span.name, flush=True)
    def shutdown(self):
        pass

parent = os.getpid()
def told(report):
    print("report", report.root_name, report.span_count, flush=True)
"""


def run(script: str) -> list[str]:
    """Return the lines that a script prints; it must end well and say nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", _SET_UP + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=_TESTS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_exit_loses_nothing() -> None:
    lines = run("""
provider = TracerProvider()
provider.add_span_processor(AgentProfSpanProcessor(BatchSpanProcessor(Print()), on_report=told))
tracer = provider.get_tracer("tests")
running = tracer.start_span("running")
with tracer.start_as_current_span("agent"):
    tracer.start_span("child").end()
""")

    assert sorted(lines) == ["parent agent", "parent child", "report agent 2"]


def test_exit_loses_nothing_without_a_shutdown_from_the_provider() -> None:
    lines = run("""
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(AgentProfSpanProcessor(SimpleSpanProcessor(Print()), on_report=told))
tracer = provider.get_tracer("tests")
with tracer.start_as_current_span("agent") as agent:
    tracer.start_span("child").end()
""")

    assert lines == ["parent child", "parent agent", "report agent 2"]


def test_unfinished_trace_is_reported_at_exit() -> None:
    lines = run("""
provider = TracerProvider()
provider.add_span_processor(AgentProfSpanProcessor(on_report=told))
tracer = provider.get_tracer("tests")
agent = tracer.start_as_current_span("agent")
agent.__enter__()
tracer.start_span("child").end()
""")

    assert lines == ["report agent 2"]


def test_exit_with_a_pool_of_threads_in_the_pipeline_loses_nothing() -> None:
    lines = run("""
provider = TracerProvider(
    shutdown_on_exit=False,
    active_span_processor=ConcurrentMultiSpanProcessor(),
)
provider.add_span_processor(AgentProfSpanProcessor(SimpleSpanProcessor(Print())))
provider.get_tracer("tests").start_span("agent").end()
""")

    assert lines == ["parent agent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_child_has_no_copy_of_the_spans_and_works_on_its_own() -> None:
    lines = run("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what this is about
provider = TracerProvider()
processor = AgentProfSpanProcessor(SimpleSpanProcessor(Print()))
provider.add_span_processor(processor)
tracer = provider.get_tracer("tests")
tracer.start_span("first").end()
processor.force_flush()
agent = tracer.start_span("agent")
from opentelemetry import trace
tracer.start_span("inner", context=trace.set_span_in_context(agent)).end()
pid = os.fork()
if pid == 0:
    tracer.start_span("of the child").end()
    flushed = processor.force_flush()
    print("child flushed", flushed, processor.stats.seen, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
agent.end()
processor.force_flush()
""")

    assert lines == [
        "parent first",
        "child of the child",
        "child flushed True 1",
        "parent inner",
        "parent agent",
    ]


def test_fork_that_ran_no_hook_is_noticed() -> None:
    pipeline = owning()
    pipeline.tracer.start_span("of the parent")
    pipeline.processor._pid -= 1

    pipeline.tracer.start_span("of the child").end()
    pipeline.flush()

    assert pipeline.names == ["of the child"]


def test_interpreter_that_starts_no_more_threads_is_served_by_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = drop_in()

    def refuse(_thread: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pipeline.tracer.start_span("agent").end()
    pipeline.flush()

    assert [report.root_name for report in pipeline.reports] == ["agent"]


def test_importing_the_processor_loads_no_analysis() -> None:
    lines = run("""
heavy = ("otel_agentprof.report", "otel_agentprof.analysis", "otel_agentprof.readers", "genai_prices", "rich")
print([name for name in sys.modules if name.startswith(heavy)])
""")

    assert lines == ["[]"]
