from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import GOLDEN, GOLDEN_DIRECTORY, deep, report, research_agent, row, wide
from rich.cells import cell_len
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.report import Report, Statistics
from otel_agentprof.report.terminal import render

SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("terminal")])
def test_the_terminal_report_looks_as_it_did(name: str) -> None:
    expected = (GOLDEN_DIRECTORY / name).read_text(encoding="utf-8")

    written = GOLDEN[name]()

    assert written == expected


@settings(deadline=None, max_examples=50)
@given(made=wild_reports(), width=st.integers(40, 200), is_ascii=st.booleans())
def test_no_line_is_wider_than_the_terminal_and_no_name_steers_it(
    made: Report,
    width: int,
    is_ascii: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    written = render(made, width=width, color=False, ascii=is_ascii)

    assert max(map(cell_len, written.split("\n"))) <= width
    assert not hidden_characters(written)
    assert not is_ascii or written.isascii()


@settings(deadline=None, max_examples=50)
@given(made=wild_reports())
def test_colour_adds_nothing_but_colour(made: Report) -> None:
    plain = render(made, width=80, color=False)

    painted = render(made, width=80, color=True)

    assert SGR.sub("", painted) == plain
    assert painted.count("\x1b") > 10
    assert painted.count("\x1b") == len(SGR.findall(painted))


@pytest.mark.parametrize("made", [wide(10_000), deep(10_000)], ids=["wide", "deep"])
def test_ten_thousand_spans_stay_readable(made: Report) -> None:
    written = render(made, width=80, color=False)

    assert written.count("\n") < 120


@pytest.mark.parametrize(("asked", "given_width"), [(1, 40), (40, 40), (200, 200), (10_000, 200)])
def test_widths_that_nobody_can_read_are_brought_into_bounds(asked: int, given_width: int) -> None:
    written = render(research_agent(), width=asked, color=False)

    assert max(map(cell_len, written.split("\n"))) == given_width


def test_an_unknown_price_is_called_unknown() -> None:
    made = report([row(0, "chat mine", "llm", 0, 10, (0, 10), usage=TokenUsage(5, 5))])

    written = render(made, width=100, color=False)

    assert "cost      unknown (no price for mine)" in written
    assert re.search(r"^mine|chat mine .* unknown$", written, re.MULTILINE)
    assert "$" not in written


def test_a_partly_known_price_says_so() -> None:
    made = replace(research_agent(), unpriced_models=("a", "b", "c", "d"))

    written = render(made, width=100, color=False)

    assert "$0.0063 + unknown (no price for a, b, c and 1 more)" in written


def test_calls_without_tokens_have_unknown_tokens_and_cost() -> None:
    made = report([row(0, "chat m", "llm", 0, 10, (0, 10))])

    written = render(made, width=80, color=False)

    assert "tokens    unknown" in written
    assert "cost      unknown" in written


def test_a_trace_without_models_cost_nothing() -> None:
    made = report([row(0, "job", "tool", 0, 10, (0, 10))])

    written = render(made, width=80, color=False)

    assert "tokens    none" in written
    assert "cost      $0" in written


def test_a_report_of_nothing_is_written_all_the_same() -> None:
    written = render(replace(report([]), by_role={}), width=80, color=False)

    assert "(several roots)" in written
    assert "Waterfall" not in written
    assert "Findings" not in written


def test_time_outside_all_spans_is_told_apart_from_other_spans() -> None:
    made = report([row(0, "a", "tool", 0, 10, (0, 4)), row(0, "b", "other", 6, 10, (6, 10))])

    written = render(made, width=80, color=False)

    assert re.search(r"outside all spans .* 2.0 ms +20%$", written, re.MULTILINE)
    assert re.search(r"other .* 4.0 ms +40% .1$", written, re.MULTILINE)


def test_a_background_span_after_the_root_leaves_a_sign_at_the_edge() -> None:
    made = report(
        [row(0, "a", "agent", 0, 10, (0, 10)), row(1, "late", "tool", 50, 60), row(1, "soon", "tool", -9, -8)]
    )

    lines = render(made, width=80, color=False, ascii=True).splitlines()

    late, soon = (next(line for line in lines if name in line) for name in ("-late", "-soon"))
    assert late.count("-") == 2
    assert soon.count("-") == 2
    assert late.rindex("-") > soon.rindex("-") + 20


def test_deep_levels_are_numbered_rather_than_indented() -> None:
    rows = [row(depth, f"s{depth}", "step", 0, 20, (depth, depth + 1)) for depth in range(20)]

    written = render(report(rows), width=80, color=False)

    assert "»19 s19" in written


def test_the_same_report_gives_the_same_text() -> None:
    first, second = (render(research_agent(), width=80, color=True) for _ in range(2))

    assert first == second


def test_figures_that_are_no_numbers_are_unknown() -> None:
    finding = research_agent().findings[0]._replace(value=float("nan"), saving_usd=Decimal("nan"))

    written = render(replace(research_agent(), findings=(finding,)), width=80, color=False)

    assert "parallelizable time unknown" in written
    assert "~unknown" in written


def test_columns_go_before_the_bar_does() -> None:
    headings = {
        width: next(
            line for line in render(research_agent(), width=width, color=False).splitlines() if " 0 ─" in line
        )
        for width in (40, 60, 80, 160)
    }

    assert [headings[width].split()[-1] for width in headings] == ["time", "cost", "cost", "cost"]
    assert "tokens" in headings[80]
    assert "in   out" in headings[160]


def test_by_role_statistics_of_a_virtual_root_without_other_spans_are_shown() -> None:
    made = replace(report([row(0, "a", "tool", 0, 10)]), by_role={"other": Statistics(0, 0, 0, 10_000_000)})

    written = render(made, width=80, color=False)

    assert "outside all spans" in written
    assert "other " not in written
