from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from random_spans import likely_spans, wild_spans
from report_samples import GOLDEN, GOLDEN_DIRECTORY, START, busy_agent, deep, report, research_agent, row
from viewer_rules import trace_events
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.build import build
from otel_agentprof.report.perfetto import render, render_many

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report

DAY_MS = 86_400_000


def _events(made: Report) -> list[dict[str, Any]]:
    return trace_events(render(made, width=80, color=False))


def _slices(made: Report) -> dict[str, dict[str, Any]]:
    """Return the facts of each span by its name."""
    return {e["name"]: e["args"] for e in _events(made) if e["ph"] == "X" and e["tid"] != e["pid"]}


def test_the_trace_events_look_as_they_did() -> None:
    expected = (GOLDEN_DIRECTORY / "report.perfetto.json").read_text(encoding="utf-8")

    assert GOLDEN["report.perfetto.json"]() == expected


def test_the_critical_path_is_a_thread_of_its_own_and_as_long_as_the_wait() -> None:
    made = research_agent()

    events = _events(made)

    path = [event for event in events if event["ph"] == "X" and event["tid"] == event["pid"]]
    assert [event["name"] for event in path] == [step.name for step in made.critical_path]
    assert sum(event["dur"] for event in path) * 1_000 == made.duration_ns
    assert [event["args"]["name"] for event in events if event["name"] == "thread_name"] == [
        "critical path",
        "track 1",
        "track 2",
        "track 3",
    ]


def test_arrows_lead_along_the_critical_path() -> None:
    events = _events(research_agent())

    tails, heads = ([e for e in events if e["ph"] == kind] for kind in "sf")
    path = [event for event in events if event["ph"] == "X" and event["tid"] == event["pid"]]
    assert [event["ts"] for event in tails] == [event["ts"] for event in path[:-1]]
    assert [event["ts"] for event in heads] == [event["ts"] for event in path[1:]]
    assert [event["id"] for event in tails] == [event["id"] for event in heads]


def test_a_slice_tells_tokens_cost_and_its_time_on_the_path_and_what_is_not_known() -> None:
    facts = _slices(busy_agent())

    assert facts["chat local-llama"] == {
        "span_id": facts["chat local-llama"]["span_id"],
        "role": "llm",
        "critical_ns": 19_000_000_000,
        "input_tokens": 9_000,
        "output_tokens": 900,
        "cost_usd": "unknown",
    }
    priced = facts["chat gpt-5-mini-2025-08-07"]
    assert (priced["cost_usd"], priced["reasoning_tokens"]) == (Decimal("0.0212"), 900)
    assert priced["marks"] == "incomplete"
    assert "cost_usd" not in facts["execute_tool search"]


def test_a_model_is_named_and_money_without_end_is_not_known() -> None:
    call = row(1, "chat", "llm", 0, 5, usage=TokenUsage(5, 5), cost="Infinity")._replace(model="m\x1b")

    assert _slices(report([row(0, "a", "agent", 0, 9), call]))["chat"] == {
        "span_id": call.span_id,
        "role": "llm",
        "critical_ns": 0,
        "model": "m\\x1b",
        "input_tokens": 5,
        "output_tokens": 5,
        "cost_usd": "unknown",
    }


def test_time_outside_all_spans_is_a_slice_of_the_path() -> None:
    made = report([row(0, "a", "tool", 0, 10, (0, 4)), row(0, "b", "tool", 6, 10, (6, 10))])

    path = [event for event in _events(made) if event["ph"] == "X" and event["tid"] == event["pid"]]

    assert [(event["name"], event["dur"]) for event in path] == [
        ("a", 4_000),
        ("outside all spans", 2_000),
        ("b", 4_000),
    ]


def test_times_are_exact_to_the_nanosecond() -> None:
    made = report(
        [row(0, "a", "tool", 0, 7 * DAY_MS + 0.000001), row(1, "b", "tool", 0.000001, 7 * DAY_MS - 0.000001)]
    )

    slices = [event for event in _events(made) if event["ph"] == "X" and event["tid"] != event["pid"]]

    assert [(event["ts"], event["dur"]) for event in slices] == [
        (0, Decimal(7 * DAY_MS * 1_000) + Decimal("0.001")),
        (Decimal("0.001"), Decimal(7 * DAY_MS * 1_000) - Decimal("0.002")),
    ]


def test_each_trace_is_a_process_at_the_time_at_which_it_ran() -> None:
    made = research_agent()
    year_ns = 365 * DAY_MS * 1_000_000
    late = replace(
        made,
        trace_id="beef",
        critical_path=tuple(
            step._replace(start_ns=step.start_ns + year_ns, end_ns=step.end_ns + year_ns)
            for step in made.critical_path
        ),
        waterfall=tuple(
            one._replace(start_ns=one.start_ns + year_ns + 1, end_ns=one.end_ns + year_ns + 1, on_path=())
            for one in made.waterfall
        ),
    )

    written = render_many([late, made])

    events = trace_events(written)
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    first, second = names
    assert names[first] == "invoke_agent research (trace beef)"
    assert names[second] == "invoke_agent research (trace 4bf92f3577b34da6a3ce929d0e0e4736)"
    starts = {pid: min(e["ts"] for e in events if e["pid"] == pid and "ts" in e) for pid in names}
    assert starts == {first: year_ns // 1_000, second: 0}
    assert json.loads(written)["otherData"]["start_time_unix_nano"] == str(START)


def test_nothing_to_draw_is_still_a_file() -> None:
    assert [event["ph"] for event in _events(report([]))] == ["M", "M", "M"]
    assert trace_events(render_many([])) == []


def test_a_deep_trace_is_drawn_on_several_tracks() -> None:
    events = _events(deep(10_000))

    assert sum(event["name"] == "thread_name" for event in events) == 51
    assert sum(event["ph"] == "X" for event in events) == 10_001


@settings(deadline=None, max_examples=100)
@given(spans=likely_spans() | wild_spans())
def test_any_trace_keeps_to_the_rules(spans: list[Span]) -> None:
    made = build(SpanTree.from_spans(spans))

    events = _events(made)

    assert sum(e["ph"] == "X" and e["tid"] != e["pid"] for e in events) == len(made.waterfall)


@settings(deadline=None, max_examples=50)
@given(made=st.lists(wild_reports(), min_size=1, max_size=3))
def test_no_name_breaks_the_file(made: list[Report]) -> None:
    written = render_many(made)

    assert not hidden_characters(written)
    assert written.encode("utf-8")
    assert json.loads(written)["traceEvents"]
    trace_events(render_many(map(_with_a_path_that_tiles, made)))
    assert render_many(made) == written


def _with_a_path_that_tiles(made: Report) -> Report:
    steps = enumerate(made.critical_path)
    return replace(made, critical_path=tuple(step._replace(start_ns=at, end_ns=at + 1) for at, step in steps))
