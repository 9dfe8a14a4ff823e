"""How spans in any state become one tree (critical_path.md, NORMALISE and ROOT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawing import draw, draw_spans
from hypothesis import given, settings
from hypothesis import strategies as st
from random_spans import likely_spans, wild_spans

from otel_agentprof.model import Span, SpanTree, by_trace

if TYPE_CHECKING:
    from random import Random


def span(span_id: str, parent: str | None = None, start: int = 0, end: int | None = 10) -> Span:
    return Span("1", span_id, parent, span_id, start, end)


def test_spans_keep_the_order_in_which_they_came() -> None:
    spans = draw_spans("""
        agent   |-----|
          chat    |-|
    """)

    tree = SpanTree.from_spans(iter(spans))

    assert tree.spans == tuple(spans)
    assert tree.parents == (-1, 0)
    assert tree.root_span == spans[0]
    assert (len(tree), tree.trace_id, tree.duration_ns) == (2, "0" * 31 + "1", 6)


def test_of_spans_with_the_same_id_the_first_wins() -> None:
    tree = SpanTree.from_spans([span("a"), span("b", "a", 1, 5), span("b", "a", 2, 9), span("a", None, 3, 4)])

    assert [(s.span_id, s.start_ns) for s in tree.spans] == [("a", 0), ("b", 1)]
    assert tree.duplicate_count == 2


def test_spans_without_an_id_are_all_kept_and_are_nobodys_parent() -> None:
    tree = SpanTree.from_spans([span("a"), span("", "a"), span("", "a"), span("b", "")])

    assert tree.duplicate_count == 0
    assert tree.parents == (-1, 0, 0, -1)
    assert tree.orphans == frozenset()


def test_an_orphan_inside_the_only_root_is_adopted() -> None:
    tree = SpanTree.from_spans([span("late", "gone", 2, 50), span("a"), span("below", "late", 3, 4)])

    assert tree.parents == (1, -1, 0)
    assert tree.orphans == {0}
    assert tree.detached == frozenset()
    assert list(tree.top_down) == [1, 0, 2]


def test_an_orphan_outside_the_only_root_is_detached() -> None:
    tree = SpanTree.from_spans([span("a"), span("before", "gone", -1, 5), span("after", "gone", 10, 11)])

    assert tree.root == 0
    assert tree.detached == {1, 2}
    assert tree.orphans == {1, 2}


def test_the_only_orphan_is_the_root() -> None:
    tree = SpanTree.from_spans([span("a", "elsewhere"), span("b", "a")])

    assert (tree.root, tree.orphans) == (0, frozenset({0}))


def test_a_span_that_names_itself_as_parent_is_an_orphan() -> None:
    tree = SpanTree.from_spans([span("a", "a"), span("b", "a")])

    assert tree.parents == (-1, 0)
    assert (tree.root, tree.orphans, tree.cut_spans) == (0, frozenset({0}), frozenset())


def test_several_roots_share_a_virtual_one() -> None:
    tree = SpanTree.from_spans([span("a", None, 3, 5), span("b", None, 8, 12), span("c", "gone", 9, 20)])

    assert (tree.root, tree.root_span) == (-1, None)
    assert (tree.start_ns, tree.end_ns) == (3, 20)


def test_a_cycle_is_cut_at_its_earliest_span() -> None:
    tree = SpanTree.from_spans(
        [span("tail", "a", 0, 1), span("a", "c", 4, 9), span("b", "a", 2, 9), span("c", "b", 5, 9)]
    )

    assert tree.cut_spans == {2}
    assert tree.parents == (1, 3, -1, 2)
    assert (tree.root, tree.orphans) == (2, frozenset())


def test_a_cycle_beside_a_root_belongs_to_the_root() -> None:
    tree = SpanTree.from_spans([span("a"), span("b", "c", 1, 3), span("c", "b", 2, 3)])

    assert (tree.root, tree.parents, tree.cut_spans) == (0, (-1, 0, 1), frozenset({1}))


def test_an_open_span_ends_at_the_latest_known_time() -> None:
    tree = SpanTree.from_spans([span("a", None, 0, None), span("b", "a", 3, 7), span("c", "a", 12, None)])

    assert tree.ends == (12, 7, 12)
    assert tree.open_spans == {0, 2}


def test_an_open_span_ends_now_when_now_is_known() -> None:
    tree = SpanTree.from_spans([span("a", None, 0, None), span("b", "a", 30, None)], now_ns=20)

    assert tree.ends == (20, 30)


def test_only_open_spans_end_when_the_last_starts() -> None:
    tree = SpanTree.from_spans([span("a", None, 0, None), span("b", "a", 3, None)])

    assert tree.ends == (3, 3)


def test_a_span_that_ends_before_it_starts_has_no_length() -> None:
    tree = SpanTree.from_spans([span("a"), span("b", "a", 5, 2)])

    assert (tree.ends, tree.backward_spans) == ((10, 5), frozenset({1}))


def test_ids_are_known_per_trace() -> None:
    spans = [
        Span("1", "a", None, "one", 0, 5),
        Span("2", "a", None, "two", 1, 9),
        Span("2", "b", "a", "below", 2, 3),
    ]

    tree = SpanTree.from_spans(spans)

    assert (tree.root, tree.parents, tree.trace_id) == (-1, (-1, -1, 1), None)
    assert (tree.start_ns, tree.end_ns) == (0, 9)


def test_a_parent_in_another_trace_is_unknown() -> None:
    tree = SpanTree.from_spans([Span("1", "a", None, "one", 0, 5), Span("2", "b", "a", "two", 1, 2)])

    assert (tree.parents, tree.orphans) == ((-1, -1), frozenset({1}))


def test_no_spans_make_an_empty_tree() -> None:
    tree = SpanTree.from_spans([])

    assert (len(tree), tree.root, tree.duration_ns, tree.trace_id) == (0, -1, 0, None)
    assert tree.children == ((),)


def test_children_stand_by_start_and_tops_last() -> None:
    tree = draw("""
        agent    |-------|
          late       |-|
          early   |-|
    """)

    assert tree.children == ((2, 1), (), (), (0,))


def test_spans_in_order_of_end_are_put_top_down() -> None:
    tree = SpanTree.from_spans([span("c", "b"), span("b", "a"), span("a")])

    assert list(tree.top_down) == [2, 1, 0]


def test_traces_come_in_the_order_in_which_they_first_appear() -> None:
    spans = draw_spans("""
        two      |---|      trace=2
          chat    |-|
        one      |---|      trace=1
        more     |---|      trace=2
    """)

    trees = list(by_trace(spans))

    assert [(tree.trace_id, len(tree)) for tree in trees] == [(f"{2:032x}", 3), (f"{1:032x}", 1)]


@given(spans=st.one_of(wild_spans(), likely_spans()))
@settings(max_examples=300, deadline=None)
def test_every_span_comes_after_its_parent_top_down(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    place = {index: position for position, index in enumerate(tree.top_down)}
    assert sorted(place) == list(range(len(tree)))
    assert all(parent < 0 or place[parent] < place[index] for index, parent in enumerate(tree.parents))
    assert all(start <= end for start, end in zip(tree.starts, tree.ends, strict=True))


@given(spans=likely_spans(), random=st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_tree_does_not_depend_on_the_order_of_spans(spans: list[Span], random: Random) -> None:
    unique = list({s.span_id: s for s in {s.start_ns: s for s in spans}.values()}.values())
    shuffled = random.sample(unique, len(unique))

    trees = [SpanTree.from_spans(order) for order in (unique, shuffled)]

    shapes = [
        {
            tree.spans[i].span_id: (
                tree.spans[p].span_id if p >= 0 else None,
                tree.ends[i],
                i in tree.detached,
            )
            for i, p in enumerate(tree.parents)
        }
        for tree in trees
    ]
    assert shapes[0] == shapes[1]
    assert (trees[0].start_ns, trees[0].end_ns) == (trees[1].start_ns, trees[1].end_ns)
