from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof.analysis import by_role, measure, statistics_by
from otel_agentprof.analysis.statistics import Statistics
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.semconv import ROLE, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.semconv import Role


def roles(tree: SpanTree) -> Mapping[Role, Statistics]:
    trace = measure(tree, flat_price)
    return by_role(trace.ledger, trace.times)


def names(tree: SpanTree) -> Mapping[str, Statistics]:
    trace = measure(tree, flat_price)
    return statistics_by([span.name for span in tree.spans], trace.ledger, trace.times)


def test_a_span_has_three_times() -> None:
    tree = draw("""
        agent     |----------|   role=agent
          chat      |--|         role=llm
          search        |---|    role=tool
          lookup        |-|      role=tool
    """)

    found = roles(tree)

    assert found["agent"] == Statistics(1, 11, 11 - 3 - 4, 11 - 3 - 4, 11, 11, 11, 11, 11)
    assert found["llm"] == Statistics(1, 3, 3, 3, 3, 3, 3, 3, 3)
    assert found["tool"] == Statistics(2, 6, 6, 4, min_ns=2, avg_ns=3, p50_ns=2, p95_ns=4, max_ns=4)


def test_self_time_leaves_out_only_what_children_cover_inside_the_span() -> None:
    tree = draw("""
        agent         |-----------------|
          plan           |-----|
            search    |----|
            lookup         |------------|
            inside          ||
    """)

    found = names(tree)

    assert found["plan"].self_ns == 0
    assert found["search"].self_ns == 5


@pytest.mark.parametrize(
    ("count", "p50", "p95"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (19, 10, 19), (20, 10, 19), (100, 50, 95)]
)
def test_percentiles_are_durations_of_real_calls(count: int, p50: int, p95: int) -> None:
    spans = [Span("1" * 32, f"{n:016x}", None, "work", n * 1000, n * 1000 + n) for n in range(1, count + 1)]

    found = names(SpanTree.from_spans(spans))["work"]

    assert (found.count, found.min_ns, found.p50_ns, found.p95_ns, found.max_ns) == (
        count,
        1,
        p50,
        p95,
        count,
    )
    assert found.avg_ns == (count + 1) // 2


def test_a_call_shown_by_two_spans_counts_once_and_keeps_both_timings() -> None:
    tree = draw("""
        agent      |-------|  role=agent
          gateway   |-----|   role=llm model=m in=10 out=1
            chat     |---|    role=llm model=m in=10 out=1
    """)

    found = names(tree)

    assert roles(tree)["llm"].count == 1
    assert (found["gateway"].count, found["gateway"].total_ns, found["gateway"].self_ns) == (0, 6, 2)
    assert (found["gateway"].max_ns, found["chat"].max_ns) == (0, 4)


def test_time_outside_all_spans_belongs_to_other() -> None:
    tree = draw("""
        chat    |---|         role=llm parent=none
        search         |--|   role=tool parent=none
    """)

    found = roles(tree)

    assert found["other"] == Statistics(count=0, total_ns=0, self_ns=0, critical_ns=3)


def test_time_outside_all_spans_is_added_to_spans_of_the_role_other() -> None:
    tree = draw("""
        boot    |---|         parent=none
        search         |--|   role=tool parent=none
    """)

    found = roles(tree)["other"]

    assert (found.count, found.total_ns, found.critical_ns) == (1, 4, 7)


def test_spans_without_a_key_are_in_no_group() -> None:
    tree = draw("""
        agent  |----|  role=agent
          chat  |--|   role=llm
    """)
    trace = measure(tree, flat_price)

    found = statistics_by([None, "m"], trace.ledger, trace.times)

    assert list(found) == ["m"]


@st.composite
def trees(draw_: st.DrawFn) -> SpanTree:
    count = draw_(st.integers(min_value=0, max_value=25))
    spans = []
    for number in range(1, count + 1):
        parent = draw_(st.integers(min_value=-1, max_value=count + 2))
        start = draw_(st.integers(min_value=0, max_value=30))
        end = draw_(st.none() | st.integers(min_value=0, max_value=40))
        spans.append(
            Span(
                trace_id="1" * 32,
                span_id=f"{number:016x}",
                parent_span_id=None if parent <= 0 else f"{parent:016x}",
                name=draw_(st.sampled_from("abc")),
                start_ns=start,
                end_ns=end,
                attributes={ROLE: draw_(st.sampled_from(ROLES))},
            )
        )
    return SpanTree.from_spans(spans)


@settings(deadline=None, max_examples=50)
@given(trees())
def test_critical_time_over_all_roles_is_the_duration(tree: SpanTree) -> None:
    found = roles(tree)

    assert sum(figures.critical_ns for figures in found.values()) == tree.duration_ns


@settings(deadline=None, max_examples=50)
@given(trees())
def test_self_time_is_never_more_than_total_nor_less_than_nothing(tree: SpanTree) -> None:
    found = names(tree)

    assert all(0 <= figures.self_ns <= figures.total_ns for figures in found.values())
    assert all(
        figures.min_ns <= figures.p50_ns <= figures.p95_ns <= figures.max_ns for figures in found.values()
    )
