"""What is said of calls that a framework's trace and a trace of the client's own both count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drawing import draw
from flat_prices import flat_price

from otel_agentprof import semconv
from otel_agentprof.analysis.trace import measure
from otel_agentprof.readers import read
from otel_agentprof.report.quality import data_quality
from otel_agentprof.report.two_traces import notes_across

if TYPE_CHECKING:
    from otel_agentprof.report.report import DataQuality

RECORDED = Path(__file__).parent.parent / "traces" / "frameworks"
CALL = "role=llm model=gpt-4o in=100 out=9"


def doubts(picture: str) -> dict[str, DataQuality]:
    found = data_quality(measure(draw(picture), flat_price), (), ())
    return {doubt.code: doubt for doubt in found}


def notes_of(recorded: str) -> dict[str, str]:
    traces = {str(tree.trace_id): tree.spans for tree in read(RECORDED / f"{recorded}.jsonl")}
    assert len(traces) > 1
    notes = notes_across(traces)
    assert {code for code, _ in notes.values()} <= {"counted_in_two_traces"}
    return {trace_id[:8]: message for trace_id, (_, message) in notes.items()}


def test_langchains_spans_of_openinference_and_the_clients_own_are_told_in_both_traces() -> None:
    told = notes_of("langchain_openinference_agentprof")

    assert set(told) == {
        *("8ae851df", "c7fef747", "add6d3ba", "a3a20535", "3f5e5d83"),  # an agent and its four calls
        *("c3357a6f", "79461c84"),  # another one with its call
    }
    assert told["79461c84"] == told["c3357a6f"] == (
        "1 call is probably counted in two traces: chat gpt-5-mini (otel_agentprof, trace 79461c84) and "
        "ChatOpenAI (openinference.instrumentation.langchain, trace c3357a6f) name the same model and tokens "
        "at the same time. Nothing was left out; switch one of the two instrumentations off."
    )  # fmt: skip
    assert told["8ae851df"].startswith("4 calls are probably counted in two traces: for one, chat gpt-5-mini")


def test_where_the_frameworks_spans_are_current_nothing_is_told() -> None:
    assert notes_of("langchain_openllmetry_agentprof") == {}


def test_in_a_recorded_run_both_spans_are_named() -> None:
    picture = f"""
    run           |---------------|    scope={semconv.RUN_SCOPE}
      agent        |------------|      role=agent scope=fw
        model        |-------|         scope=fw {CALL}
      chat            |-----|          {CALL}
      other                    |-|     {CALL} scope=client
    """

    told = doubts(picture)["counted_in_two_traces"]

    assert told.message.startswith(
        "1 call is probably counted in two traces: chat (no scope) and model (fw) name the same model"
    )
    assert told.span_ids == (f"{4:016x}", f"{3:016x}")


def test_what_counting_has_joined_is_not_told_again() -> None:
    picture = f"""
    run           |---------------|    scope={semconv.RUN_SCOPE}
      model          |-------|         scope=fw {CALL}
      chat            |-----|          scope=client {CALL}
    """

    assert "counted_in_two_traces" not in doubts(picture)
    assert "double_instrumentation" in doubts(picture)


def test_a_tree_that_is_no_run_is_one_trace() -> None:
    picture = f"""
    agent         |---------------|    role=agent scope=fw
      step          |---------|        scope=fw
        model        |-------|         scope=fw {CALL}
      chat            |-----|          scope=client {CALL}
    """

    assert "counted_in_two_traces" not in doubts(picture)
