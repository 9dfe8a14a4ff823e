"""Traces whose local parent the processor never sees: a span of another provider, or one that was dropped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider, sampling
from pipelines import drop_in, owning, told_left_out

if TYPE_CHECKING:
    from pipelines import Pipeline

    from otel_agentprof.report.report import Report


class _DropsWeb(sampling.Sampler):
    """Drops the spans of the web framework, whatever is above or below them."""

    def should_sample(self, *arguments: Any, **others: Any) -> Any:
        sampler = sampling.ALWAYS_OFF if "web" in arguments else sampling.ALWAYS_ON
        return sampler.should_sample(*arguments, **others)

    def get_description(self) -> str:
        return "drops web"


def _of_another_provider(_: Pipeline) -> Any:
    return TracerProvider().get_tracer("web").start_span("web")


def _dropped(pipeline: Pipeline) -> Any:
    return pipeline.tracer.start_span("web")


def _below(pipeline: Pipeline, parent: Any, name: str) -> Any:
    return pipeline.tracer.start_span(name, context=trace.set_span_in_context(parent))


def _pipeline(mode: Any = drop_in, **settings: Any) -> Pipeline:
    pipeline: Pipeline = mode(TracerProvider(sampler=_DropsWeb()), **settings)
    return pipeline


def _names(pipeline: Pipeline) -> list[list[str]]:
    return [[row.name for row in report.waterfall] for report in pipeline.reports]


@pytest.mark.parametrize("mode", [drop_in, owning])
@pytest.mark.parametrize("outside", [_of_another_provider, _dropped])
def test_trace_is_reported_and_exported_while_its_parent_goes_on(mode: Any, outside: Any) -> None:
    pipeline, reports, is_reported = _pipeline(mode, grace_s=0.01), list["Report"](), threading.Event()

    def on_report(report: Report) -> None:
        reports.append(report)
        is_reported.set()

    pipeline.processor.on_report = on_report
    agent = _below(pipeline, outside(pipeline), "agent")
    pipeline.processor._run()  # the end of a trace that the buffer knows has to wake the worker too

    _below(pipeline, agent, "chat").end()
    agent.end()

    assert is_reported.wait(60)
    assert [(report.root_name, report.span_count) for report in reports] == [("agent", 2)]
    results = pipeline.analysis if mode is drop_in else pipeline.exported["agent"]
    assert results is not None
    assert (results.attributes or {})["agentprof.span_count"] == 2


@pytest.mark.parametrize("outside", [_of_another_provider, _dropped])
def test_calls_side_by_side_below_one_parent_make_one_report(outside: Any) -> None:
    pipeline = _pipeline(grace_s=0)
    web = outside(pipeline)
    first, second = _below(pipeline, web, "first"), _below(pipeline, web, "second")

    first.end()
    pipeline.processor._run()
    reported_before = list(pipeline.reports)
    second.end()
    pipeline.flush()

    assert reported_before == []
    assert _names(pipeline) == [["first", "second"]]


def test_next_call_within_the_grace_is_in_the_same_report() -> None:
    pipeline = _pipeline(owning, grace_s=3600)
    web = _of_another_provider(pipeline)
    _below(pipeline, web, "first").end()
    pipeline.processor._run()
    second = _below(pipeline, web, "second")
    pipeline.flush()

    second.end()
    pipeline.flush()

    assert _names(pipeline) == [["first", "second"]]


def test_call_after_the_grace_is_a_trace_of_its_own() -> None:
    pipeline = _pipeline(owning)
    web = _of_another_provider(pipeline)
    for name in ("first", "second"):
        _below(pipeline, web, name).end()
        pipeline.flush()

    assert _names(pipeline) == [["first"], ["second"]]
    assert pipeline.processor.stats.late == 0


def test_what_hangs_from_a_dropped_span_below_the_root_does_not_hold_up_the_trace() -> None:
    pipeline = _pipeline(grace_s=0)
    root = pipeline.tracer.start_span("agent")
    below = _below(pipeline, _below(pipeline, root, "web"), "background")

    root.end()
    pipeline.processor._run()
    pipeline.flush()

    assert _names(pipeline) == [["agent", "background"]]
    below.end()


def test_what_hangs_from_a_dropped_span_and_comes_after_the_trace_is_late() -> None:
    pipeline = _pipeline()
    root = pipeline.tracer.start_span("agent")
    dropped = _below(pipeline, root, "web")
    root.end()
    pipeline.flush()

    _below(pipeline, dropped, "late").end()
    pipeline.flush()

    assert _names(pipeline) == [["agent"]]
    assert pipeline.processor.stats.late == 1


def test_parent_that_had_started_before_we_were_attached_and_outlives_the_grace_is_late() -> None:
    provider = TracerProvider()
    root = provider.get_tracer("tests").start_span("agent")
    pipeline = drop_in(provider, grace_s=0)
    _below(pipeline, root, "child").end()
    pipeline.flush()

    root.end()
    pipeline.flush()

    assert _names(pipeline) == [["child"]]
    assert pipeline.processor.stats.late == 1


def test_root_with_an_outside_parent_is_kept_beyond_the_limit() -> None:
    pipeline = _pipeline(max_spans_per_trace=1)
    agent = _below(pipeline, _of_another_provider(pipeline), "agent")
    for _ in range(3):
        _below(pipeline, agent, "child").end()

    agent.end()
    pipeline.flush()

    assert _names(pipeline) == [["agent", "child"]]
    assert "2 spans" in told_left_out(pipeline.reports[0])
