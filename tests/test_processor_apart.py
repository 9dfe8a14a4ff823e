"""Spans that callbacks of the processor make: they pass by, or the callback would feed itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from pipelines import drop_in, owning

from otel_agentprof import semconv
from otel_agentprof.processor import AgentProfSpanProcessor, Watch, apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines import Pipeline

    from otel_agentprof.report.report import Report


def _with_callback(pipeline: Pipeline, work: Callable[[], object]) -> None:
    def on_report(report: Report) -> None:
        pipeline.reports.append(report)
        if len(pipeline.reports) < 5:  # a loop ends, and is seen
            work()

    pipeline.processor.on_report = on_report


def _run(pipeline: Pipeline) -> None:
    pipeline.tracer.start_span("agent").end()
    for _ in range(5):  # whatever the callback left in the queue has its turn
        pipeline.flush()


def _store(pipeline: Pipeline) -> None:
    with pipeline.tracer.start_as_current_span("store"):
        pipeline.tracer.start_span("query").end()


def _query_in_a_thread(pipeline: Pipeline) -> None:
    context = otel_context.get_current()
    thread = threading.Thread(target=lambda: pipeline.tracer.start_span("query", context=context).end())
    thread.start()
    thread.join()


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_spans_of_a_callback_pass_as_they_are(mode: Any) -> None:
    pipeline = mode()
    _with_callback(pipeline, lambda: _store(pipeline))

    _run(pipeline)

    assert [report.root_name for report in pipeline.reports] == ["agent"]
    assert sorted(pipeline.names) == ["agent", "query", "store"]
    assert dict(pipeline.exported["store"].attributes or {}) == {}
    assert pipeline.processor.stats.seen == 1


def test_profile_inside_a_callback_has_no_report_and_waits_for_none() -> None:
    pipeline, watches = drop_in(), list[Watch]()

    def profile() -> None:
        with pipeline.tracer.start_as_current_span("profile") as made:
            watches.append(pipeline.processor.watch(made.get_span_context()))

    _with_callback(pipeline, profile)

    _run(pipeline)

    assert [watch.is_blind for watch in watches] == [True]
    assert watches[0].report(timeout_s=3600) is None


def test_program_goes_on_being_analysed_after_a_callback_has_made_spans() -> None:
    pipeline = owning()
    _with_callback(pipeline, lambda: _store(pipeline))

    _run(pipeline)
    with pipeline.tracer.start_as_current_span("next"):
        pipeline.tracer.start_span("chat").end()
    pipeline.flush()

    assert [(report.root_name, report.span_count) for report in pipeline.reports] == [
        ("agent", 1),
        ("next", 2),
    ]


def test_spans_that_a_callback_has_made_in_another_thread_pass_too() -> None:
    pipeline = owning()

    def in_thread() -> None:
        with pipeline.tracer.start_as_current_span("store"):
            _query_in_a_thread(pipeline)

    _with_callback(pipeline, in_thread)

    _run(pipeline)

    assert len(pipeline.reports) == 1
    assert sorted(pipeline.names) == ["agent", "query", "store"]


def test_spans_of_a_callback_in_the_trace_of_the_program_pass_too() -> None:
    pipeline = owning()
    root = pipeline.tracer.start_span("request")
    above = trace.set_span_in_context(root)

    def within() -> None:
        with pipeline.tracer.start_as_current_span("store", context=above):
            _query_in_a_thread(pipeline)

    _with_callback(pipeline, within)
    pipeline.tracer.start_span("agent").end()
    pipeline.flush()
    pipeline.processor.on_report = pipeline.reports.append

    root.end()
    pipeline.flush()

    assert [(report.root_name, report.span_count) for report in pipeline.reports] == [
        ("agent", 1),
        ("request", 1),
    ]
    assert sorted(pipeline.names) == ["agent", "query", "request", "store"]
    assert pipeline.processor._apart.ids == {}


def test_span_of_the_program_that_ends_in_a_callback_is_analysed() -> None:
    pipeline = owning()
    request = pipeline.tracer.start_span("request")
    _with_callback(pipeline, request.end)

    pipeline.tracer.start_span("agent").end()
    pipeline.flush()
    pipeline.flush()

    assert [report.root_name for report in pipeline.reports] == ["agent", "request"]


def test_callbacks_of_two_processors_do_not_feed_each_other() -> None:
    pipeline, seen = drop_in(), list[str]()

    def other(report: Report) -> None:
        seen.append(report.root_name or "")
        if len(seen) < 5:
            _store(pipeline)

    second = AgentProfSpanProcessor(on_report=other)
    pipeline.provider.add_span_processor(second)
    _with_callback(pipeline, lambda: _store(pipeline))

    _run(pipeline)
    for _ in range(5):
        assert second.force_flush()
        pipeline.flush()

    assert [report.root_name for report in pipeline.reports] == seen == ["agent"]


def test_callback_without_spans_leaves_nothing_to_look_up() -> None:
    pipeline = drop_in()

    with pipeline.tracer.start_as_current_span("agent"):
        pipeline.tracer.start_span("chat").end()
    pipeline.flush()

    assert pipeline.analysis is not None  # a span too, made on the same thread, that goes the usual way
    assert semconv.LANE in (pipeline.analysis.attributes or {})
    assert pipeline.processor._apart.ids == {}


def test_traces_of_callbacks_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_REMEMBERED", 2)
    pipeline = drop_in()

    def store_often() -> None:
        for _ in range(4):
            _store(pipeline)

    _with_callback(pipeline, store_often)

    _run(pipeline)

    assert len(pipeline.reports) == 1
    assert len(pipeline.processor._apart.ids) == 2


def test_span_without_a_context_is_none_of_them() -> None:
    span = ReadableSpan("odd")

    with apart.inside():
        has_started = apart.Apart().has_started(span)

    assert not has_started
    assert not apart.Apart().has_ended(span)


def test_callback_in_the_thread_of_the_program_does_not_feed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = drop_in()
    _with_callback(pipeline, lambda: _store(pipeline))

    def refuse(_thread: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    _run(pipeline)

    assert [report.root_name for report in pipeline.reports] == ["agent"]
    assert not apart.HERE.is_inside


def test_flush_keeps_its_limit_whatever_the_next_processor_does() -> None:
    may_end, limits = threading.Event(), list[int]()

    class Wrapper(SpanProcessor):
        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            limits.append(timeout_millis)
            assert may_end.wait(60)
            return True

    pipeline = owning(next_processor=Wrapper())

    is_flushed = pipeline.processor.force_flush(timeout_millis=100)
    is_flushed_again = pipeline.processor.force_flush(timeout_millis=100)  # the first one is still at it
    may_end.set()

    assert (is_flushed, is_flushed_again) == (False, False)
    assert pipeline.processor.force_flush(timeout_millis=60_000)
    assert limits[0] <= 100
    assert len(limits) == 2
