"""The verbs end to end: pipelines that exist, that are made, and what profile() gives."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agentprof
from otel_agentprof import AgentProfSpanProcessor, model
from otel_agentprof.cli import local_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", **environment},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_profile_needs_no_provider_and_no_instrument() -> None:
    told = python("""
import otel_agentprof as ap
with ap.profile("task") as run:
    assert run.report is None
    with ap.tool("search"):
        pass
report = run.report
print(report.root_name, report.span_count, report.by_role["tool"].count, run.report is report)
""")

    assert told == "task 2 1 True"


def test_profile_of_a_part_of_a_running_trace_is_the_report_of_that_part() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    with (
        otel_agentprof.instrument(tracer_provider=provider),
        otel_agentprof.agent("outer"),
        otel_agentprof.tool("before"),
    ):
        with otel_agentprof.profile("part") as run, otel_agentprof.tool("within"):
            pass
        report = run.report

    assert report is not None
    assert [row.name for row in report.waterfall] == ["part", "execute_tool within"]


def test_profile_as_a_decorator_keeps_the_last_report() -> None:
    profiled = otel_agentprof.profile("work")

    @profiled
    def work(count: int) -> int:
        for _ in range(count):
            with otel_agentprof.step("part"):
                pass
        return count

    with otel_agentprof.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)):
        assert work(1) == 1
        assert work(3) == 3

    assert profiled.report is not None
    assert profiled.report.span_count == 4


async def test_profile_works_on_coroutines_and_tasks() -> None:
    profiled = otel_agentprof.profile()

    @otel_agentprof.tool("lookup")
    async def lookup() -> str:
        await asyncio.sleep(0)
        return "found"

    @profiled
    async def work() -> tuple[str, str]:
        return await asyncio.gather(lookup(), lookup())

    with otel_agentprof.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)):
        assert list(await work()) == ["found", "found"]
        async with otel_agentprof.profile("block") as run:
            await lookup()

    assert profiled.report is not None
    assert profiled.report.by_role["tool"].count == 2
    assert run.report is not None
    assert run.report.span_count == 2


def test_an_exception_passes_a_profile_and_its_report_is_there() -> None:
    run = otel_agentprof.profile("failing")

    with (
        otel_agentprof.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)),
        pytest.raises(ZeroDivisionError),
        run,
    ):
        _ = 1 / 0

    assert run.report is not None
    assert run.report.waterfall[0].marks == ("error",)


def test_a_profile_that_runs_cannot_be_entered_again() -> None:
    run = otel_agentprof.profile("once")

    with (
        otel_agentprof.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)),
        run,
        pytest.raises(otel_agentprof.AgentProfError, match="make one for each run"),
    ):
        run.__enter__()


def test_profiles_in_threads_are_reports_of_their_own() -> None:
    barrier = threading.Barrier(4)

    def work(number: int) -> int:
        with otel_agentprof.profile(f"thread {number}") as run:
            barrier.wait(10)
            for _ in range(number):
                with otel_agentprof.step("part"):
                    pass
        assert run.report is not None
        return run.report.span_count

    with (
        otel_agentprof.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)),
        ThreadPoolExecutor(4) as pool,
    ):
        assert list(pool.map(work, range(4))) == [1, 2, 3, 4]


def test_an_existing_provider_is_used_and_never_replaced() -> None:
    told = python("""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
mine = TracerProvider()
trace.set_tracer_provider(mine)
import otel_agentprof as ap
seen = []
with ap.instrument(on_report=seen.append) as handle:
    with trace.get_tracer("mine").start_as_current_span("root"):
        pass
    handle.processor.force_flush()
print(trace.get_tracer_provider() is mine, seen[0].root_name)
""")

    assert told == "True root"


def test_a_processor_that_the_user_attached_is_the_one_in_use() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    mine = AgentProfSpanProcessor()
    provider.add_span_processor(mine)

    with otel_agentprof.instrument(tracer_provider=provider) as handle:
        assert handle.processor is mine


def test_the_callback_of_a_processor_that_the_user_attached_keeps_its_place() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    mine: list[Any] = []
    other: list[Any] = []
    provider.add_span_processor(AgentProfSpanProcessor(on_report=mine.append))

    for callback in (None, other.append, None):
        with (
            otel_agentprof.instrument(tracer_provider=provider, on_report=callback),
            otel_agentprof.agent("a"),
        ):
            pass

    assert (len(mine), len(other)) == (2, 1)


def test_instrumenting_again_and_again_adds_one_processor() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    reports: list[Any] = []

    for _ in range(3):
        with (
            otel_agentprof.instrument(tracer_provider=provider, on_report=reports.append),
            otel_agentprof.agent("a"),
        ):
            pass

    assert len(reports) == 3


def test_with_nothing_configured_nothing_is_sent_and_nothing_is_logged() -> None:
    assert python("import otel_agentprof as ap\nap.instrument()\nwith ap.agent('a'): pass") == ""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP receiver over HTTP."""
    received: list[Any] = []

    def answer(request: local_http.Request) -> None:
        received.append(ExportTraceServiceRequest.FromString(request.body()))
        request.send_data(200, b"", {})

    with local_http.serving(answer) as url:
        yield url, received


def test_the_otel_variables_say_where_spans_go_and_they_arrive_enriched(
    receiver: tuple[str, list[Any]],
) -> None:
    url, received = receiver

    python(
        "import otel_agentprof as ap\nap.instrument()\nwith ap.agent('a'):\n    with ap.tool('t'): pass",
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_SERVICE_NAME="my-agent",
    )

    (resource,) = (spans for request in received for spans in request.resource_spans)
    names = {
        span.name: {a.key for a in span.attributes} for scope in resource.scope_spans for span in scope.spans
    }
    service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
    assert service == "my-agent"
    assert names.keys() == {"invoke_agent a", "execute_tool t"}
    assert all("agentprof.critical_path.self_ns" in keys for keys in names.values())


def test_an_exporter_that_is_not_installed_is_told_and_skipped() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import otel_agentprof as ap\nap.instrument()"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "OTEL_TRACES_EXPORTER": "zipkin"},
    )

    assert "no exporter 'zipkin' is installed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_analyze_takes_live_spans_model_spans_and_trees() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("root"):
        pass
    drawn = model.Span("a" * 32, "b" * 16, None, "root", 0, 10)

    live = otel_agentprof.analyze(exporter.get_finished_spans())
    own = otel_agentprof.analyze([drawn])
    tree = otel_agentprof.analyze(model.SpanTree.from_spans([drawn]))

    assert live.root_name == own.root_name == "root"
    assert own == tree
    assert json.loads(json.dumps(own.to_dict(), allow_nan=False))["schema"] == "agentprof.report/1"
    with pytest.raises(otel_agentprof.AgentProfError):
        otel_agentprof.analyze(["no span"])  # type: ignore[list-item]


def test_read_gives_the_trees_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    span = {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "name": "root",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "5",
    }
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))

    (tree,) = otel_agentprof.read(path)

    assert tree.duration_ns == 4
