"""Figures of many runs, and of the processor itself: recorded by the SDK's meters, where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from pipelines import SECOND, drop_in, owning, span

import otel_agentprof
from otel_agentprof import BoundedSpanExporter, semconv
from otel_agentprof.config import Config
from otel_agentprof.processor import AgentProfSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines import Pipeline

_CALL = {
    semconv.ROLE: "llm",
    semconv.OPERATION_NAME: "chat",
    semconv.REQUEST_MODEL: "gpt-4o",
    semconv.USAGE_INPUT_TOKENS: 1000,
    semconv.USAGE_OUTPUT_TOKENS: 100,
    semconv.COST_TOTAL: 0.25,
}


class Meters:
    """A meter provider, and what has been recorded with it."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def points(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        scopes = (
            [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        )
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}

    def sums(self, name: str, *labels: str) -> dict[Any, float]:
        """Return the sums by labels: by a tuple of their values, or by the value of the only one."""
        found = {}
        for point in self.points().get(name, ()):
            values = tuple(point.attributes.get(label) for label in labels)
            found[values[0] if len(labels) == 1 else values] = (
                point.value if hasattr(point, "value") else point.sum
            )
        return found


@pytest.fixture
def meters() -> Iterator[Meters]:
    made = Meters()
    yield made
    made.provider.shutdown()


def run(pipeline: Pipeline, agent: Any = "researcher", **call: Any) -> Any:
    """A run of 10 s below a request: a model call of 4 s and a tool of 5 s."""
    with pipeline.tracer.start_as_current_span("request", start_time=0, end_on_exit=False) as root:
        name = {} if agent is None else {semconv.AGENT_NAME: agent}
        with pipeline.tracer.start_as_current_span(
            "agent", start_time=0, end_on_exit=False, attributes={semconv.ROLE: "agent", **name}
        ) as inner:
            span(pipeline.tracer, "chat", 0, 4, **{**_CALL, **call})
            span(pipeline.tracer, "search", 4, 9, **{semconv.ROLE: "tool"})
        inner.end(end_time=10 * SECOND)
    root.end(end_time=10 * SECOND)
    return root.get_span_context()


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_run_is_in_the_metrics_with_its_root_as_exemplar(mode: Any, meters: Meters) -> None:
    pipeline = mode()
    pipeline.processor.measure_with(meters.provider)

    root = run(pipeline)
    pipeline.flush()

    (duration,) = meters.points()["agentprof.run.duration"]
    assert (duration.sum, duration.count) == (10.0, 1)
    assert dict(duration.attributes) == {"gen_ai.agent.name": "researcher"}
    assert [(found.trace_id, found.span_id) for found in duration.exemplars] == [
        (root.trace_id, root.span_id)
    ]
    times = meters.sums("agentprof.run.critical_path.time", "agentprof.role")
    assert times == {"llm": 4.0, "tool": 5.0, "agent": 1.0, "other": 0.0}
    assert meters.sums("agentprof.run.cost", "gen_ai.agent.name") == {"researcher": 0.25}
    assert meters.sums("agentprof.run.model.cost", "gen_ai.request.model") == {"gpt-4o": 0.25}
    assert meters.sums("agentprof.run.model.tokens", "gen_ai.token.type") == {"input": 1000, "output": 100}
    findings = meters.sums("agentprof.run.findings", "agentprof.rule", "agentprof.impact")
    assert findings["slow_tool", "high"] == 1


def test_processor_tells_what_it_took_in_and_what_it_took(meters: Meters) -> None:
    pipeline = owning(max_spans_per_trace=5)
    pipeline.processor.measure_with(meters.provider)

    run(pipeline)
    pipeline.flush()
    with pipeline.tracer.start_as_current_span("large"):
        for _ in range(9):
            pipeline.tracer.start_span("child").end()
        late = pipeline.tracer.start_span("late")
    pipeline.flush()
    late.end()
    pipeline.processor.on_report = _raise
    run(pipeline)
    pipeline.flush()
    pipeline.provider.shutdown()

    stats = pipeline.processor.stats
    assert meters.sums("agentprof.processor.spans", "none") == {None: stats.seen} == {None: 19}
    dropped = meters.sums("agentprof.processor.dropped", "agentprof.drop.reason")
    assert dropped == {"spans_per_trace": 4, "late": 1}
    assert meters.sums("agentprof.processor.failures", "none") == {None: 1}
    assert meters.sums("agentprof.processor.time", "none")[None] > 0


