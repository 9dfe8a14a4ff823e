"""What holds for the critical path of any trace."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_path import plain_path
from random_spans import likely_spans, wild_spans

from otel_agentprof.analysis import critical_path, windows
from otel_agentprof.model import SpanTree

if TYPE_CHECKING:
    from random import Random

    from otel_agentprof.analysis.windows import Profile
    from otel_agentprof.model import Span

profiles = pytest.mark.parametrize("profile", ["agent", "compat"])


@profiles
@given(spans=st.one_of(likely_spans(), wild_spans()))
@settings(max_examples=150, deadline=None)
def test_segments_tile_the_root(profile: Profile, spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    path = critical_path(tree, profile)

    assert sum(s.end_ns - s.start_ns for s in path) == tree.duration_ns
    assert all(s.start_ns < s.end_ns for s in path)
    assert all(before.end_ns == after.start_ns for before, after in pairwise(path))
    if path:
        assert (path[0].start_ns, path[-1].end_ns) == (tree.start_ns, tree.end_ns)


@profiles
@given(spans=likely_spans())
@settings(max_examples=150, deadline=None)
def test_each_segment_lies_inside_its_own_span(profile: Profile, spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)
    index_of = {span.span_id: index for index, span in enumerate(tree.spans)}

    path = critical_path(tree, profile)

    view = windows(tree, profile)
    for segment in path:
        if segment.span_id is not None:
            index = index_of[segment.span_id]
            assert tree.starts[index] <= view.starts[index] <= segment.start_ns
            assert segment.end_ns <= view.ends[index] <= tree.ends[index]


@given(spans=likely_spans())
@settings(max_examples=500, deadline=None)
def test_the_path_is_the_one_of_the_plain_definition(spans: list[Span]) -> None:
    path = critical_path(SpanTree.from_spans(spans))

    assert list(path) == plain_path(spans)


@profiles
@given(spans=likely_spans(), random=st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_spans_changes_nothing_but_ties(
    profile: Profile, spans: list[Span], random: Random
) -> None:
    apart = {span.start_ns: span for span in spans}  # of equal starts the first given is taken
    unique = list({span.span_id: span for span in apart.values()}.values())
    shuffled = random.sample(unique, len(unique))

    one, other = (SpanTree.from_spans(order) for order in (unique, shuffled))

    assert critical_path(one, profile) == critical_path(other, profile)


@profiles
@given(spans=likely_spans())
@settings(max_examples=150, deadline=None)
def test_effective_windows_never_shrink_upwards(profile: Profile, spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    view = windows(tree, profile)

    off = view.background | view.dropped
    for span, parent in enumerate(view.parents):
        if parent >= 0 and span not in off:
            assert parent not in off
            assert view.starts[parent] <= view.starts[span] <= view.ends[span] <= view.ends[parent]
