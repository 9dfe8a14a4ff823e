"""What the critical path says of drawn traces, situation by situation (critical_path.md, section B)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from drawing import Drawing, draw

from otel_agentprof import analysis
from otel_agentprof.analysis import Segment, critical_path
from otel_agentprof.model import Span, SpanTree

MS = 1_000_000


def names(trace: Drawing, profile: str = "agent") -> list[str | None]:
    return [trace.name_of(segment.span_id) for segment in critical_path(trace, profile)]  # type: ignore[arg-type]  # any text


def pieces(trace: Drawing, *, unit: int = 1) -> list[tuple[str | None, int, int]]:
    path = critical_path(trace)
    return [(trace.name_of(s.span_id), s.start_ns // unit, s.end_ns // unit) for s in path]


def test_parallel_tools_are_hidden_behind_the_slowest() -> None:
    trace = draw("""
        agent      |--------------------|
          plan        |-----|
          search               |-----|
          lookup               |--|
    """)

    path = critical_path(trace)

    assert [trace.name_of(s.span_id) for s in path] == ["agent", "plan", "agent", "search", "agent"]
    assert sum(s.end_ns - s.start_ns for s in path) == trace.duration_ns


def test_a_single_span_is_its_own_path() -> None:
    trace = draw("agent |----|")

    path = critical_path(trace)

    assert path == (Segment("0000000000000001", 0, 5),)


def test_spans_back_to_back_are_both_waited_for() -> None:
    trace = draw("""
        agent      |----------|
          plan      |---|
          search        |---|
    """)

    assert pieces(trace) == [("agent", 0, 1), ("plan", 1, 5), ("search", 5, 9), ("agent", 9, 11)]


def test_siblings_that_overlap_a_little_ran_in_parallel() -> None:
    trace = draw("""
        agent      |-----------|
          plan      |----|
          search        |----|
    """)

    assert names(trace) == ["agent", "search", "agent"]


def test_of_siblings_that_end_together_the_earliest_started_is_waited_for() -> None:
    trace = draw("""
        agent      |---------|
          late         |---|
          early      |-----|
    """)

    assert names(trace) == ["agent", "early", "agent"]


def test_of_siblings_with_equal_times_the_first_given_is_waited_for() -> None:
    trace = draw("""
        agent      |---------|
          first      |-----|
          second     |-----|
    """)

    assert names(trace) == ["agent", "first", "agent"]


def test_a_child_that_starts_before_its_parent_is_clipped() -> None:
    trace = draw("""
        agent        |-----|
          skewed   |----|
    """)

    assert [(s.start_ns, s.end_ns) for s in critical_path(trace)] == [(2, 5), (5, 8)]
    assert names(trace) == ["skewed", "agent"]


def test_a_child_that_outlives_its_parent_is_waited_for_by_the_ancestor() -> None:
    trace = draw(
        """
        agent      |--------------|
          step       |---|
            task       |------|
        """,
        unit=2 * MS,
    )

    assert pieces(trace, unit=2 * MS) == [
        ("agent", 0, 2),
        ("step", 2, 4),  # before its start the task was in the hands of its creator
        ("task", 4, 11),
        ("agent", 11, 15),
    ]
    assert names(trace, "compat") == ["agent", "step", "task", "agent"]


def test_the_way_to_a_hoisted_span_leads_through_all_its_creators() -> None:
    trace = draw(
        """
        agent      |--------------|
          outer     |-------|
            inner     |---|
              task      |-------|
        """,
        unit=2 * MS,
    )

    assert pieces(trace, unit=2 * MS) == [
        ("agent", 0, 1),
        ("outer", 1, 3),
        ("inner", 3, 5),
        ("task", 5, 13),
        ("agent", 13, 15),
    ]


def test_a_hoisted_span_that_starts_after_its_creator_ended_leaves_the_gap_to_the_one_who_waits() -> None:
    trace = draw(
        """
        agent      |--------------|
          step       |--|
            task         |----|
        """,
        unit=2 * MS,
    )

    assert names(trace) == ["agent", "step", "agent", "task", "agent"]


def test_a_child_wholly_before_its_parent_is_hoisted() -> None:
    trace = draw(
        """
        agent      |--------------|
          step             |---|
            early    |---|
        """,
        unit=2 * MS,
    )

    assert names(trace) == ["agent", "early", "agent", "step", "agent"]


def test_a_span_that_outlives_the_root_is_not_waited_for() -> None:
    trace = draw(
        """
        agent      |---------|
          chat       |----|
          log          |---------|
            send           |-|
        """,
        unit=2 * MS,
    )

    assert names(trace) == ["agent", "chat", "agent"]
    assert names(trace, "compat") == ["agent", "log", "send"]


def test_a_span_that_outlives_the_root_by_a_clock_error_is_waited_for() -> None:
    trace = draw(
        """
        agent      |---------|
          chat       |--------|
        """,
        unit=MS,
    )

    assert pieces(trace, unit=MS) == [("agent", 0, 2), ("chat", 2, 10)]


def test_a_span_that_outlives_a_failed_root_was_waited_for_until_then() -> None:
    trace = draw(
        """
        agent      |---------|       status=ERROR
          chat       |---------|
        """,
        unit=2 * MS,
    )

    assert pieces(trace, unit=2 * MS) == [("agent", 0, 2), ("chat", 2, 10)]


def test_a_span_that_starts_after_a_failed_root_is_not_waited_for() -> None:
    trace = draw(
        """
        agent      |-----|         status=ERROR
          chat             |---|
        """,
        unit=2 * MS,
    )

    assert names(trace) == ["agent"]


def test_an_orphan_inside_the_only_root_belongs_to_it() -> None:
    trace = draw("""
        agent      |---------|
        orphan       |---|        parent=ff
    """)

    assert names(trace) == ["agent", "orphan", "agent"]


@pytest.mark.parametrize("profile", ["agent", "compat"])
def test_an_orphan_outside_the_only_root_is_off_the_path(profile: str) -> None:
    trace = draw("""
        agent        |---|
        orphan             |---|        parent=ff
          below             |-|
    """)

    assert names(trace, profile) == ["agent"]


def test_several_roots_share_a_virtual_root() -> None:
    trace = draw("""
        one      |---|
        two            |---|
    """)

    path = critical_path(trace)

    assert path == (
        Segment("0000000000000001", 0, 4),
        Segment(None, 4, 6),
        Segment("0000000000000002", 6, 10),
    )
    assert trace.duration_ns == 10


def test_a_root_whose_parent_is_in_another_process_has_a_path() -> None:
    trace = draw("""
        agent      |---------|   parent=ff
          chat       |---|
    """)

    assert names(trace) == ["agent", "chat", "agent"]


def test_a_span_of_no_length_takes_no_time() -> None:
    trace = draw("""
        agent      |---------|
          mark       |
          chat         |---|
          mark             |
    """)

    assert names(trace) == ["agent", "chat", "agent"]


def test_an_open_span_ends_with_the_last_that_is_known() -> None:
    trace = draw("""
        agent      |---------|
          chat       |--->
    """)

    assert names(trace) == ["agent", "chat"]


@pytest.mark.parametrize("profile", ["agent", "compat"])
def test_a_consumer_is_not_waited_for_by_its_producer(profile: str) -> None:
    trace = draw("""
        agent        |---------|
          send         |-----|    kind=PRODUCER
            handle      |---|     kind=CONSUMER
              work       |-|
    """)

    assert names(trace, profile) == ["agent", "send", "agent"]


def test_compat_drops_what_lies_outside_its_parent() -> None:
    trace = draw(
        """
        agent      |--------------|
          step       |--|
            late         |----|
              below       |--|
        """,
        unit=2 * MS,
    )

    assert names(trace, "compat") == ["agent", "step", "agent"]


def test_errors_change_nothing_on_the_path() -> None:
    trace = draw("""
        agent      |-----------|
          try        |-|           status=ERROR
          again           |--|
    """)

    assert names(trace) == ["agent", "try", "agent", "again", "agent"]


def test_no_spans_have_no_path() -> None:
    assert critical_path(SpanTree.from_spans([])) == ()


def test_a_root_of_no_length_has_no_path() -> None:
    assert critical_path(draw("agent |")) == ()


def test_an_unknown_profile_is_refused_in_one_line() -> None:
    trace = draw("agent |-|")

    with pytest.raises(ValueError, match=r"^profile must be 'agent' or 'compat', not 'jaeger'$"):
        critical_path(trace, "jaeger")  # type: ignore[arg-type]  # that is the point


def test_the_name_in_the_package_is_the_function_not_the_file() -> None:
    code = (
        "import otel_agentprof.analysis.critical_path\n"
        "import otel_agentprof.analysis as a\n"
        "assert callable(a.critical_path)"
    )

    finished = subprocess.run([sys.executable, "-c", code], check=False)

    assert finished.returncode == 0
    assert analysis.critical_path(draw("agent |-|")) == (Segment("0000000000000001", 0, 2),)


@pytest.mark.parametrize("profile", ["agent", "compat"])
def test_a_chain_of_5000_spans_needs_no_recursion(profile: str) -> None:
    chain = [
        Span("1" * 32, f"{i:016x}", f"{i - 1:016x}" if i else None, "link", i, 20_000 - i)
        for i in range(5_000)
    ]

    path = critical_path(SpanTree.from_spans(chain), profile)  # type: ignore[arg-type]  # any text

    assert len(path) == 9_999
    assert sum(s.end_ns - s.start_ns for s in path) == 20_000


@pytest.mark.parametrize("profile", ["agent", "compat"])
def test_10000_siblings_one_after_another_are_all_on_the_path(profile: str) -> None:
    root = Span("1" * 32, "f" * 16, None, "agent", 0, 100_000)
    calls = [Span("1" * 32, f"{i:016x}", "f" * 16, "call", 10 * i, 10 * i + 10) for i in range(10_000)]

    path = critical_path(SpanTree.from_spans([root, *calls]), profile)  # type: ignore[arg-type]  # any text

    assert [s.span_id for s in path] == [span.span_id for span in calls]
