from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import GOLDEN_DIRECTORY, report, row
from rich.cells import cell_len
from run_samples import priced, run_reports
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report import comparison_markdown, comparison_text, comparison_words
from otel_agentprof.report.build import build
from otel_agentprof.report.comparison import Figure, SpanFigures, compare
from otel_agentprof.report.span_keys import keyed, steady_name
from otel_agentprof.report.thresholds import broken, threshold

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from otel_agentprof.report.comparison import Comparison
    from otel_agentprof.report.report import Report

ASKED = ("duration>0%", "calls>0", "errors>=1")
SGR = re.compile(r"\x1b\[[0-9;]*m")


def one_each() -> Comparison:
    return compare(run_reports(1), run_reports(1, seed=2, search=1.6, searches=4, writer="gpt-5"))


def many() -> Comparison:
    return compare(run_reports(20), run_reports(25, seed=2, search=1.6))


GOLDEN: dict[str, Callable[[], str]] = {
    "diff_80.txt": lambda: comparison_text.render(one_each(), width=80, color=False),
    "diff_44_ascii.txt": lambda: comparison_text.render(one_each(), width=44, color=False, ascii=True),
    "diff_many_80.txt": lambda: comparison_text.render(many(), width=80, color=False),
    "diff_many_160.txt": lambda: comparison_text.render(many(), width=160, color=False),
    "diff.md": lambda: comparison_markdown.render(many()),
    "diff.json": lambda: json.dumps(one_each().to_dict(), indent=2) + "\n",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_diff_looks_as_it_did(name: str) -> None:
    expected = (GOLDEN_DIRECTORY / name).read_text(encoding="utf-8")

    assert GOLDEN[name]() == expected


def drawn(picture: str) -> Report:
    return build(draw(picture))


BEFORE = """
    task         |--------------------|
      search       |---|                 role=tool tool=search
      search            |---|            role=tool tool=search
      fetch                  |---|       role=tool tool=fetch
"""
AFTER = """
    task         |----------------------|
      search       |---|                 role=tool tool=search
      search            |-----|          role=tool tool=search
      rank                    |---|      role=tool tool=rank
"""


def span(found: Comparison, name: str) -> SpanFigures:
    (one,) = (one for one in found.pairs[0].spans if one.name == name)
    return one


def test_spans_are_matched_by_path_and_occurrence() -> None:
    found = compare([drawn(BEFORE)], [drawn(AFTER)])

    assert {(one.name, one.runs_before, one.runs_after) for one in found.pairs[0].spans} == {
        ("(root)", 1, 1),
        ("search #2", 1, 1),
        ("fetch", 1, 0),
        ("rank", 0, 1),
    }
    assert span(found, "search #2").duration.change == 2
    assert span(found, "search #2").critical.change == 2
    assert span(found, "rank").duration.before is None


@pytest.mark.parametrize(
    ("name", "steady"),
    [
        ("step 3", "step #"),
        ("step 3: search", "step #: search"),
        ("item (12)", "item (#)"),
        ("node_7", "node_#"),
        ("api/v1/users/17", "api/v1/users/#"),
        ("run 3f2b8c1e-1234-4abc-8def-0123456789ab", "run {id}"),
        ("trace 0af7651916cd43dd8448eb211c80319c", "trace {id}"),
        ("call_abc123XYZ", "{id}"),
        ("search v2", "search v2"),
        ("report 2025-08-07", "report 2025-08-07"),
        ("version 3.5", "version 3.5"),
        ("run_search_tools", "run_search_tools"),
        ("task-manager1", "task-manager1"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out_of_a_name(name: str, steady: str) -> None:
    assert steady_name(name, "step") == steady


def test_models_keep_their_numbers() -> None:
    assert steady_name("chat llama-3", "llm") == "chat llama-3"
    assert steady_name("chat 3f2b8c1e-1234-4abc-8def-0123456789ab", "llm") == "chat {id}"


def test_numbered_spans_match_by_occurrence() -> None:
    rows = [row(0, "a", "agent", 0, 9), row(1, "step 7", "step", 0, 3), row(1, "step 9", "step", 3, 9)]

    keys = [key.words for key, _ in keyed(report(rows))]

    assert keys == ["(root)", "step #", "step # #2"]


def test_a_run_beside_itself_shows_no_difference() -> None:
    found = compare(run_reports(5), run_reports(5))

    assert found.is_equal
    assert found.pairs[0].spans == ()
    assert "No difference" in comparison_text.render(found, width=80, color=False)
    assert "No difference" in comparison_markdown.render(found)


@settings(deadline=None, max_examples=30)
@given(st.lists(wild_reports(), max_size=4), st.randoms(use_true_random=False))
def test_reports_beside_themselves_in_another_order_show_no_difference(
    made: list[Report], chance: Random
) -> None:
    mixed = list(made)
    chance.shuffle(mixed)

    found = compare(made, mixed)

    assert found.is_equal
    assert list(broken([threshold(asked) for asked in ASKED], found)) == (
        [] if made else [f"{asked}: cannot be checked, there is nothing to compare" for asked in ASKED]
    )


@settings(deadline=None, max_examples=30)
@given(
    before=st.lists(wild_reports(), max_size=3),
    after=st.lists(wild_reports(), max_size=3),
    width=st.integers(40, 200),
    is_ascii=st.booleans(),
)
def test_no_line_is_wider_than_the_terminal_and_no_name_steers_it(
    before: list[Report],
    after: list[Report],
    width: int,
    is_ascii: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    found = compare(before, after)

    written = comparison_text.render(found, width=width, color=False, ascii=is_ascii)
    painted = comparison_text.render(found, width=width, color=True, ascii=is_ascii)
    page = comparison_markdown.render(found)

    assert max(map(cell_len, written.split("\n"))) <= width
    assert not hidden_characters(written + page)
    assert not is_ascii or written.isascii()
    assert SGR.sub("", painted) == written
    assert json.loads(json.dumps(found.to_dict()))["schema"] == "agentprof.diff/1"


def test_medians_of_several_runs_are_compared_and_chance_is_told_apart() -> None:
    figures = many().pairs[0].figures

    assert figures["duration"].is_beyond_noise is True
    assert figures["critical:tool"].is_beyond_noise is True
    assert figures["critical:llm"].is_beyond_noise is False
    assert one_each().pairs[0].figures["duration"].is_beyond_noise is None


def test_dearer_and_cheaper_spans_are_listed_by_their_cost() -> None:
    def calls(first: str, second: str) -> Report:
        return report(
            [
                row(0, "agent", "agent", 0, 100),
                row(1, "chat m", "llm", 0, 50, (0, 50), usage=TokenUsage(9, 9), cost=first),
                row(1, "chat n", "llm", 50, 100, (50, 100), usage=TokenUsage(9, 9), cost=second),
            ]
        )

    written = comparison_text.render(
        compare([calls("0.5", "0.9")], [calls("0.7", "0.8")]), width=80, color=False
    )

    assert re.search(r"^Dearer\n.*\nchat m +\$0.5000 +\$0.7000 +\+\$0.2000$", written, re.MULTILINE)
    assert re.search(r"^Cheaper\n.*\nchat n +\$0.9000 +\$0.8000 +-\$0.1000$", written, re.MULTILINE)
    assert "Slower" not in written


def test_an_operation_named_like_a_role_leaves_the_word_to_the_role() -> None:
    made = report([row(0, "tool", "step", 0, 9, (0, 9)), row(1, "search", "tool", 1, 2)])

    figure = compare([made], [made]).pairs[0].figures["calls:tool"]

    assert figure.before == 1


def test_a_cost_that_becomes_unknown_has_an_unknown_change() -> None:
    written = comparison_text.render(compare([priced("1")], [priced(None)]), width=80, color=False)

    assert re.search(r"^cost +\$1.00 +unknown +unknown$", written, re.MULTILINE)


def test_a_call_that_some_runs_lack_counts_as_none_there() -> None:
    found = compare(run_reports(3), [*run_reports(1), *run_reports(2, writer="gpt-5")])

    assert found.pairs[0].figures["calls:chat gpt-5"] == Figure(Decimal(0), Decimal(1))


def test_one_kind_of_run_on_each_side_is_compared_however_it_is_called() -> None:
    renamed = [replace(one, root_name="research task v2") for one in run_reports(2)]

    found = compare(run_reports(2), renamed)

    assert "research task and research task v2: 2 runs in A, 2 in B" in comparison_text.render(
        found, width=120, color=False
    )
    assert found.pairs[0].is_equal


def test_runs_that_one_side_lacks_are_told() -> None:
    other = [replace(one, root_name="other") for one in run_reports(2)]
    third = [replace(one, root_name="third") for one in run_reports(1)]

    found = compare([*run_reports(2), *other], [*run_reports(2), *third])

    assert (found.gone, found.new) == ((("other", 2),), (("third", 1),))
    assert not found.is_equal
    for written in (
        comparison_text.render(found, width=80, color=False),
        comparison_markdown.render(found),
    ):
        assert "other" in written
        assert "third" in written
    assert list(broken([threshold("duration>10%")], found)) == [
        "duration>10%: cannot be checked, B has no run of other"
    ]


def test_each_kind_of_run_has_a_part_of_its_own() -> None:
    reports = [*run_reports(1), *(replace(one, root_name="other") for one in run_reports(1))]

    written = comparison_text.render(compare(reports, reports), width=80, color=False)

    assert written.index("other: 1 run in A") < written.index("research task: 1 run in A")
    assert written.count("No difference") == 2


def test_two_sets_without_a_common_run_are_told_apart() -> None:
    first = [*run_reports(1), *(replace(one, root_name="other") for one in run_reports(1))]
    second = [replace(one, root_name="third") for one in run_reports(1)]

    written = comparison_text.render(compare(first, second), width=80, color=False)

    assert written.count("  - ") == 3


def test_findings_come_and_go() -> None:
    (one, *_) = run_reports(1)
    came = one.findings[0]._replace(rule="new_rule", title="came")

    found = compare([one, one], [replace(one, findings=(came,))])

    assert [(f.rule, f.runs_before, f.runs_after) for f in found.pairs[0].findings] == [
        ("new_rule", 0, 1),
        ("sequential_group", 2, 0),
    ]


def test_one_unknown_cost_among_many_makes_their_median_unknown() -> None:
    found = compare([priced("1"), priced("1"), priced(None)], [priced("1")])

    assert found.pairs[0].figures["cost"].before is None
    assert found.pairs[0].figures["cost"].change is None


@pytest.mark.parametrize(
    ("before", "after", "growth"),
    [
        ("100", "100", "no change"),
        ("100", "101", "+1%"),
        ("1000", "1001", "+0.1%"),
        ("100", "50", "-50%"),
        ("1", "20", "20 times as much"),
        ("0", "3", "from nothing"),
        (None, "3", ""),
    ],
)
def test_growth_in_words(before: str | None, after: str, growth: str) -> None:
    figure = Figure(None if before is None else Decimal(before), Decimal(after))

    assert comparison_words.growth(figure) == growth


def test_a_change_without_limits_has_none_to_show() -> None:
    assert comparison_words.limits(Figure(Decimal(1), Decimal(2)), "ns") == ""
    assert (
        comparison_words.limits(Figure(Decimal(1), Decimal(2), Decimal(-5), Decimal(0)), "ns")
        == "-5 ns to 0 s"
    )


if __name__ == "__main__":  # write what the renderers give now; then look at it
    for file_name, write in GOLDEN.items():
        (GOLDEN_DIRECTORY / file_name).write_text(write(), encoding="utf-8")
