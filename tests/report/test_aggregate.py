from __future__ import annotations

import gc
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
from run_samples import run_reports
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.analysis.quantiles import Quantile
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report import aggregate_markdown, aggregate_text, folded, text
from otel_agentprof.report.aggregate_tables import facts, interval, title
from otel_agentprof.report.build import build
from otel_agentprof.report.gathering import aggregate
from otel_agentprof.report.report import DataQuality, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from otel_agentprof.report.aggregate import Aggregate, Group

SGR = re.compile(r"\x1b\[[0-9;]*m")
GOLDEN: dict[str, Callable[[Aggregate], str]] = {
    "aggregate_80.txt": lambda found: aggregate_text.render(found, width=80, color=False),
    "aggregate_160.txt": lambda found: aggregate_text.render(found, width=160, color=False),
    "aggregate_44_ascii.txt": lambda found: aggregate_text.render(found, width=44, color=False, ascii=True),
    "aggregate.md": aggregate_markdown.render,
    "aggregate.json": lambda found: json.dumps(found.to_dict(), indent=2) + "\n",
}


def many() -> Aggregate:
    return aggregate(run_reports(80))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_aggregate_looks_as_it_did(name: str) -> None:
    expected = (GOLDEN_DIRECTORY / name).read_text(encoding="utf-8")

    assert GOLDEN[name](many()) == expected


def group(groups: tuple[Group, ...], name: str) -> Group:
    (found,) = (one for one in groups if one.name == name)
    return found


def test_each_call_counts_once_in_its_operation_its_model_and_its_agent() -> None:
    drawn = """
        task          |--------------------|
          planner       |-------|              role=agent
            outer         |----|               role=llm model=m in=10 out=5 response=r1 cost=0.5
              inner        |--|                role=llm model=m in=10 out=5 response=r1
          search                  |--|         role=tool tool=search status=ERROR
    """

    found = aggregate(build(draw(drawn)) for _ in range(3))

    model, planner, search = (
        group(found.by_model, "m"),
        group(found.by_agent, "planner"),
        group(found.by_operation, "search"),
    )
    assert (model.calls, model.runs, model.usage[:2], model.cost_usd) == (3, 3, (30, 15), Decimal("1.5"))
    assert (planner.calls, planner.usage[:2], planner.cost_usd) == (3, (30, 15), Decimal("1.5"))
    assert (search.calls, search.errors, search.usage.total) == (3, 3, 0)
    assert found.usage[:2] == (30, 15)
    assert found.cost_usd == Decimal("1.5")


def test_shares_of_the_critical_path_add_up_by_operation_and_by_agent() -> None:
    found = many()

    agents = sum(one.critical_ns for one in found.by_agent)
    operations = sum(one.critical_ns for one in found.by_operation)
    own = found.by_role["agent"]
    assert agents == found.total_ns == sum(found.by_role.values()) + found.outside_ns
    assert operations == found.total_ns - own


def test_an_agent_inside_another_one_has_its_own_share() -> None:
    found = aggregate(
        [
            build(
                draw("""
        boss        |--------------------|   role=agent
          helper      |-------|              role=agent
            search      |----|               role=tool tool=search
          fetch                  |--|        role=tool tool=fetch
    """)
            )
        ]
    )

    assert group(found.by_agent, "helper").critical_ns == 8
    assert group(found.by_agent, "boss").critical_ns == found.total_ns - 8


def test_a_percentile_of_few_runs_has_no_upper_limit_and_says_so() -> None:
    found = aggregate(run_reports(30))

    assert found.duration is not None
    assert found.duration.p95.high is None
    assert found.duration.p50.low is not None
    words = dict(facts(found))["duration"]
    assert words.count("(too few)") == 2
    assert found.to_dict()["duration_ns"]["p95"]["high"] is None


def test_where_no_interval_is_known_that_is_said_once() -> None:
    words = dict(facts(aggregate(run_reports(5))))

    assert words["duration"].endswith("s (too few for intervals)")
    assert words["duration"].count("too few") == 1
    assert "dearest" not in words["cost"]


