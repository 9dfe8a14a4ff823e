"""What a trace carries after the analysis, for backends to search: figures, and marks for exact matches."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from pipelines import SECOND, drop_in, owning, span

from otel_agentprof import semconv
from otel_agentprof.api import analyze

if TYPE_CHECKING:
    from pipelines import Pipeline

_CALL = {semconv.ROLE: "llm", semconv.REQUEST_MODEL: "gpt-4o", semconv.OPERATION_NAME: "chat"}
_TOKENS = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}


def run(pipeline: Pipeline, cost_usd: float = 0.25, **more: Any) -> None:
    """A run of 10 s: a model call that asks for two tools, which then run one after another."""
    asked = {semconv.TOOL_CALL_IDS: ("one", "two"), semconv.COST_TOTAL: cost_usd, **_CALL, **_TOKENS, **more}
    with pipeline.tracer.start_as_current_span("agent", start_time=0, end_on_exit=False) as agent:
        agent.set_attribute(semconv.ROLE, "agent")
        span(pipeline.tracer, "chat", 0, 2, **asked)
        span(pipeline.tracer, "hidden", 2, 2.5, **{semconv.ROLE: "step"})
        for number, call in enumerate(("one", "two")):
            tool = {semconv.ROLE: "tool", semconv.TOOL_NAME: "search", semconv.TOOL_CALL_ID: call}
            span(pipeline.tracer, f"search {call}", 2 + 4 * number, 6 + 4 * number, **tool)
    agent.end(end_time=10 * SECOND)
    pipeline.flush()


def attributes(pipeline: Pipeline, name: str) -> dict[str, Any]:
    return dict(pipeline.exported[name].attributes or {})


def ours(pipeline: Pipeline, name: str) -> dict[str, Any]:
    return {key: value for key, value in attributes(pipeline, name).items() if key.startswith("agentprof.")}


def test_each_span_carries_its_place_on_the_critical_path() -> None:
    pipeline = owning()

    run(pipeline)

    tool, hidden = attributes(pipeline, "search one"), attributes(pipeline, "hidden")
    assert tool["agentprof.critical_path.self_ns"] == 4 * SECOND
    assert tool["agentprof.critical_path.share"] == pytest.approx(0.4)
    assert tool["agentprof.critical_path.role"] == "tool"
    assert tool["agentprof.critical_path.over_100ms"] is True
    assert tool["agentprof.critical_path.over_1s"] is True
    assert "agentprof.critical_path.over_10s" not in tool
    assert hidden["agentprof.critical_path.share"] == 0
    assert not [name for name in hidden if name.startswith("agentprof.critical_path.over_")]


@pytest.mark.parametrize(("mode", "name"), [(owning, "agent"), (drop_in, semconv.ANALYSIS_SPAN_NAME)])
def test_run_carries_its_totals_and_its_top_finding(mode: Any, name: str) -> None:
    pipeline = mode()

    run(pipeline)

    found, (report,) = attributes(pipeline, name), pipeline.reports
    top = report.findings[0]
    assert found["agentprof.finding_count"] == len(report.findings)
    assert found["agentprof.top_finding"] == top.title
    assert found["agentprof.top_finding_rule"] == top.rule == "slow_tool"
    assert found["agentprof.top_finding_impact"] == "high"
    assert found["agentprof.top_finding_saving_ns"] == top.saving_ns == 6 * SECOND
    assert "agentprof.top_finding_confidence" not in found
    assert found["agentprof.parallelizable.proven"] is True
    assert found["agentprof.parallelizable.proven_saving_ns"] == 4 * SECOND
    assert found["agentprof.finding.sequential_group"] == "proven"
    assert found["agentprof.finding.slow_tool"] == "unrated"
    assert found["agentprof.subtree.cost"] == pytest.approx(0.25)
    assert found["agentprof.critical_path.tool_ns"] == 8 * SECOND
    assert found["agentprof.critical_path.tool_longest_ns"] == 4 * SECOND
    assert found["agentprof.critical_path.tool_longest_name"] == "search one"
    assert found["agentprof.critical_path.tool_over_1s"] is True
    assert "agentprof.critical_path.tool_over_10s" not in found


def test_money_that_a_change_would_save_is_told_in_dollars() -> None:
    pipeline = owning()

    with pipeline.tracer.start_as_current_span("agent", start_time=0, end_on_exit=False) as agent:
        for start in (0, 1):
            again = {semconv.REQUEST_FINGERPRINT: "same", semconv.COST_TOTAL: 0.5}
            span(pipeline.tracer, "chat", start, start + 1, **_CALL, **_TOKENS, **again)
    agent.end(end_time=2 * SECOND)
    pipeline.flush()

    found = attributes(pipeline, "agent")
    assert found["agentprof.top_finding_rule"] == "repeated_call"
    assert found["agentprof.top_finding_confidence"] == "proven"
    assert found["agentprof.top_finding_saving_usd"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("cost_usd", "limits"),
    [
        (0.005, set()),
        (0.10, {"1_cent"}),
        (0.11, {"1_cent", "10_cents"}),
        (11.0, {"1_cent", "10_cents", "1_dollar", "10_dollars"}),
    ],
)
def test_costs_above_round_limits_are_marked(cost_usd: float, limits: set[str]) -> None:
    pipeline = owning()

    run(pipeline, cost_usd)

    marks = {name for name in ours(pipeline, "agent") if name.startswith("agentprof.cost_over.")}
    assert marks == {f"agentprof.cost_over.{limit}" for limit in limits}


def test_cost_that_is_not_known_is_neither_told_nor_marked() -> None:
    pipeline = owning()

    run(pipeline, 0, **{semconv.REQUEST_MODEL: "nobody-knows-this-model"})

    found = ours(pipeline, "agent")
    assert found["agentprof.cost_is_partial"] is True
    assert "agentprof.subtree.cost" not in found
    assert not [name for name in found if name.startswith("agentprof.cost_over.")]


@pytest.mark.parametrize(
    ("mode", "names"), [(owning, ("agent", "search one")), (drop_in, ("agentprof.analysis",))]
)
def test_what_is_added_is_many_and_small(mode: Any, names: tuple[str, ...]) -> None:
    pipeline = mode()

    with pipeline.tracer.start_as_current_span("é" * 5_000):
        run(pipeline)
    pipeline.flush()

    for name in names:
        added = ours(pipeline, name)
        assert len(added) < 64
        assert all(len(str(value).encode()) < 2048 for value in added.values())
        assert all(
            isinstance(value, str | int | float) or name == "agentprof.lane" for value in added.values()
        )


def test_trace_with_its_results_reads_as_it_was_live() -> None:
    pipeline = owning()

    run(pipeline)

    assert analyze(pipeline.exporter.get_finished_spans()) == pipeline.reports[0]


def test_run_that_took_no_time_has_no_shares_of_it() -> None:
    pipeline = owning()

    pipeline.tracer.start_span("agent", start_time=5).end(end_time=5)
    pipeline.flush()

    assert ours(pipeline, "agent")["agentprof.critical_path.self_ns"] == 0
    assert "agentprof.critical_path.share" not in ours(pipeline, "agent")


def test_spans_that_somebody_made_by_hand_are_enriched_too() -> None:
    pipeline = owning()
    context = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))
    by_hand = ReadableSpan("odd", context, attributes={"key": "value"}, start_time=1, end_time=3)

    pipeline.processor.on_end(by_hand)
    pipeline.flush()

    assert attributes(pipeline, "odd")["key"] == "value"
    assert attributes(pipeline, "odd")["agentprof.critical_path.self_ns"] == 2
    assert dict(by_hand.attributes or {}) == {"key": "value"}


def test_no_name_is_another_one_with_more_below_it() -> None:
    """Backends that make objects out of dots cannot hold a value and an object under one name."""
    names = [
        name for name in vars(semconv) if name.isupper() and not name.startswith(("METRIC", "SCOPE", "RUN"))
    ]
    written = {value for name in names if isinstance(value := getattr(semconv, name), str)}

    clashes = [(one, other) for one, other in permutations(written, 2) if other.startswith(f"{one}.")]

    assert [pair for pair in clashes if pair[0].startswith("agentprof.")] == []
