from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import busy_agent, report, row
from wild_reports import wild_reports

from otel_agentprof.report.folding import Line, fold, merge

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report, Row


def kinds(lines: tuple[Line, ...]) -> list[str]:
    return [line.kind for line in lines]


def agent(*children: Row) -> Report:
    return report([row(0, "agent", "agent", 0, 10_000), *children])


def test_a_short_waterfall_keeps_every_span() -> None:
    made = agent(*(row(1, "search", "tool", at, at + 1) for at in range(5)))

    lines = fold(made, limit=40)

    assert kinds(lines) == ["span"] * 6


def test_a_long_run_of_similar_leaves_becomes_one_line() -> None:
    made = agent(*(row(1, f"search_{at}", "tool", at, 2 * at + 1, (at, at + 1)) for at in range(37)))

    _, run = fold(made, limit=40)

    assert (run.kind, run.count, len(run.members)) == ("run", 37, 37)
    assert run.longest_ns == 37_000_000
    assert run.critical_ns == 37_000_000


def test_models_that_differ_by_a_number_are_not_alike() -> None:
    made = agent(*(row(1, f"chat gpt-{at}", "llm", at, at + 1) for at in range(8)))

    lines = fold(made, limit=40)

    assert "run" not in kinds(lines)


def test_siblings_with_children_fold_later_than_leaves() -> None:
    def rounds(count: int) -> list[str]:
        pairs = [
            (row(1, "turn", "step", at, at + 1), row(2, "work", "tool", at, at + 1)) for at in range(count)
        ]
        return kinds(fold(agent(*(part for pair in pairs for part in pair)), limit=100))

    assert rounds(11) == ["span"] * 23
    assert rounds(12) == ["span", "run"]


def test_a_crowd_is_folded_by_name_even_when_names_alternate() -> None:
    made = agent(*(row(1, ("chat", "search")[at % 2], "tool", at, at + 1) for at in range(50)))

    lines = fold(made, limit=40)

    assert [(line.kind, line.row.name, line.count) for line in lines[1:]] == [
        ("run", "chat", 25),
        ("run", "search", 25),
    ]


def test_the_middle_of_a_dull_chain_is_folded_and_its_end_is_not() -> None:
    chain = [row(depth, f"level {depth}", "step", 0, 9_000) for depth in range(1, 30)]
    made = agent(*chain, row(30, "work", "tool", 0, 9_000, (0, 9_000)))

    lines = fold(made, limit=40)

    assert [(line.kind, line.count, line.indent) for line in lines] == [
        ("span", 1, 0),
        ("levels", 28, 1),
        ("span", 1, 2),
        ("span", 1, 3),
    ]
    assert lines[-1].row.name == "work"


def test_what_takes_less_than_a_hundredth_is_counted_in_a_long_waterfall() -> None:
    small = [row(1, f"probe {chr(0x4E00 + at)}", "other", at, at + 5) for at in range(50)]
    made = agent(row(1, "big", "tool", 0, 9_000, (0, 9_000)), *small)

    lines = fold(made, limit=40)

    assert [(line.kind, line.count) for line in lines] == [("span", 1), ("span", 1), ("elided", 50)]
    assert lines[2].longest_ns == 5_000_000


def test_an_error_is_never_too_small_to_be_seen() -> None:
    small = [row(1, f"probe {chr(0x4E00 + at)}", "other", at, at + 5) for at in range(50)]
    made = agent(*small, row(1, "broken", "tool", 60, 61, marks=("error",)))

    lines = fold(made, limit=40)

    assert "broken" in [line.row.name for line in lines if line.kind == "span"]


def test_a_trace_too_big_for_the_limit_keeps_what_was_waited_for() -> None:
    busy = [
        row(1, f"tool {chr(0x4E00 + at)}", "tool", 0, 9_000, *([(at, at + 1)] if at % 50 == 0 else []))
        for at in range(500)
    ]

    lines = fold(agent(*busy), limit=11)

    assert {line.row.name for line in lines if line.critical_ns} == {
        f"tool {chr(0x4E00 + at)}" for at in range(0, 500, 50)
    }
    assert lines[-1].count == 490


def test_levels_without_room_are_counted_with_what_is_under_them() -> None:
    chain = [row(depth, f"level {depth}", "step", 0, 50) for depth in range(1, 20)]
    others = [row(1, f"tool {chr(0x4E00 + at)}", "tool", 0, 9_000) for at in range(8)]

    lines = fold(agent(*others, *chain), limit=8)

    assert lines[-1].kind == "elided"
    assert sum(line.count for line in lines) == 28


@settings(deadline=None, max_examples=50)
@given(made=wild_reports(), limit=st.integers(1, 12))
def test_every_row_is_part_of_exactly_one_line(made: Report, limit: int) -> None:
    rows = made.waterfall
    lines = fold(made, limit=limit)

    assert sum(line.critical_ns for line in lines) == sum(b - a for r in rows for a, b in r.on_path)
    assert sum(line.usage.total for line in lines if line.usage) == sum(
        r.usage.total for r in rows if r.usage
    )
    assert sum(line.cost_usd for line in lines if line.cost_usd) == sum(
        r.cost_usd for r in rows if r.cost_usd
    )
    assert sum(often for line in lines for _, often in line.marks) == sum(len(r.marks) for r in rows)
    assert len(lines) <= 2 * limit + 1
    assert all(below.indent <= above.indent + 1 for above, below in pairwise(lines))


def test_folding_a_busy_agent_keeps_its_money() -> None:
    made = busy_agent()

    lines = fold(made, limit=40)

    assert sum(line.cost_usd for line in lines if line.cost_usd) == made.cost_usd
    assert [line.row.name for line in lines if line.is_partly_unpriced] == ["chat local-llama"]


def test_stretches_that_touch_or_nearly_touch_are_joined() -> None:
    joined = merge([(20, 30), (0, 5), (6, 8), (2, 4)], 1)

    assert joined == ((0, 8), (20, 30))
