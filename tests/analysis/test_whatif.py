"""What-if, slack and drag, drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from drawing import draw, draw_spans
from hypothesis import given, settings
from hypothesis import strategies as st
from random_spans import likely_spans

from otel_agentprof.analysis import critical_path, drag, forward, slack, what_if, windows
from otel_agentprof.analysis.critical_path import _owners_by_barriers, path_owners
from otel_agentprof.analysis.exits import _put
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.counting import count

_TRACE = """
    agent     |------------------|
      plan     |-|                   role=llm model=m1
      search       |--------|        role=tool tool=search
      lookup       |---|             role=tool tool=lookup
      answer                  |--|   role=llm model=m2
"""


def _named(trace: SpanTree, figures: dict[str, int]) -> dict[str, int]:
    return {span.name: figures[span.span_id] for span in trace.spans if span.span_id in figures}


def test_slack_and_drag_of_a_small_trace() -> None:
    trace = draw(_TRACE)

    assert _named(trace, slack(trace)) == {"agent": 0, "plan": 0, "search": 0, "lookup": 5, "answer": 0}
    assert _named(trace, drag(trace)) == {"agent": 5, "plan": 2, "search": 5, "lookup": 0, "answer": 3}


def test_a_ledger_that_is_known_is_not_made_again() -> None:
    trace = draw(_TRACE)
    ledger = count(trace)
    roles_swapped = replace(ledger, roles=("agent", "llm", "llm", "llm", "llm"))

    assert what_if(trace, by_role={"llm": 0}, ledger=ledger) == what_if(trace, by_role={"llm": 0})
    assert what_if(trace, by_role={"tool": 0}, ledger=roles_swapped).saved_ns == 0


def test_an_uncle_that_takes_over_bounds_the_drag_of_a_nephew() -> None:
    trace = draw("""
        agent     |----------|
          one     |----------|
            only  |----------|
          two     |------|
    """)

    assert _named(trace, drag(trace))["only"] == 4


def test_a_hoisted_span_starts_in_the_time_of_its_creator() -> None:
    trace = draw(
        """
        agent     |---------------|
          plan    |---|
            step    |-|
              search  |------|
    """,
        unit=1_000_000_000,
    )

    drags = _named(trace, drag(trace))

    assert {name: ns // 1_000_000_000 for name, ns in drags.items()} == {
        "agent": 5,
        "plan": 2,
        "step": 2,
        "search": 7,
    }


def test_what_was_hoisted_out_of_something_hoisted_moves_with_both() -> None:
    trace = draw(
        """
        agent     |------------------------------|
          before  |-|
          first     |-------|
            second     |-----------|
              third            |-----------|
    """,
        unit=1_000_000_000,
    )
    ids = {span.name: span.span_id for span in trace.spans}

    assert forward(trace).second_reads
    assert what_if(trace, concurrency=9).saved_ns == 0
    for name, span_id in ids.items():
        assert what_if(trace, {span_id: 0}).saved_ns == _named(trace, drag(trace))[name]
        assert what_if(trace, {span_id: 0}, concurrency=9).saved_ns == what_if(trace, {span_id: 0}).saved_ns


def test_ways_that_end_nearer_hide_no_other_way() -> None:
    spans = draw_spans(
        """
        root        |--------------------------------------|
          before     |-|
            long      |---------------|
          first                      |----|
            second                     |-----|
              third                      |--|
                inner                     |--|
                outer                      |------|
    """,
        unit=1_000_000_000,
    )
    *above, inner, outer = [replace(span, start_ns=span.start_ns + n) for n, span in enumerate(spans)]

    for order in ([*above, inner, outer], [*above, outer, inner], [outer, inner, *reversed(above)]):
        tree = SpanTree.from_spans(order)
        assert {tree.spans[index].name for index in forward(tree).second_reads} == {"second"}


def test_several_ways_out_of_one_span_all_move_with_it() -> None:
    trace = draw(
        """
        agent       |---------------------------|
          plan      |--------|
            one       |-|
              slow     |-------------------|
            two          |---|
              fast        |----------|
              faster      |--------|
    """,
        unit=1_000_000_000,
    )

    for span_id, ns in drag(trace).items():
        assert what_if(trace, {span_id: 0}).saved_ns == ns
    assert _named(trace, drag(trace))["plan"] == 2_000_000_000


def test_calls_started_together_still_keep_to_a_limit() -> None:
    trace = draw("""
        agent  |-----------------|
          one  |----|                role=tool
          two        |---|           role=tool
          three           |-----|    role=tool
    """)
    group = [[span.span_id for span in trace.spans[1:]]]

    free, two, one = (what_if(trace, together=group, concurrency=cap) for cap in (None, 2, 1))

    assert (free.saved_ns, two.saved_ns, one.saved_ns) == (9, 6, 2)


@pytest.mark.parametrize(
    ("change", "saved"),
    [
        ({"scale": {"0000000000000003": 0.5}}, 5),
        ({"by_name": {"search": 0}}, 5),
        ({"by_role": {"llm": 0}}, 5),
        ({"by_model": {"m1": 0}}, 2),
        ({"by_tool": {"search": 2}}, -9),
        ({"by_name": {"search": 0.5}, "by_tool": {"search": 0}}, 5),
        ({"remove": ["0000000000000003"]}, 5),
        ({"remove": ["none"]}, 0),
        ({"concurrency": 1}, -4),
        ({"concurrency": 2}, 0),
        ({"together": [["0000000000000002", "0000000000000003"], ["none"]]}, 2),
    ],
)
def test_a_change_saves_what_it_should(change: dict[str, object], saved: int) -> None:
    assert what_if(draw(_TRACE), **change).saved_ns == saved  # type: ignore[arg-type]  # one of several keywords


def test_the_curve_shows_the_next_bottleneck() -> None:
    answer = what_if(draw(_TRACE, unit=100), by_name={"search": 0.9})

    assert answer.curve == ((25, 1675), (50, 1450), (75, 1400), (100, 1400))
    assert answer.top_spans[0] == ("0000000000000003", 810)


@pytest.mark.parametrize("factor", [-1, math.nan, math.inf])
def test_a_factor_is_a_finite_number_from_0_on(factor: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        what_if(draw(_TRACE), {"x": factor})


def test_only_siblings_start_together() -> None:
    with pytest.raises(ValueError, match="siblings"):
        what_if(draw(_TRACE), together=[["0000000000000001", "0000000000000002"]])


def test_a_limit_below_one_is_none() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        what_if(draw(_TRACE), concurrency=0)


def test_an_empty_trace_has_no_figures() -> None:
    trace = SpanTree.from_spans([])

    assert (slack(trace), drag(trace), what_if(trace).makespan_ns) == ({}, {}, 0)
    assert critical_path(trace) == ()


@given(spans=likely_spans())
@settings(max_examples=100, deadline=None)
def test_the_barriers_give_the_path_of_the_walk(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)
    view = windows(tree)

    model = forward(tree, view)
    if not model.second_reads:  # there the walk forgets who created a creator
        assert path_owners(tree, view, model) == _owners_by_barriers(tree, model) == path_owners(tree, view)


@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1))
def test_a_front_knows_the_longest_of_every_depth(pairs: list[tuple[int, int]]) -> None:
    front: list[tuple[int, int]] = []

    for depth, end in pairs:
        _put(front, depth, end)

    assert front == sorted(front)
    for depth in range(6):
        longest = max((end for d, end in pairs if d <= depth), default=None)
        assert longest == max((end for d, end in front if d <= depth), default=None)


@given(spans=likely_spans(), limit=st.integers(1, 3), factor=st.sampled_from([0.0, 0.5, 3.0]))
@settings(max_examples=100, deadline=None)
def test_a_limit_only_costs_time_and_one_that_is_wide_none(
    spans: list[Span], limit: int, factor: float
) -> None:
    tree = SpanTree.from_spans([_call(span) for span in spans])
    change = {span.span_id: factor for span in tree.spans[::2]}

    free, wide, tight = (what_if(tree, change, concurrency=cap) for cap in (None, 99, limit))

    assert wide.makespan_ns == free.makespan_ns
    if limit == 1:
        assert tight.makespan_ns >= free.makespan_ns
    assert sum(ns for _, ns in tight.top_spans) <= tight.makespan_ns


def _call(span: Span) -> Span:
    return Span(span.trace_id, span.span_id, span.parent_span_id, span.name, span.start_ns, span.end_ns,
                span.kind, span.status, {"agentprof.role": "tool"})  # fmt: skip