def test_the_cost_has_a_tail() -> None:
    cheap, dear = (
        report([row(0, "chat m", "llm", 0, 1, (0, 1), usage=TokenUsage(5, 5), cost=cost)])
        for cost in ("0.01", "1.01")
    )

    found = aggregate([cheap] * 19 + [dear])

    assert found.cost is not None
    assert (found.cost.p50.value, found.cost.highest) == (Decimal("0.01"), Decimal("1.01"))
    assert found.dear_runs == 1
    assert found.dear_share == pytest.approx(1.01 / 1.2, abs=1e-6)
    assert "the dearest 1 of 20 runs took 84% of it" in dict(facts(found))["cost"]


def test_an_unknown_cost_is_no_cost_of_nothing() -> None:
    unknown = report([row(0, "chat x", "llm", 0, 1, (0, 1), usage=TokenUsage(5, 5))])
    known = report([row(0, "chat m", "llm", 0, 1, (0, 1), usage=TokenUsage(5, 5), cost="0.25")])

    found, nothing = aggregate([unknown, known]), aggregate([unknown])

    assert found.cost is not None
    assert (found.cost.count, found.unknown_costs, found.cost_usd) == (1, 1, Decimal("0.25"))
    assert dict(facts(found))["cost"] == "$0.2500 + unknown (not known in full for 1 run)"
    assert dict(facts(nothing))["cost"] == "unknown"
    assert nothing.to_dict()["cost"]["total_usd"] is None
    assert "x" in nothing.unpriced_models


def test_findings_that_recur_are_counted_per_run_and_their_savings_summed() -> None:
    one = run_reports(1)[0]
    (first, *_) = one.findings
    twice = replace(
        one,
        findings=(
            first._replace(saving_ns=2_000_000, saving_usd=None),
            first._replace(saving_ns=3_000_000, saving_usd=Decimal("0.5")),
        ),
    )
    other = replace(one, findings=(first._replace(saving_ns=None, impact="high", title="worst"),))

    (found,) = aggregate([twice, other, replace(one, findings=())]).findings

    assert (found.runs, found.saving_ns, found.saving_usd) == (2, 5_000_000, Decimal("0.5"))
    assert (found.impact, found.title) == ("high", "worst")


def test_savings_are_told_in_time_and_money() -> None:
    one = run_reports(1)[0]
    findings = (
        one.findings[0]._replace(saving_ns=2_000_000_000, saving_usd=Decimal("0.25")),
        one.findings[0]._replace(rule="other", saving_ns=None, saving_usd=Decimal(1)),
    )
    found = aggregate([replace(one, findings=findings)] * 2)

    written = aggregate_text.render(found, width=100, color=False)

    assert "in 2 of 2 runs (100%), saves ~4.00 s and ~$0.5000 in all" in written
    assert "saves ~$2.00 in all" in written


def test_runs_of_several_kinds_are_told_apart() -> None:
    reports = [*run_reports(3), *(replace(one, root_name="other") for one in run_reports(2, seed=5))]

    found = aggregate(reports)
    written = aggregate_text.render(found, width=120, color=False)

    assert {one.name: one.calls for one in found.by_run} == {"research task": 3, "other": 2}
    assert title(found) == "5 traces of 2 kinds"
    assert "Cost of a run" in written
    assert "### Cost of a run" in aggregate_markdown.render(found)


def test_failed_runs_are_those_whose_root_failed() -> None:
    reports = [
        report([row(0, "a", "agent", 0, 9, (0, 9), marks=marks)]) for marks in ((), ("error",), ("open",))
    ]

    assert aggregate(reports).failed_runs == 1


def test_what_makes_figures_less_certain_is_told_once_with_the_number_of_runs() -> None:
    (one,) = run_reports(1)
    noted = replace(one, data_quality=(DataQuality("lost", "b 2"), DataQuality("late", "c")))
    other = replace(one, data_quality=(DataQuality("lost", "a 1"),))

    found = aggregate([noted, other, one])

    assert [(note.code, note.runs, note.message) for note in found.notes] == [
        ("lost", 2, "a 1"),
        ("late", 1, "c"),
    ]
    assert "- in 2 of 3 runs, such as: a 1" in aggregate_text.render(found, width=80, color=False)
    assert "- in 2 of 3 runs, such as: a 1" in aggregate_markdown.render(found)


