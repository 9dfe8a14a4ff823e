"""When a trace is over, and what happens to traces that are too large, too many, too old or late."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from pipelines import drop_in, owning, told_left_out

from otel_agentprof.processor import span_processor

if TYPE_CHECKING:
    from pipelines import Pipeline

    from otel_agentprof.report.report import Report


class _Reported:
    """A callback that can be waited for."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.reports: list[Report] = []
        self._is_there = threading.Event()
        pipeline.processor.on_report = self

    def __call__(self, report: Report) -> None:
        self.reports.append(report)
        self._is_there.set()

    def wait(self) -> Report:
        assert self._is_there.wait(10)
        return self.reports[0]


class _Stuck:
    """A callback that holds up the worker until it is let go; a trace of one span leads it there."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.reports: list[Report] = []
        self._is_in, self._may_go = threading.Event(), threading.Event()
        pipeline.processor.on_report = self
        pipeline.tracer.start_span("first").end()
        assert self._is_in.wait(10)

    def __call__(self, report: Report) -> None:
        self.reports.append(report)
        self._is_in.set()
        assert self._may_go.wait(10)

    def let_go(self) -> None:
        self._may_go.set()


def child(pipeline: Pipeline, parent: Any, name: str = "child", **attributes: Any) -> Any:
    return pipeline.tracer.start_span(name, context=trace.set_span_in_context(parent), attributes=attributes)


# --- the end of a trace -------------------------------------------------------------------------------------


def test_trace_with_open_spans_is_complete_when_the_grace_is_over() -> None:
    pipeline = drop_in(grace_s=0.01)
    reported = _Reported(pipeline)
    root = pipeline.tracer.start_span("agent")
    child(pipeline, root, "done").end()
    still_open = child(pipeline, root, "forgotten")

    root.end()
    report = reported.wait()

    assert {row.name: row.marks for row in report.waterfall}["forgotten"] == ("open",)
    assert report.span_count == 3
    still_open.end()


def test_child_that_ends_within_the_grace_completes_the_trace() -> None:
    pipeline = drop_in(grace_s=3600)
    reported = _Reported(pipeline)
    root = pipeline.tracer.start_span("agent")
    late = child(pipeline, root)

    root.end()
    pipeline.processor._run()
    reported_before = list(reported.reports)
    late.end()

    assert reported_before == []
    assert reported.wait().span_count == 2


def test_several_roots_of_one_remote_parent_make_one_report() -> None:
    pipeline = drop_in(grace_s=0)
    remote = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1)))
    first, second = child(pipeline, remote, "first"), child(pipeline, remote, "second")

    first.end()
    pipeline.processor._run()
    before = list(pipeline.reports)
    second.end()
    pipeline.flush()

    assert before == []
    assert [report.span_count for report in pipeline.reports] == [2]


def test_new_root_of_the_same_remote_parent_stops_the_grace() -> None:
    pipeline = drop_in(grace_s=3600)
    remote = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1)))
    first = child(pipeline, remote, "first")
    inner = child(pipeline, first, "inner")
    first.end()

    second = child(pipeline, remote, "second")
    inner.end()
    pipeline.flush()
    before = list(pipeline.reports)
    second.end()
    pipeline.flush()

    assert before == []
    assert [report.span_count for report in pipeline.reports] == [3]


def test_second_request_of_a_remote_parent_is_a_trace_of_its_own() -> None:
    pipeline = drop_in()
    remote = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1)))

    for name in ("first", "second"):
        child(pipeline, remote, name).end()
        pipeline.flush()

    assert [report.span_count for report in pipeline.reports] == [1, 1]
    assert pipeline.processor.stats.late == 0


def test_silent_trace_is_handed_on_without_its_root() -> None:
    pipeline = owning(max_age_s=0.01)
    reported = _Reported(pipeline)
    root = pipeline.tracer.start_span("agent")

    child(pipeline, root).end()
    report = reported.wait()
    pipeline.flush()

    assert {row.name: row.marks for row in report.waterfall}["agent"] == ("open",)
    assert pipeline.names == ["child"]
    assert "agentprof.critical_path.self_ns" not in (pipeline.exported["child"].attributes or {})
    assert pipeline.processor.stats.partial == 1


def test_silent_trace_without_ended_spans_is_forgotten() -> None:
    pipeline = owning(max_age_s=0)
    root = pipeline.tracer.start_span("agent")
    pipeline.processor._run()
    pipeline.processor._run()

    root.end()
    pipeline.flush()

    assert pipeline.names == ["agent"]
    assert pipeline.processor.stats.late == 1


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_late_span_is_forwarded_at_once_and_counted(mode: Any) -> None:
    pipeline = mode(grace_s=0)
    root = pipeline.tracer.start_span("agent")
    late = child(pipeline, root, "late")
    root.end()
    pipeline.flush()
    later = child(pipeline, root, "later")
    pipeline.exporter.clear()

    late.end()
    later.end()
    pipeline.flush()

    assert pipeline.names == ["late", "later"]
    assert pipeline.processor.stats.late == 2
    assert len(pipeline.reports) == 1


def test_flush_forwards_the_spans_of_a_running_trace_and_keeps_them_for_its_report() -> None:
    pipeline = owning()
    root = pipeline.tracer.start_span("agent")
    child(pipeline, root).end()

    pipeline.flush()
    pipeline.flush()
    forwarded_early = pipeline.names
    root.end()
    pipeline.flush()

    assert forwarded_early == ["child"]
    assert pipeline.names == ["child", "agent"]
    assert [report.span_count for report in pipeline.reports] == [2]
    assert (pipeline.exported["agent"].attributes or {})["agentprof.span_count"] == 2


def test_flush_ends_the_grace() -> None:
    pipeline = drop_in(grace_s=3600)
    root = pipeline.tracer.start_span("agent")
    still_open = child(pipeline, root)

    root.end()
    pipeline.flush()

    assert [report.span_count for report in pipeline.reports] == [2]
    still_open.end()


def test_shutdown_hands_on_everything_once() -> None:
    pipeline = owning(grace_s=3600)
    running, ended = pipeline.tracer.start_span("running"), pipeline.tracer.start_span("ended")
    child(pipeline, running, "of running").end()
    still_open = child(pipeline, ended, "still open")
    ended.end()

    pipeline.processor.shutdown()
    pipeline.processor.shutdown()
    still_open.end()
    running.end()

    assert sorted(pipeline.names) == ["ended", "of running"]
    assert sorted(report.span_count for report in pipeline.reports) == [2, 2]
    # What ends later goes on to the next processor too; this one refuses it.
    assert pipeline.processor.stats.forwarded == 4
    assert pipeline.processor.force_flush()


def test_span_that_ends_during_shutdown_is_not_lost() -> None:
    pipeline = owning()
    made = pipeline.tracer.start_span("agent")
    pipeline.processor._worker.stop(1)  # the moment between the last run and the mark that says so

    made.end()

    assert pipeline.names == ["agent"]


def test_spans_after_shutdown_are_ignored_without_next_processor() -> None:
    pipeline = drop_in()
    pipeline.processor.shutdown()

    pipeline.tracer.start_span("after").end()

    assert pipeline.names == ["after"]
    assert pipeline.reports == []


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_trace_with_too_many_spans_is_forwarded_as_it_is_and_reported_in_part(mode: Any) -> None:
    pipeline = mode(max_spans_per_trace=3)
    root = pipeline.tracer.start_span("agent")
    for number in range(5):
        child(pipeline, root, f"child {number}").end()
    root.end()

    pipeline.flush()

    assert sorted(pipeline.names) == ["agent", *(f"child {number}" for number in range(5))]
    assert [(report.root_name, report.span_count) for report in pipeline.reports] == [("agent", 4)]
    assert told_left_out(pipeline.reports[0]) == (
        "2 spans were left out (over OTEL_AGENTPROF_MAX_SPANS_PER_TRACE): "
        "counts, tokens and cost are too low."
    )
    stats = pipeline.processor.stats
    assert (stats.dropped, stats.late, stats.partial) == ({"spans_per_trace": 2}, 0, 1)


def test_whole_trace_counts_as_dropped_where_nobody_asks_for_reports_of_a_part() -> None:
    pipeline = drop_in(max_spans_per_trace=3)
    pipeline.processor.on_report = None
    root = pipeline.tracer.start_span("agent")
    for _ in range(5):
        child(pipeline, root).end()
    root.end()

    pipeline.flush()

    assert pipeline.analysis is None
    assert pipeline.processor.stats.dropped == {"spans_per_trace": 6}


def test_only_one_root_is_kept_beyond_the_limit() -> None:
    pipeline = drop_in(max_spans_per_trace=2)
    caller = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1)))
    last, *others = [child(pipeline, caller, f"request {number}") for number in range(5)]
    for request in others:
        request.end()

    last.end()
    pipeline.flush()

    assert [report.span_count for report in pipeline.reports] == [3]
    assert pipeline.processor.stats.dropped == {"spans_per_trace": 2}


def test_lanes_of_spans_that_are_left_out_are_not_kept() -> None:
    pipeline = drop_in(max_spans_per_trace=1)
    root = pipeline.tracer.start_span("agent")
    for _ in range(5):
        child(pipeline, root).end()
    pipeline.processor._run()
    (live,) = pipeline.processor._buffer.live.values()

    assert len(live.lanes) <= 3
    root.end()


def test_trace_of_exactly_the_limit_is_analysed() -> None:
    pipeline = owning(max_spans_per_trace=3)
    root = pipeline.tracer.start_span("agent")
    for _ in range(2):
        child(pipeline, root).end()
    root.end()

    pipeline.flush()

    assert [report.span_count for report in pipeline.reports] == [3]


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_oldest_of_too_many_traces_has_to_go(mode: Any) -> None:
    pipeline = mode(max_traces=2)
    roots = [pipeline.tracer.start_span(f"agent {number}") for number in range(2)]
    child(pipeline, roots[0]).end()
    pipeline.processor._run()

    roots.append(pipeline.tracer.start_span("agent 2"))
    pipeline.processor._run()
    names = pipeline.names
    for root in roots:
        root.end()
    pipeline.flush()

    assert names == ["child"]
    given_up, *whole = pipeline.reports
    assert told_left_out(given_up) == (
        "What ended after the trace was given up is missing (over OTEL_AGENTPROF_MAX_TRACES): "
        "counts, tokens and cost are too low."
    )
    assert {row.name: row.marks for row in given_up.waterfall} == {"agent 0": ("open",), "child": ()}
    assert [(report.root_name, report.data_quality) for report in whole] == [("agent 1", ()), ("agent 2", ())]
    assert (pipeline.processor.stats.dropped, pipeline.processor.stats.late) == ({}, 1)


def test_spans_that_take_too_much_memory_are_not_kept() -> None:
    pipeline = owning(max_bytes=100_000)
    root = pipeline.tracer.start_span("agent")
    for number in range(6):
        child(pipeline, root, f"child {number}", text="x" * 10_000).end()
        pipeline.processor._run()
    root.end()

    pipeline.flush()

    assert len(pipeline.names) == 7
    assert [(report.root_name, report.span_count) for report in pipeline.reports] == [("agent", 5)]
    assert told_left_out(pipeline.reports[0]).startswith(
        "2 spans were left out (over OTEL_AGENTPROF_MAX_BYTES)"
    )
    assert pipeline.processor.stats.dropped == {"bytes": 2}


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_trace_that_is_too_large_makes_way_for_the_next_one(mode: Any) -> None:
    pipeline = mode(max_bytes=100_000)
    large, small = (pipeline.tracer.start_span(name) for name in ("large", "small"))
    for _ in range(6):
        child(pipeline, large, text="x" * 10_000).end()
        pipeline.processor._run()

    child(pipeline, small, text="x" * 10_000).end()
    small.end()
    large.end()
    pipeline.flush()

    assert [(report.root_name, report.span_count) for report in pipeline.reports] == [
        ("large", 5),
        ("small", 2),
    ]
    assert told_left_out(pipeline.reports[0]).startswith(
        "2 spans were left out; what ended after the trace was given up is missing "
        "(over OTEL_AGENTPROF_MAX_BYTES)"
    )
    assert pipeline.reports[1].data_quality == ()
    assert (pipeline.processor.stats.dropped, pipeline.processor.stats.late) == ({"bytes": 2}, 1)


def test_events_count_as_memory() -> None:
    pipeline = owning(max_bytes=100_000)
    root = pipeline.tracer.start_span("agent")
    for _ in range(6):
        root.add_event("prompt", {"text": "x" * 10_000})
    root.end()

    pipeline.flush()

    assert pipeline.names == ["agent"]
    assert [report.root_name for report in pipeline.reports if told_left_out(report)] == ["agent"]


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_full_queue_lets_spans_pass_and_gives_up_what_is_incomplete_now(mode: Any) -> None:
    pipeline = mode(max_bytes=40_000)
    stuck = _Stuck(pipeline)
    root = pipeline.tracer.start_span("agent")
    for number in range(3):
        child(pipeline, root, f"child {number}", text="x" * 8_000).end()

    root.end()
    stuck.let_go()
    pipeline.flush()

    assert sorted(pipeline.names) == ["agent", "child 0", "child 1", "child 2", "first"]
    assert [(report.root_name, report.span_count) for report in stuck.reports] == [("first", 1), ("agent", 4)]
    # Of the two that were turned away the starts were known, so that the spans themselves were, too.
    assert told_left_out(stuck.reports[1]) == (
        "What ended after the trace was given up is missing (the queue was full): "
        "counts, tokens and cost are too low."
    )
    assert pipeline.processor.stats.dropped == {}
    assert pipeline.processor.stats.seen == 5


def test_spans_that_never_came_in_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = drop_in()
    stuck = _Stuck(pipeline)
    root = pipeline.tracer.start_span("agent")
    watch = pipeline.processor.watch(root.get_span_context())
    child(pipeline, root, "seen").end()
    monkeypatch.setattr(span_processor, "_MAX_ENTRIES", 4)
    for _ in range(3):
        child(pipeline, root, "unseen").end()

    monkeypatch.undo()
    pipeline.tracer.start_span("other").end()
    stuck.let_go()
    pipeline.flush()
    root.end()
    report = watch.report(timeout_s=10)

    assert [report.span_count for report in stuck.reports if report.root_name == "agent"] == [2]
    given_up = next(report for report in stuck.reports if report.root_name == "agent")
    assert told_left_out(given_up).startswith(
        "3 spans were left out; what ended after the trace was given up"
    )
    assert report is not None
    assert report.span_count == 2
    assert told_left_out(report).startswith("3 spans were left out (the queue was full)")
    assert pipeline.processor.stats.dropped == {"queue": 3}


def test_queue_full_of_starts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = owning()
    stuck = _Stuck(pipeline)
    monkeypatch.setattr(span_processor, "_MAX_ENTRIES", 2)
    roots = [pipeline.tracer.start_span(f"agent {number}") for number in range(3)]

    stuck.let_go()
    pipeline.flush()
    for root in roots:
        root.end()
        pipeline.flush()

    assert sorted(pipeline.names) == ["agent 0", "agent 1", "agent 2", "first"]


def test_traces_pile_up_before_a_stuck_worker_only_to_the_limit() -> None:
    pipeline = owning(max_traces=3)
    stuck = _Stuck(pipeline)
    for _ in range(2):
        for _ in range(5):
            pipeline.tracer.start_span("agent").end()
        assert not pipeline.processor.force_flush(timeout_millis=1)
    waiting = len(pipeline.processor._buffer.ready), len(pipeline.processor._entries)

    stuck.let_go()
    pipeline.flush()

    assert waiting == (5, 10)
    assert len(stuck.reports) == 11


def test_ids_of_finished_traces_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_agentprof.processor.buffer._REMEMBERED", 2)
    pipeline = owning()

    for _ in range(5):
        pipeline.tracer.start_span("agent").end()
    pipeline.flush()

    assert len(pipeline.processor._buffer._handed_on) == 2
