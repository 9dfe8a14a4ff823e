"""Both modes of the processor, over the real SDK."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    TracerProvider,
    sampling,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pipelines import SECOND, drop_in, owning, span

from otel_agentprof import semconv
from otel_agentprof.api import analyze
from otel_agentprof.config import Config
from otel_agentprof.processor import AgentProfSpanProcessor, span_processor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines import Pipeline

    from otel_agentprof.report.report import Report

LLM = {
    semconv.OPERATION_NAME: "chat",
    semconv.PROVIDER_NAME: "openai",
    semconv.REQUEST_MODEL: "gpt-4o",
    semconv.RESPONSE_MODEL: "gpt-4o",
    semconv.USAGE_INPUT_TOKENS: 1000,
    semconv.USAGE_OUTPUT_TOKENS: 100,
    semconv.COST_TOTAL: 0.0035,
    semconv.COST_CURRENCY: "USD",
}


def research(pipeline: Pipeline) -> None:
    """An agent of 10 s: 4 s LLM, then two tools side by side of which the second one is waited for."""
    tracer = pipeline.tracer
    with tracer.start_as_current_span("agent", start_time=0, end_on_exit=False) as agent:
        span(tracer, "chat", 1, 5, **LLM)
        span(tracer, "hidden", 5, 6, **{semconv.ROLE: "tool"})
        span(tracer, "search", 5, 9, **{semconv.ROLE: "tool"})
    agent.end(end_time=10 * SECOND)


# --- drop-in ------------------------------------------------------------------------------------------------


def test_drop_in_adds_one_span_with_the_results_to_the_trace() -> None:
    pipeline = drop_in()

    research(pipeline)
    pipeline.flush()

    analysis, root = pipeline.analysis, pipeline.exported["agent"]
    assert analysis is not None
    assert pipeline.names == ["chat", "hidden", "search", "agent", "agentprof.analysis"]
    assert analysis.context.trace_id == root.context.trace_id
    assert analysis.parent is not None
    assert analysis.parent.span_id == root.context.span_id
    assert (analysis.start_time, analysis.end_time) == (0, 10 * SECOND)
    assert analysis.links[0].context == root.context
    assert analysis.instrumentation_scope is not None
    assert analysis.instrumentation_scope.name == "otel_agentprof"


def test_trace_with_the_analysis_span_reads_as_it_was_live() -> None:
    pipeline = drop_in()

    research(pipeline)
    pipeline.flush()

    assert analyze(pipeline.exporter.get_finished_spans()) == pipeline.reports[0]


def test_analysis_span_carries_small_results_and_no_usage() -> None:
    pipeline = drop_in()

    research(pipeline)
    pipeline.flush()

    assert pipeline.analysis is not None
    attributes = dict(pipeline.analysis.attributes or {})
    assert attributes["agentprof.duration_ns"] == 10 * SECOND
    assert attributes["agentprof.span_count"] == 4
    assert attributes["agentprof.critical_path.llm_ns"] == 4 * SECOND
    assert attributes["agentprof.critical_path.tool_ns"] == 4 * SECOND
    assert attributes["agentprof.subtree.input_tokens"] == 1000
    assert attributes["agentprof.subtree.output_tokens"] == 100
    assert attributes["agentprof.subtree.cost"] == pytest.approx(0.0035)
    assert not [name for name in attributes if name.startswith("gen_ai.")]
    assert all(len(str(value)) < 2048 for value in attributes.values())


def test_drop_in_leaves_foreign_spans_alone() -> None:
    pipeline = drop_in()

    research(pipeline)
    pipeline.flush()

    assert dict(pipeline.exported["chat"].attributes or {}) == LLM
    assert dict(pipeline.exported["agent"].attributes or {}) == {}


def test_trace_of_one_span_is_reported_and_gets_no_analysis_span() -> None:
    pipeline = drop_in()

    pipeline.tracer.start_span("alone").end()
    pipeline.flush()

    assert pipeline.names == ["alone"]
    assert [report.root_name for report in pipeline.reports] == ["alone"]


def test_analysis_span_can_be_switched_off() -> None:
    pipeline = drop_in(emit_analysis_span=False)

    research(pipeline)
    pipeline.flush()

    assert pipeline.analysis is None
    assert len(pipeline.reports) == 1


def test_nothing_is_analysed_for_nobody() -> None:
    provider = TracerProvider()
    processor = AgentProfSpanProcessor(config=Config(emit_analysis_span=False))
    provider.add_span_processor(processor)

    with provider.get_tracer("tests").start_as_current_span("agent") as agent:
        agent.add_event("something")
        provider.get_tracer("tests").start_span("child").end()
    processor.force_flush()

    assert processor.stats.seen == 2
    assert processor.stats.reports == 0


def test_analysis_span_goes_where_its_trace_goes() -> None:
    elsewhere, here = drop_in(), drop_in()

    research(here)
    here.flush()
    elsewhere.flush()

    assert here.analysis is not None
    assert elsewhere.names == []


def test_bound_tracer_gets_the_analysis_span() -> None:
    pipeline, other = drop_in(), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(other))

    pipeline.processor.bind(provider.get_tracer("ours"))
    research(pipeline)
    pipeline.flush()

    assert pipeline.analysis is None
    assert [exported.name for exported in other.get_finished_spans()] == ["agentprof.analysis"]


def test_global_provider_gets_the_analysis_span_of_its_own_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = drop_in()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", pipeline.provider)

    research(pipeline)
    pipeline.flush()

    assert pipeline.analysis is not None


def test_trace_that_we_joined_late_is_analysed_when_its_root_ends() -> None:
    provider, reports = TracerProvider(), list["Report"]()
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("agent"):
        processor = AgentProfSpanProcessor(on_report=reports.append, config=Config())
        provider.add_span_processor(processor)
        tracer.start_span("child").end()
    processor.force_flush()

    assert [(report.root_name, report.span_count) for report in reports] == [("agent", 2)]


# --- owning -------------------------------------------------------------------------------------------------


def test_owning_mode_forwards_the_trace_enriched() -> None:
    pipeline = owning()

    research(pipeline)
    pipeline.flush()

    exported = {name: dict(made.attributes or {}) for name, made in pipeline.exported.items()}
    self_ns = {name: values["agentprof.critical_path.self_ns"] for name, values in exported.items()}
    assert self_ns == {"chat": 4 * SECOND, "hidden": 0, "search": 4 * SECOND, "agent": 2 * SECOND}
    slack_ns = {name: values["agentprof.slack_ns"] for name, values in exported.items()}
    assert slack_ns == {"chat": 0, "hidden": 3 * SECOND, "search": 0, "agent": 0}
    assert exported["agent"]["agentprof.subtree.input_tokens"] == 1000
    assert exported["agent"]["agentprof.subtree.cost"] == pytest.approx(0.0035)
    assert exported["agent"]["agentprof.span_count"] == 4
    assert "agentprof.subtree.input_tokens" not in exported["chat"]
    assert exported["chat"].items() >= LLM.items()


def test_inner_span_carries_the_sums_of_what_is_below_it() -> None:
    pipeline = owning()
    tracer = pipeline.tracer

    with tracer.start_as_current_span("agent", start_time=0):
        for _ in range(2):
            with tracer.start_as_current_span("step") as step:
                step.set_attribute("number", 1)
                span(tracer, "chat", 1, 2, **LLM)
                span(tracer, "chat", 2, 3, **LLM)
    pipeline.flush()

    finished = pipeline.exporter.get_finished_spans()
    steps = [made for made in finished if made.name == "step"]
    assert [(made.attributes or {})["agentprof.subtree.input_tokens"] for made in steps] == [2000, 2000]
    assert (pipeline.exported["agent"].attributes or {})["agentprof.subtree.input_tokens"] == 4000


def test_nothing_is_forwarded_before_the_trace_is_complete() -> None:
    pipeline = owning()
    agent = pipeline.tracer.start_span("agent")
    pipeline.tracer.start_span("child", context=trace.set_span_in_context(agent)).end()
    pipeline.processor._run()
    held_back = pipeline.names

    agent.end()
    pipeline.flush()

    assert held_back == []
    assert pipeline.names == ["child", "agent"]


def test_copies_keep_everything_that_the_spans_had() -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_attributes=2, max_events=1, max_links=1))
    pipeline = owning(provider)
    seen: list[ReadableSpan] = []
    provider.add_span_processor(_Recorder(seen))
    links = [trace.Link(trace.SpanContext(n, n, is_remote=True)) for n in (1, 2)]

    made = pipeline.tracer.start_span("all", kind=trace.SpanKind.CLIENT, links=links, start_time=3)
    made.set_attributes({"a": 1, "b": {"nested": ["x", None]}, "c": 3})
    made.add_event("one")
    made.add_event("two")
    made.set_status(trace.StatusCode.ERROR, "broken")
    made.end(end_time=5)
    pipeline.flush()

    copy, original = pipeline.exported["all"], seen[0]
    assert copy is not original
    assert (copy.attributes or {}).items() > (original.attributes or {}).items()
    for name in _KEPT:
        assert getattr(copy, name) == getattr(original, name), name
    assert (copy.dropped_attributes, copy.dropped_events, copy.dropped_links) == (1, 1, 1)


_KEPT = (
    *("name", "context", "parent", "resource", "events", "links", "kind", "status", "start_time", "end_time"),
    *("instrumentation_scope", "dropped_attributes", "dropped_events", "dropped_links"),
)


class _Recorder(SpanProcessor):
    def __init__(self, seen: list[ReadableSpan]) -> None:
        self.seen = seen

    def on_end(self, span: ReadableSpan) -> None:
        self.seen.append(span)


def test_copies_can_be_sent_by_a_batch_processor_as_otlp() -> None:
    exporter = _Encoder()
    pipeline = owning(next_processor=BatchSpanProcessor(exporter))

    research(pipeline)
    pipeline.flush()
    pipeline.provider.shutdown()

    (resource,) = exporter.requests[0].resource_spans
    spans = {sent.name: sent for sent in resource.scope_spans[0].spans}
    sent = {pair.key: pair.value.int_value for pair in spans["agent"].attributes}
    assert set(spans) == {"agent", "chat", "hidden", "search"}
    assert sent["agentprof.critical_path.self_ns"] == 2 * SECOND


class _Encoder(InMemorySpanExporter):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        self.requests.append(encode_spans(spans))
        return super().export(spans)


def test_next_processor_hears_of_starts_at_once() -> None:
    starts: list[tuple[str, Any]] = []
    endings: list[str] = []

    class Next(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            span.set_attribute("seen", value=True)
            starts.append((span.name, parent_context))

        def _on_ending(self, span: Any) -> None:
            endings.append(span.name)

    pipeline = owning(next_processor=Next())
    context = otel_context.Context({"key": "value"})

    made = pipeline.tracer.start_span("agent", context=context)

    assert starts == [("agent", context)]
    assert made.attributes["seen"]
    made.end()
    assert endings == ["agent"]
    pipeline.provider.shutdown()


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_spans_recorded_without_being_sampled_are_analysed_and_stay_here(mode: Any) -> None:
    pipeline = mode(TracerProvider(sampler=_RecordOnly()))

    research(pipeline)
    pipeline.flush()

    assert pipeline.names == []
    assert [report.span_count for report in pipeline.reports] == [4]


class _RecordOnly(sampling.Sampler):
    def should_sample(self, *_args: Any, **_kwargs: Any) -> sampling.SamplingResult:
        return sampling.SamplingResult(sampling.Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


def test_drop_in_beside_owning_does_not_hold_up_the_analysis_span() -> None:
    pipeline = owning()
    drop_in(pipeline.provider)

    research(pipeline)
    for _ in range(2):
        pipeline.provider.force_flush()

    assert "agentprof.analysis" in pipeline.names
    assert [report.span_count for report in pipeline.reports] == [4]


# --- errors -------------------------------------------------------------------------------------------------


def test_error_of_a_callback_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = drop_in()
    pipeline.processor.on_report = _raise

    for _ in range(3):
        research(pipeline)
    pipeline.flush()

    assert pipeline.processor.stats.failures == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len([name for name in pipeline.names if name == "agentprof.analysis"]) == 3


def _raise(*_args: Any, **_kwargs: Any) -> Any:
    raise ValueError("mine")


def test_errors_of_the_next_processor_do_not_reach_the_program() -> None:
    class Broken(SpanProcessor):
        on_start = on_end = shutdown = force_flush = _on_ending = _raise

    pipeline = owning(next_processor=Broken())

    research(pipeline)
    flushed = pipeline.processor.force_flush()
    pipeline.provider.shutdown()

    assert not flushed
    assert len(pipeline.reports) == 1
    # 4 starts, 4 endings, 4 ends, a flush, a shutdown
    assert pipeline.processor.stats.failures == 14


def test_failed_analysis_forwards_the_trace_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = owning()
    context = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))
    unreadable = ReadableSpan("odd", context, kind=None)  # type: ignore[arg-type]  # as a broken library may do

    pipeline.processor.on_end(unreadable)
    pipeline.flush()

    assert pipeline.exporter.get_finished_spans() == (unreadable,)
    assert pipeline.processor.stats.failures == 1
    assert len(caplog.records) == 1


def test_span_without_a_context_does_no_harm() -> None:
    pipeline = owning()

    pipeline.processor.on_end(ReadableSpan("odd"))
    pipeline.flush()

    assert pipeline.names == []
    assert pipeline.processor.stats.failures == 0


# --- threads, tasks, pools ----------------------------------------------------------------------------------


def test_traces_of_many_threads_do_not_mix() -> None:
    pipeline = owning()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(200):
            pool.submit(research, pipeline)
    pipeline.flush()

    assert [report.span_count for report in pipeline.reports] == [4] * 200
    assert len(pipeline.names) == 800
    assert pipeline.processor.stats.seen == 800
    assert pipeline.processor.stats.forwarded == 800


async def test_tasks_of_one_trace_make_one_report() -> None:
    pipeline = drop_in()
    tracer = pipeline.tracer

    async def work(number: int) -> None:
        with tracer.start_as_current_span(f"task {number}"):
            await asyncio.sleep(0)

    with tracer.start_as_current_span("agent"):
        await asyncio.gather(*map(work, range(20)))
    pipeline.flush()

    assert [report.span_count for report in pipeline.reports] == [21]


def test_concurrent_multi_span_processor_is_served() -> None:
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(num_threads=3))
    pipeline = drop_in(provider)

    research(pipeline)
    provider.force_flush()

    assert [report.span_count for report in pipeline.reports] == [4]
    assert pipeline.analysis is not None
    provider.shutdown()


def test_worker_makes_no_spans_of_its_own_requests() -> None:
    suppressed: list[Any] = []
    pipeline = drop_in()
    pipeline.processor.on_report = lambda _report: suppressed.append(
        (otel_context.get_value("suppress_instrumentation"), threading.current_thread().name)
    )

    research(pipeline)
    pipeline.flush()

    assert suppressed == [(True, "agentprof")]


def test_callback_may_flush() -> None:
    pipeline = drop_in()
    flushed: list[bool] = []
    pipeline.processor.on_report = lambda _report: flushed.append(pipeline.processor.force_flush(1000))

    research(pipeline)
    pipeline.flush()

    assert flushed == [True]


def test_flush_gives_up_on_a_callback_that_hangs() -> None:
    pipeline = drop_in()
    may_go_on = threading.Event()
    pipeline.processor.on_report = lambda _report: may_go_on.wait()

    research(pipeline)
    flushed = pipeline.processor.force_flush(timeout_millis=20)

    assert not flushed
    may_go_on.set()
    pipeline.flush()


def test_shutdown_forwards_what_there_is_no_time_to_analyse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_processor, "_SHUTDOWN_TIMEOUT_S", 0.02)
    monkeypatch.setattr(span_processor, "_STOP_TIMEOUT_S", 0.02)
    pipeline = owning()
    is_stuck, may_go_on = threading.Event(), threading.Event()

    def stick(_report: Report) -> None:
        is_stuck.set()
        may_go_on.wait()

    pipeline.processor.on_report = stick
    research(pipeline)
    assert is_stuck.wait(60)

    for _ in range(2):
        research(pipeline)
    pipeline.provider.shutdown()

    assert len(pipeline.names) == 12
    assert pipeline.processor.stats.reports == 1
    assert pipeline.processor.stats.dropped == {"shutdown": 8}
    may_go_on.set()


def test_callback_that_ends_its_thread_does_not_end_the_analysis() -> None:
    pipeline = drop_in()
    pipeline.processor.on_report = _exit
    research(pipeline)
    pipeline.flush()
    pipeline.processor.on_report = pipeline.reports.append

    research(pipeline)
    pipeline.flush()

    assert len(pipeline.reports) == 1


def _exit(_report: Report) -> None:
    raise SystemExit


def test_span_can_end_while_the_buffer_is_locked() -> None:
    pipeline = drop_in()
    made = pipeline.tracer.start_span("agent")
    ending = threading.Thread(target=made.end)

    with pipeline.processor._lock:  # as when a finaliser ends a span in the middle of our own work
        ending.start()
        ending.join(10)

        assert not ending.is_alive()
    pipeline.flush()
    assert len(pipeline.reports) == 1