def _raise(_report: Any) -> None:
    raise ValueError("mine")


def test_spans_that_an_exporter_lost_are_told(meters: Meters) -> None:
    pipeline = owning(next_processor=BatchSpanProcessor(BoundedSpanExporter(_Refusing())))
    pipeline.processor.measure_with(meters.provider)

    run(pipeline)
    pipeline.provider.shutdown()

    dropped = meters.sums("agentprof.processor.dropped", "agentprof.drop.reason")
    assert dropped == {"export": 4}


class _Refusing(SpanExporter):
    def export(self, _spans: Any) -> SpanExportResult:
        return SpanExportResult.FAILURE


def test_trace_without_any_call_or_step_is_no_run(meters: Meters) -> None:
    pipeline = drop_in()
    pipeline.processor.measure_with(meters.provider)

    with pipeline.tracer.start_as_current_span("GET /health"):
        pipeline.tracer.start_span("SELECT").end()
    pipeline.flush()

    assert "agentprof.run.duration" not in meters.points()


def test_agents_that_are_named_at_run_time_do_not_become_metrics_without_end(meters: Meters) -> None:
    pipeline = owning()
    pipeline.processor.measure_with(meters.provider)

    for number in range(103):
        run(pipeline, f"agent {number}")
    pipeline.flush()

    counts = {
        point.attributes["gen_ai.agent.name"]: point.count
        for point in meters.points()["agentprof.run.duration"]
    }
    assert len(counts) <= 101
    assert sum(counts.values()) == 103


def test_run_without_an_agent_has_no_label_for_it(meters: Meters) -> None:
    pipeline = owning()
    pipeline.processor.measure_with(meters.provider)

    run(pipeline, None)
    pipeline.flush()

    assert meters.sums("agentprof.run.duration", "gen_ai.agent.name") == {None: 10.0}


def test_cost_that_nobody_knows_is_not_recorded_as_nothing(meters: Meters) -> None:
    pipeline = owning()
    pipeline.processor.measure_with(meters.provider)

    run(pipeline, **{semconv.COST_TOTAL: 0, semconv.REQUEST_MODEL: "nobody-knows-this-model"})
    pipeline.flush()

    assert "agentprof.run.cost" not in meters.points()
    tokens = meters.sums("agentprof.run.model.tokens", "gen_ai.request.model", "gen_ai.token.type")
    assert tokens["nobody-knows-this-model", "input"] == 1000


def test_runs_that_are_not_sampled_have_no_exemplar(meters: Meters) -> None:
    class RecordOnly(sampling.Sampler):
        def should_sample(self, *given: Any, **_more: Any) -> sampling.SamplingResult:
            return sampling.SamplingResult(sampling.Decision.RECORD_ONLY, given[4])

        def get_description(self) -> str:
            return "record only"

    pipeline = owning(TracerProvider(sampler=RecordOnly()))
    pipeline.processor.measure_with(meters.provider)

    run(pipeline)
    pipeline.flush()

    (duration,) = meters.points()["agentprof.run.duration"]
    assert duration.count == 1
    assert list(duration.exemplars) == []


def test_metrics_alone_are_reason_enough_to_analyse(meters: Meters) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    processor = AgentProfSpanProcessor(config=Config(emit_analysis_span=False))
    processor.measure_with(meters.provider)
    provider.add_span_processor(processor)

    with provider.get_tracer("tests").start_as_current_span("step", attributes={semconv.ROLE: "step"}):
        pass
    processor.force_flush()

    assert processor.stats.reports == 1
    assert len(meters.points()["agentprof.run.duration"]) == 1


def test_global_meter_provider_is_used_as_soon_as_there_is_one(
    meters: Meters, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = owning()
    run(pipeline)
    pipeline.flush()
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", meters.provider)

    run(pipeline)
    pipeline.flush()

    (duration,) = meters.points()["agentprof.run.duration"]
    assert duration.count == 1


def test_meter_provider_of_instrument_measures_runs_until_uninstrument(meters: Meters) -> None:
    provider = TracerProvider(shutdown_on_exit=False)

    with (
        otel_agentprof.instrument(tracer_provider=provider, meter_provider=meters.provider),
        otel_agentprof.agent("planner"),
    ):
        pass
    with (
        otel_agentprof.instrument(tracer_provider=provider),
        otel_agentprof.agent("planner"),
    ):
        pass

    (duration,) = meters.points()["agentprof.run.duration"]
    assert duration.count == 1
    assert dict(duration.attributes) == {"gen_ai.agent.name": "planner"}