def test_few_traces_are_listed_and_of_many_the_slowest_and_the_dearest() -> None:
    few, found = aggregate(run_reports(12)), aggregate(run_reports(13))

    assert len(few.traces) == 12
    assert found.traces == ()
    assert [one.duration_ns for one in found.slowest] == sorted(
        (one.duration_ns for one in run_reports(13)), reverse=True
    )[:5]
    assert len(found.dearest) == 5
    assert "Slowest traces" not in aggregate_text.render(few, width=80, color=False)


def test_the_folded_stacks_of_many_traces_add_up_heaviest_first() -> None:
    one = run_reports(1)[0]
    single = dict(line.rsplit(" ", 1) for line in folded.render(one, width=80, color=False).splitlines())

    lines = folded.render_many([one, one, one]).splitlines()

    assert {stack: int(weight) for stack, weight in (line.rsplit(" ", 1) for line in lines)} == {
        stack: pytest.approx(3 * int(weight), abs=2) for stack, weight in single.items()
    }
    assert [int(line.rsplit(" ", 1)[1]) for line in lines] == sorted(
        (int(line.rsplit(" ", 1)[1]) for line in lines), reverse=True
    )


def test_no_report_is_kept() -> None:
    (one,) = run_reports(1)
    alive = []

    def reports() -> Iterator[Report]:
        for number in range(5):
            yield replace(one, start_ns=number)
            alive.append(sum(isinstance(thing, Report) for thing in gc.get_objects()))

    aggregate(reports())

    assert len(alive) == 5
    assert max(alive) == min(alive)


@settings(deadline=None, max_examples=25)
@given(st.lists(wild_reports(), max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_the_traces_does_not_matter(reports: list[Report], chance: Random) -> None:
    mixed = list(reports)
    chance.shuffle(mixed)

    assert aggregate(mixed) == aggregate(reports)
    assert folded.render_many(mixed) == folded.render_many(reports)


@settings(deadline=None, max_examples=40)
@given(made=st.lists(wild_reports(), max_size=4), width=st.integers(40, 200), is_ascii=st.booleans())
def test_no_line_is_wider_than_the_terminal_and_no_name_steers_it(
    made: list[Report],
    width: int,
    is_ascii: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    found = aggregate(made)

    written = aggregate_text.render(found, width=width, color=False, ascii=is_ascii)
    painted = aggregate_text.render(found, width=width, color=True, ascii=is_ascii)
    page = aggregate_markdown.render(found)

    assert max(map(cell_len, written.split("\n"))) <= width
    assert not hidden_characters(written + page)
    assert not is_ascii or written.isascii()
    assert SGR.sub("", painted) == written
    assert json.loads(json.dumps(found.to_dict()))["schema"] == "agentprof.aggregate/1"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (250_000_000, 263_000_000, "250-263 ms"),
        (869_000_000, 1_070_000_000, "869 ms-1.07 s"),
        (5, 5, "5 ns"),
        (0, 7, "0 s-7 ns"),
        (1, None, "too few"),
    ],
)
def test_an_interval_names_its_unit_once(low: int, high: int | None, shown: str) -> None:
    assert interval(Quantile(low, low, high), text.duration) == shown


if __name__ == "__main__":  # write what the renderers give now; then look at it
    for file_name, write in GOLDEN.items():
        (GOLDEN_DIRECTORY / file_name).write_text(write(many()), encoding="utf-8")


def test_runs_and_steps_that_only_a_number_tells_apart_are_one_kind() -> None:
    drawn = """
        GET_/chat/{0}   |-----------------|    name=request/{0}
          step_{0}        |------|             role=step
          tool_{0}               |------|      role=tool
    """

    found = aggregate(build(draw(drawn.format(number))) for number in range(3))

    assert [(one.name, one.runs) for one in found.by_run] == [("request/#", 3)]
    assert {one.name: one.runs for one in found.by_operation} == {
        "request/#": 3,
        "step_#": 3,
        "tool_0": 1,
        "tool_1": 1,
        "tool_2": 1,
    }
    assert title(found) == "3 traces of request/#"
