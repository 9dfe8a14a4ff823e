"""A watch: the report of one span, whatever it is part of."""

from __future__ import annotations

import gc
import threading

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider, sampling
from pipelines import drop_in, span, told_left_out


def test_watch_reports_the_subtree_of_a_span_inside_a_running_trace() -> None:
    pipeline = drop_in()
    tracer = pipeline.tracer

    with tracer.start_as_current_span("request"):
        tracer.start_span("before").end()
        with tracer.start_as_current_span("profiled") as watched:
            watch = pipeline.processor.watch(watched.get_span_context())
            with tracer.start_as_current_span("step"):
                tracer.start_span("call").end()
        tracer.start_span("after").end()
        report = watch.report()

    assert report is not None
    assert {row.name for row in report.waterfall} == {"profiled", "step", "call"}
    assert report.root_name == "profiled"
    assert report.data_quality == ()


def test_watch_on_a_root_is_about_the_whole_trace() -> None:
    pipeline = drop_in()
    tracer = pipeline.tracer

    with tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        own = agent.get_span_context()
        unseen = trace.NonRecordingSpan(
            trace.SpanContext(own.trace_id, 5, is_remote=False, trace_flags=own.trace_flags)
        )
        tracer.start_span("below", context=trace.set_span_in_context(unseen)).end()
    report = watch.report()

    assert report is not None
    assert report.span_count == 2


def test_report_of_a_watch_is_made_once() -> None:
    pipeline = drop_in()
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())

    first = watch.report()

    assert first is not None
    assert watch.report() is first


def test_watch_has_no_report_while_its_span_runs() -> None:
    pipeline = drop_in()

    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())

        assert watch.report() is None


def test_watch_has_no_report_of_a_span_that_is_not_recorded() -> None:
    pipeline = drop_in(TracerProvider(sampler=sampling.ALWAYS_OFF))

    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())

    assert watch.report(timeout_s=0.001) is None


def test_watch_waits_for_a_span_that_another_thread_ends() -> None:
    pipeline = drop_in()
    agent = pipeline.tracer.start_span("agent")
    watch = pipeline.processor.watch(agent.get_span_context())
    timer = threading.Timer(0.03, agent.end)

    timer.start()
    report = watch.report(timeout_s=10)

    timer.join()
    assert report is not None
    assert report.root_name == "agent"


def test_span_still_running_below_the_watched_one_is_shown_open() -> None:
    pipeline = drop_in()
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        running = pipeline.tracer.start_span("background")

    report = watch.report()

    assert report is not None
    assert {row.name: row.marks for row in report.waterfall}["background"] == ("open",)
    running.end()


def test_span_that_ended_before_the_report_was_asked_for_is_not_open() -> None:
    pipeline = drop_in()
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        running = pipeline.tracer.start_span("background")

    running.end()
    report = watch.report()

    assert report is not None
    assert "open" not in {row.name: row.marks for row in report.waterfall}["background"]


def test_watches_may_nest() -> None:
    pipeline = drop_in()
    tracer = pipeline.tracer

    with tracer.start_as_current_span("outer") as outer:
        outer_watch = pipeline.processor.watch(outer.get_span_context())
        with tracer.start_as_current_span("inner") as inner:
            inner_watch = pipeline.processor.watch(inner.get_span_context())
    reports = outer_watch.report(), inner_watch.report()

    assert [report.span_count for report in reports if report] == [2, 1]


def test_watch_keeps_no_more_spans_than_the_limit_and_its_report_says_so() -> None:
    pipeline = drop_in(max_spans_per_trace=3)
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        for _ in range(5):
            span(pipeline.tracer, "child", 0, 1)

    report = watch.report()

    assert report is not None
    assert report.span_count == 4
    assert told_left_out(report) == (
        "2 spans were left out (over OTEL_AGENTPROF_MAX_SPANS_PER_TRACE): "
        "counts, tokens and cost are too low."
    )


def test_watch_keeps_no_more_bytes_than_the_limit_and_its_report_says_so() -> None:
    pipeline = drop_in(max_bytes=50_000)
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        for _ in range(5):
            span(pipeline.tracer, "child", 0, 1, text="x" * 20_000)
            pipeline.processor._run()

    report = watch.report()

    assert report is not None
    assert report.span_count == 3
    assert told_left_out(report) == (
        "3 spans were left out (over OTEL_AGENTPROF_MAX_BYTES): counts, tokens and cost are too low."
    )


def test_watch_has_spans_that_a_full_queue_turned_away_if_it_saw_them_start() -> None:
    pipeline = drop_in(max_bytes=40_000)
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        with pipeline.processor._lock:  # nothing is taken in meanwhile
            for _ in range(3):
                span(pipeline.tracer, "child", 0, 1, text="x" * 8_000)
        pipeline.processor._run()

    report = watch.report()

    assert report is not None
    assert (report.span_count, told_left_out(report)) == (4, "")


def test_watched_span_itself_may_be_turned_away() -> None:
    pipeline = drop_in(max_bytes=40_000)
    with pipeline.tracer.start_as_current_span("agent") as agent:
        watch = pipeline.processor.watch(agent.get_span_context())
        pipeline.processor._lock.acquire()  # nothing is taken in meanwhile
        for _ in range(3):
            span(pipeline.tracer, "child", 0, 1, text="x" * 8_000)
    pipeline.processor._lock.release()

    report = watch.report(timeout_s=10)

    assert report is not None
    assert (report.root_name, report.span_count, told_left_out(report)) == ("agent", 4, "")
    assert pipeline.processor._buffer._watches.get(watch.trace_id, set()) == set()


def test_abandoned_watch_is_forgotten() -> None:
    pipeline = drop_in(max_age_s=0)
    agent = pipeline.tracer.start_span("agent")
    watch = pipeline.processor.watch(agent.get_span_context())
    pipeline.processor._run()
    known = len(pipeline.processor._buffer._watches)

    del watch
    gc.collect()
    pipeline.processor._run()

    assert known == 1
    assert pipeline.processor._buffer._watches == {}
    agent.end()
