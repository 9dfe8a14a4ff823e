"""What holds for what-if, slack and drag of any trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from random_spans import likely_spans, wild_spans

from otel_agentprof.analysis import critical_path, drag, forward, slack, what_if, windows
from otel_agentprof.analysis.rerun import Change, makespan_ns, rerun
from otel_agentprof.model import Span, SpanTree

if TYPE_CHECKING:
    from random import Random

_LANES = st.sampled_from(["a", "b", "c", None])


@st.composite
def laned_spans(draw: st.DrawFn) -> list[Span]:
    spans = draw(likely_spans())
    return [replace(span, lane=draw(_LANES)) for span in spans]


any_spans = st.one_of(likely_spans(), laned_spans())


@given(spans=st.one_of(any_spans, wild_spans()))
@settings(max_examples=100, deadline=None)
def test_no_change_changes_nothing(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    answer = what_if(tree)

    assert (answer.makespan_ns, answer.saved_ns) == (tree.duration_ns, 0)


@given(spans=st.one_of(any_spans, wild_spans()))
@settings(max_examples=100, deadline=None)
def test_a_limit_that_nobody_reaches_changes_nothing(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    assert what_if(tree, concurrency=len(spans) + 1).saved_ns == 0


@given(spans=any_spans, data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_run_that_does_not_ask_why_takes_as_long(spans: list[Span], data: st.DataObject) -> None:
    model = forward(SpanTree.from_spans(spans))
    some = st.dictionaries(
        st.integers(0, len(model.starts) - 1), st.sampled_from([0.0, 0.5, 2.0]), max_size=4
    )
    started = [event for event in model.events if event >= 0]
    follows = {
        after: before
        for before, after in pairwise(started)
        if before != model.top and model.parents[before] == model.parents[after] and data.draw(st.booleans())
    }
    change = Change(data.draw(some), data.draw(some), follows)

    run = rerun(model, change)

    assert makespan_ns(model, change) == run.ends[model.top] - run.starts[model.top]


@given(spans=any_spans)
@settings(max_examples=150, deadline=None)
def test_drag_is_what_taking_the_own_time_away_saves(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    drags = drag(tree)

    assert drags == {span_id: what_if(tree, {span_id: 0}).saved_ns for span_id in drags}


@given(spans=any_spans)
@settings(max_examples=150, deadline=None)
def test_a_span_without_own_time_on_the_path_has_no_drag(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)
    on_path: Counter[str | None] = Counter()
    for span_id, start_ns, end_ns in critical_path(tree):
        on_path[span_id] += end_ns - start_ns

    assert all(0 <= ns <= on_path[span_id] for span_id, ns in drag(tree).items())


@given(spans=any_spans, data=st.data())
@settings(max_examples=150, deadline=None)
def test_slack_is_exact_to_the_unit(spans: list[Span], data: st.DataObject) -> None:
    tree = SpanTree.from_spans(spans)
    slacks = slack(tree)
    if not slacks:
        return
    model = forward(tree)
    span = data.draw(st.sampled_from(sorted(slacks)))
    late = data.draw(st.integers(1, 10**9))
    index = next(i for i, s in enumerate(tree.spans) if s.span_id == span)

    def delayed(by: int) -> int:
        tails = list(model.tails)
        tails[index] += by
        return what_if(tree, model=model._replace(tails=tails)).makespan_ns

    assert delayed(slacks[span]) == tree.duration_ns
    assert delayed(slacks[span] + late) == tree.duration_ns + late


@given(spans=any_spans)
@settings(max_examples=100, deadline=None)
def test_all_but_background_spans_have_slack_and_drag(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    expected = {s.span_id for i, s in enumerate(tree.spans) if i not in windows(tree).background}
    assert set(slack(tree)) == set(drag(tree)) == expected


@given(spans=any_spans)
@settings(max_examples=100, deadline=None)
def test_removing_what_is_not_on_the_path_changes_nothing(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)
    on_path = {segment.span_id for segment in critical_path(tree)}

    for index, span in enumerate(tree.spans):
        if not on_path & {tree.spans[i].span_id for i in _below(tree, index)}:
            assert what_if(tree, remove=[span.span_id]).saved_ns == 0


def _below(tree: SpanTree, index: int) -> list[int]:
    found = [index]
    for span in found:
        found += tree.children[span]
    return found


@given(spans=any_spans, random=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_spans_changes_no_prediction_but_in_ties(spans: list[Span], random: Random) -> None:
    moments: set[int] = set()
    apart = []
    for span in {span.span_id: span for span in spans}.values():
        ends = {span.start_ns, span.end_ns} - {None}
        if moments.isdisjoint(ends) and len(ends) > 1:  # of what comes at once the first given is taken
            moments |= {span.start_ns, span.end_ns or 0}
            apart.append(span)
    names = dict.fromkeys((span.name for span in apart), 0.5)

    one, other = (SpanTree.from_spans(order) for order in (apart, random.sample(apart, len(apart))))

    assert slack(one) == slack(other)
    assert drag(one) == drag(other)
    assert what_if(one, by_name=names).makespan_ns == what_if(other, by_name=names).makespan_ns
