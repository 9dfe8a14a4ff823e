from __future__ import annotations

from hypothesis import given, settings
from random_spans import likely_spans, wild_spans
from report_samples import deep, row

from otel_agentprof.model import Span, SpanTree
from otel_agentprof.report.build import build
from otel_agentprof.report.tracks import tracks


def test_a_span_stays_below_its_parent_while_there_is_room() -> None:
    rows = [
        row(0, "agent", "agent", 0, 20),
        row(1, "plan", "llm", 0, 5),
        row(1, "search", "tool", 5, 15),
        row(2, "GET", "other", 6, 7),
        row(1, "lookup", "tool", 6, 9),
        row(2, "GET lookup", "other", 7, 8),
        row(1, "fetch", "tool", 7, 9),
        row(1, "answer", "llm", 15, 20),
        row(1, "log", "step", 19, 25),
    ]

    found = [[one.name for one in track] for track in tracks(rows)]

    assert found == [
        ["agent", "plan", "search", "GET", "answer"],
        ["lookup", "GET lookup", "log"],
        ["fetch"],
    ]


def test_what_outlives_its_parent_goes_elsewhere() -> None:
    rows = [row(0, "agent", "agent", 0, 20), row(1, "step", "step", 0, 5), row(2, "late", "tool", 4, 9)]

    assert [len(track) for track in tracks(rows)] == [2, 1]


def test_a_chain_deeper_than_viewers_draw_goes_on_on_the_next_track() -> None:
    found = tracks(deep(1_000).waterfall)

    assert [len(track) for track in found] == [200] * 5
    assert found[1][0].name == "level 200"


def test_there_are_no_tracks_without_spans() -> None:
    assert tracks([]) == []


@settings(deadline=None, max_examples=100)
@given(spans=likely_spans() | wild_spans())
def test_every_span_is_on_one_track_and_only_below_its_parent(spans: list[Span]) -> None:
    rows = build(SpanTree.from_spans(spans)).waterfall
    parents: dict[int, int] = {}
    above: list[int] = []
    for one in rows:
        del above[one.depth :]
        parents[id(one)] = above[-1] if above else 0
        above.append(id(one))

    found = tracks(rows)

    assert sorted(id(one) for track in found for one in track) == sorted(parents)
    for track in found:
        opened: list[tuple[int, int]] = []
        for one in track:
            while opened and opened[-1][1] <= one.start_ns:
                opened.pop()
            if opened:
                assert opened[-1][0] == parents[id(one)]
                assert one.end_ns <= opened[-1][1]
            opened.append((id(one), one.end_ns))
