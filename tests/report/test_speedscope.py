from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from random_spans import likely_spans, wild_spans
from report_samples import GOLDEN, GOLDEN_DIRECTORY, busy_agent, deep, report, research_agent, row
from viewer_rules import profiles
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report import folded
from otel_agentprof.report.build import build
from otel_agentprof.report.report import PathStep, Report
from otel_agentprof.report.speedscope import render, render_many


def _stacks(written: str, number: int) -> list[tuple[str, float]]:
    """Return stacks and weights of one profile."""
    frames = [frame["name"] for frame in json.loads(written)["shared"]["frames"]]
    profile = profiles(written)[number]
    return [
        (";".join(frames[frame] for frame in stack), weight)
        for stack, weight in zip(profile["samples"], profile["weights"], strict=True)
    ]


def test_the_profiles_look_as_they_did() -> None:
    expected = (GOLDEN_DIRECTORY / "report.speedscope.json").read_text(encoding="utf-8")

    assert GOLDEN["report.speedscope.json"]() == expected


def test_the_critical_path_comes_in_time_order_and_weighs_what_the_folded_one_does() -> None:
    made = research_agent()

    stacks = _stacks(render(made, width=80, color=False), 0)

    assert [stack.rpartition(";")[2] for stack, _ in stacks] == [step.name for step in made.critical_path]
    assert sum(weight for _, weight in stacks) == made.duration_ns
    weights: Counter[str] = Counter()
    for stack, weight in stacks:
        weights[stack] += round(weight / 1_000)
    expected = folded.render(made, width=80, color=False).splitlines()
    assert dict(weights) == {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in expected}


def test_tokens_and_money_weigh_the_calls_that_took_them_and_the_unit_is_told() -> None:
    made = busy_agent()
    written = render(made, width=80, color=False)

    _, tokens, cost = (one for one in profiles(written) if one["type"] == "sampled")

    assert (tokens["name"], tokens["unit"], tokens["endValue"]) == ("tokens", "none", made.usage.total)
    assert cost["name"] == "cost in micro-dollars: $0.0212 + unknown (no price for local-llama)"
    assert (cost["unit"], cost["endValue"]) == ("none", 21_200)
    assert _stacks(written, 2) == [("invoke_agent supervisor;chat gpt-5-mini-2025-08-07", 21_200)]


def test_a_part_of_a_micro_dollar_counts_and_money_without_end_does_not() -> None:
    calls = [
        row(1, "chat", "llm", 0, 5, usage=TokenUsage(5, 5), cost=cost)
        for cost in ("0.00000125", "0", "Infinity")
    ]

    written = render(report([row(0, "a", "agent", 0, 9), *calls]), width=80, color=False)

    assert _stacks(written, 2) == [("a;chat", 1.25)]


def test_what_took_no_tokens_and_no_money_has_no_profile_of_them() -> None:
    written = render(report([row(0, "a", "tool", 0, 9, (0, 9))]), width=80, color=False)

    assert [profile["name"] for profile in profiles(written)] == ["critical path", "track 1 of 1"]


def test_time_outside_all_spans_and_spans_without_a_row_are_frames() -> None:
    made = report(
        [row(0, "a", "tool", 0, 10)],
        critical_path=(
            PathStep(None, None, "other", 0, 5_000),
            PathStep("beef", "b", "tool", 5_000, 7_000),
            PathStep("beef", "b", "tool", 7_000, 7_000),
        ),
    )

    written = render(made, width=80, color=False)

    assert _stacks(written, 0) == [("outside all spans", 5_000), ("b", 2_000)]


def test_the_spans_of_a_track_open_and_close_as_they_did() -> None:
    made = report([row(0, "a", "agent", 0, 0.00001), row(1, "b", "tool", 0.000002, 0.00001)])

    events = profiles(render(made, width=80, color=False))[-1]["events"]

    assert [(event["type"], event["frame"], event["at"]) for event in events] == [
        ("O", 1, 0),
        ("O", 2, 2),
        ("C", 2, 10),
        ("C", 1, 10),
    ]


def test_of_many_tracks_the_first_ones_are_shown_and_the_last_one_says_so() -> None:
    rows = [row(0, "agent", "agent", 0, 99), *(row(1, f"t{n}", "tool", 1, 50) for n in range(40))]

    names = [profile["name"] for profile in profiles(render(report(rows), width=80, color=False))]

    assert names[-2:] == ["track 31 of 40", "track 32 of 40, the rest is not shown"]


def test_of_several_traces_each_profile_names_its_own() -> None:
    made = research_agent()

    written = render_many([made, replace(made, trace_id="beef", root_name=None)])

    assert json.loads(written)["name"] == "2 traces"
    assert [profile["name"] for profile in profiles(written)] == [
        f"{trace}: {kind}"
        for trace in ("invoke_agent research 4bf92f35", "(several roots) beef")
        for kind in ("critical path", "tokens", "cost in micro-dollars: $0.0063")
    ]


def test_nothing_to_draw_is_still_a_file() -> None:
    (path,) = profiles(render(report([]), width=80, color=False))

    assert (path["samples"], path["endValue"]) == ([], 0)
    assert profiles(render_many([])) == []


def test_a_very_deep_stack_loses_its_middle() -> None:
    ((stack, weight),) = _stacks(render(deep(10_000), width=80, color=False), 0)

    assert weight == 10**9
    assert stack.count(";") == 128
    assert "… 9,872 frames …" in stack


@settings(deadline=None, max_examples=100)
@given(spans=likely_spans() | wild_spans())
def test_any_trace_keeps_to_the_rules(spans: list[Span]) -> None:
    made = build(SpanTree.from_spans(spans))

    found = profiles(render(made, width=80, color=False))

    assert sum(found[0]["weights"]) == made.duration_ns
    opened = [event for one in found if one["type"] == "evented" for event in one["events"]]
    assert len(opened) == 2 * len(made.waterfall)


@settings(deadline=None, max_examples=50)
@given(made=st.lists(wild_reports(), max_size=3))
def test_no_name_breaks_the_file(made: list[Report]) -> None:
    for written in (render_many(made), *(render(one, width=80, color=False) for one in made)):
        assert not hidden_characters(written)
        assert written.encode("utf-8")
        profiles(written)
    assert render_many(made) == render_many(made)
