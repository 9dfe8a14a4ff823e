from __future__ import annotations

import re

from hypothesis import given, settings
from report_samples import GOLDEN, GOLDEN_DIRECTORY, deep, report, research_agent, row
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.report.folded import render
from otel_agentprof.report.report import PathStep, Report

LINE = re.compile(r"(?P<stack>[^\n]+) (?P<weight>[1-9]\d*)")


def test_the_folded_stacks_look_as_they_did() -> None:
    expected = (GOLDEN_DIRECTORY / "report.folded").read_text(encoding="utf-8")

    assert GOLDEN["report.folded"]() == expected


def test_weights_add_up_to_the_wait() -> None:
    made = research_agent()

    lines = render(made, width=80, color=False).splitlines()

    assert sum(int(line.rpartition(" ")[2]) for line in lines) == made.duration_ns // 1_000


def test_time_outside_all_spans_is_a_frame_of_its_own() -> None:
    made = report([row(0, "a", "tool", 0, 10, (0, 4)), row(0, "b", "tool", 6, 10, (6, 10))])

    assert render(made, width=80, color=False) == "a 4000\nb 4000\noutside all spans 2000\n"


def test_a_path_step_whose_span_is_not_in_the_waterfall_keeps_its_weight() -> None:
    made = report([row(0, "a", "tool", 0, 10)], critical_path=(PathStep("beef", "b", "tool", 0, 7_000),))

    assert render(made, width=80, color=False) == "beef 7\n"


def test_less_than_a_microsecond_is_still_a_line() -> None:
    made = report([row(0, "a", "tool", 0, 0.0001, (0, 0.0001))])

    assert render(made, width=80, color=False) == "a 1\n"


def test_a_very_deep_stack_loses_its_middle() -> None:
    (line,) = render(deep(10_000), width=80, color=False).splitlines()

    frames = line.rpartition(" ")[0].split(";")

    assert len(frames) == 129
    assert (frames[0], frames[64], frames[-1]) == ("level 0", "… 9,872 frames …", "work")


@settings(deadline=None, max_examples=50)
@given(made=wild_reports())
def test_no_name_breaks_a_line_or_a_stack(made: Report) -> None:
    written = render(made, width=80, color=False)

    assert not hidden_characters(written)
    depths = {r.depth for r in made.waterfall}
    for line in written.splitlines():
        match = LINE.fullmatch(line)
        assert match
        assert match["stack"].count(";") <= max(depths, default=0)
