"""Critical path where threads and tasks are known, drawn."""

from __future__ import annotations

import pytest
from drawing import Drawing, draw

from otel_agentprof.analysis import critical_path, windows
from otel_agentprof.model import Span, SpanTree


def _path(trace: Drawing) -> list[tuple[str | None, int]]:
    return [(trace.name_of(s.span_id), s.end_ns - s.start_ns) for s in critical_path(trace)]


def test_a_stream_waits_for_the_tool_that_its_own_task_runs() -> None:
    trace = draw("""
        agent     |--------------------|   lane=a
          stream  |--------------------|   lane=a
          search       |--------|          lane=a
    """)

    path = _path(trace)

    assert path == [("stream", 5), ("search", 9), ("stream", 7)]
    assert critical_path(trace, "compat")[0].end_ns == 21


def test_a_span_that_its_task_has_only_begun_is_around_nothing() -> None:
    trace = draw("""
        batch     |--------------------|   lane=a
          one     |-------------------|    lane=a
            work    |----------------|     lane=b
          two      |-----|                 lane=a
            work2   |---|                  lane=c
    """)

    assert "two" not in dict(_path(trace))


def test_a_chain_waits_for_its_own_lane_only() -> None:
    trace = draw("""
        gather    |--------------------|   lane=a
          foo1    |----|                   lane=b
          foo2    |--------|               lane=c
          foo3              |----------|   lane=b
    """)

    assert _path(trace) == [("foo1", 5), ("gather", 5), ("foo3", 11)]


def test_a_task_waits_for_the_tasks_that_it_started() -> None:
    trace = draw("""
        run       |------------------------|   lane=main
          plan    |---|                        lane=b
          one          |----|                  lane=c
          two          |------|                lane=d
          answer                |------|       lane=b
    """)

    assert [name for name, _ in _path(trace) if name != "run"] == ["plan", "two", "answer"]


def test_a_task_waits_for_tasks_that_it_started_one_after_another() -> None:
    trace = draw("""
        run       |------------------------|   lane=main
          plan    |---|                        lane=b
          one          |--|                    lane=c
          two              |--|                lane=d
          answer                |------|       lane=b
    """)

    assert [name for name, _ in _path(trace) if name != "run"] == ["plan", "one", "two", "answer"]


def test_a_task_does_not_wait_for_one_that_runs_on_beside_its_next_span() -> None:
    trace = draw("""
        run       |------------------------|   lane=main
          plan    |---|                        lane=b
          log          |-------|               lane=c
          fetch        |--|                    lane=b
          answer                |------|       lane=b
    """)

    assert [name for name, _ in _path(trace) if name != "run"] == ["plan", "fetch", "answer"]


def test_spans_without_a_lane_wait_for_all_that_ended() -> None:
    trace = draw("""
        run       |------------------------|   lane=main
          plan    |---|                        lane=b
          remote       |-------|
          answer                |------|       lane=main
    """)

    assert [name for name, _ in _path(trace) if name != "run"] == ["plan", "remote", "answer"]


def test_what_lies_beside_the_root_nests_in_nothing() -> None:
    trace = draw("""
        run       |-----------|                lane=a
          work     |----|                      lane=a
        late         |-----------|             lane=a parent=ff
        later                    |-----------| lane=a parent=ff
    """)

    assert {name for name, _ in _path(trace)} == {"run", "work", "late"}


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_an_instant_at_the_start_of_a_span_of_its_lane_is_inside_it(order: tuple[int, ...]) -> None:
    made = [
        Span("1", "a", None, "agent", 0, 20, lane="x"),
        Span("1", "b", "a", "tick", 5, 5, lane="x"),
        Span("1", "c", "a", "stream", 5, 15, lane="x"),
    ]
    tree = SpanTree.from_spans([made[place] for place in order])

    parents = windows(tree).parents

    tick, stream = order.index(1), order.index(2)
    assert parents[tick] == stream
