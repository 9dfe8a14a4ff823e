from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode
from recording import Recorder, attributes_of, recording

from otel_agentprof.instrumentation.propagation import propagate
from otel_agentprof.instrumentation.tools import tool
from otel_agentprof.profilers import PerformanceProfiler, TimingRecord

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


def profiler_of(*records: tuple[str, float, float, str | None]) -> PerformanceProfiler:
    """Return a profiler with records written by hand: name, start and end in seconds, parent's name."""
    profiler = PerformanceProfiler()
    profiler.records = [TimingRecord(name, start, end, parent) for name, start, end, parent in records]
    return profiler


RESEARCH = (
    ("agent:run", 0.0, 10.0, None),
    ("llm_call:plan", 1.0, 4.0, "agent:run"),
    ("tool_call:slow", 4.0, 8.0, "agent:run"),
    ("tool_call:fast", 4.0, 6.0, "agent:run"),
    ("llm_call:answer", 8.0, 9.0, "agent:run"),
)


# --- records ---------------------------------------------------------------------------------------------


def test_a_timer_gives_a_record_with_name_times_parent_and_metadata() -> None:
    profiler = PerformanceProfiler()

    with profiler.timer("agent:run"), profiler.timer("llm_call:plan", model="gpt-4o") as record:
        while_running = record.duration_ms

    assert (record.name, record.parent, record.metadata) == (
        "llm_call:plan",
        "agent:run",
        {"model": "gpt-4o"},
    )
    assert while_running == 0
    assert record.end_time is not None
    assert record.duration_ms == pytest.approx((record.end_time - record.start_time) * 1000)
    assert [r.name for r in profiler.records] == ["llm_call:plan", "agent:run"]


def test_a_record_is_kept_when_the_block_raises(recorder: Recorder) -> None:
    profiler = PerformanceProfiler()
    error = ValueError("bad")

    with pytest.raises(ValueError, match="bad") as caught, profiler.timer("tool:x"):
        raise error

    assert caught.value is error
    assert profiler.records[0].end_time is not None
    assert recorder.one("tool:x").status.status_code is StatusCode.ERROR
    assert attributes_of(recorder.one("tool:x"))["error.type"] == "ValueError"


def test_timers_of_one_name_nest() -> None:
    profiler = PerformanceProfiler()

    with profiler.timer("think") as outer, profiler.timer("think") as inner, profiler.timer("think") as last:
        pass

    assert [r.parent for r in (outer, inner, last)] == [None, "think", "think"]
    assert (inner.parent_id, last.parent_id) == (outer.span_id, inner.span_id)
    assert len({r.span_id for r in profiler.records}) == 3


def test_a_timer_object_can_be_used_again_and_within_itself() -> None:
    profiler = PerformanceProfiler()
    timer = profiler.timer("x")

    with timer, timer:
        pass
    with timer:
        pass

    assert [r.parent for r in profiler.records] == ["x", None, None]


def test_two_profilers_do_not_see_each_other() -> None:
    one, other = PerformanceProfiler(), PerformanceProfiler()

    with one.timer("a"), other.timer("b") as b, one.timer("c") as c:
        pass

    assert (b.parent, c.parent) == (None, "a")


async def test_tasks_have_their_own_enclosing_timer() -> None:
    profiler = PerformanceProfiler()

    async def work(name: str) -> None:
        async with profiler.timer(f"outer {name}"):
            await asyncio.sleep(0)
            with profiler.timer(f"inner {name}"):
                await asyncio.sleep(0)

    async with profiler.timer("all"):
        await asyncio.gather(work("a"), work("b"))

    parents = {r.name: r.parent for r in profiler.records}
    assert parents == {
        "inner a": "outer a",
        "inner b": "outer b",
        "outer a": "all",
        "outer b": "all",
        "all": None,
    }


async def test_an_async_timer_keeps_its_record_when_the_block_raises() -> None:
    profiler = PerformanceProfiler()

    with pytest.raises(asyncio.CancelledError):
        async with profiler.timer("x"):
            raise asyncio.CancelledError

    assert [r.name for r in profiler.records] == ["x"]


def test_threads_do_not_mix_and_a_propagated_pool_keeps_the_parent() -> None:
    profiler = PerformanceProfiler()

    def work() -> None:
        with profiler.timer("work"):
            pass

    with profiler.timer("main"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with ThreadPoolExecutor() as pool:
            propagate(pool).submit(work).result()

    assert [r.parent for r in profiler.records] == [None, "main", None]


def test_a_timer_that_ends_in_another_context_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    profiler = PerformanceProfiler()
    timer = profiler.timer("moved")

    copy_context().run(timer.__enter__)
    copy_context().run(timer.__exit__, None, None, None)

    assert [r.name for r in profiler.records] == ["moved"]
    assert caplog.records == []


def test_a_bounded_profiler_keeps_the_latest_records_and_counts_the_rest() -> None:
    profiler = PerformanceProfiler(max_records=2)

    for number in range(5):
        with profiler.timer(f"n{number}"):
            pass

    assert [r.name for r in profiler.records] == ["n3", "n4"]
    assert profiler.dropped_count == 3


# --- spans underneath ------------------------------------------------------------------------------------


def test_each_timer_is_a_span_under_the_current_one(recorder: Recorder) -> None:
    profiler = PerformanceProfiler()

    with tool("outer"), profiler.timer("llm_call:plan", model="gpt-4o", round=1, ok=True, blob=[1]) as record:
        pass

    span = recorder.one("llm_call:plan")
    assert recorder.parent_name("llm_call:plan") == "execute_tool outer"
    assert span.context is not None
    assert record.span_id == f"{span.context.span_id:016x}"
    assert attributes_of(span) == {
        "agentprof.role": "llm",
        "gen_ai.request.model": "gpt-4o",
        "agentprof.metadata.model": "gpt-4o",
        "agentprof.metadata.round": 1,
        "agentprof.metadata.ok": True,
    }


def test_a_profiler_can_have_a_provider_of_its_own() -> None:
    own = Recorder()
    profiler = PerformanceProfiler(tracer_provider=own.provider)

    with profiler.timer("tool_call:x"), profiler.timer("memory_read"), profiler.timer("thinking"):
        pass

    roles = [attributes_of(span)["agentprof.role"] for span in own.spans]
    assert roles == ["step", "retrieval", "tool"]


# --- figures ---------------------------------------------------------------------------------------------


def test_a_summary_has_figures_per_category() -> None:
    summary = profiler_of(*RESEARCH).get_summary()

    assert summary == {
        "agent": {
            "count": 1,
            "total_ms": 10_000,
            "avg_ms": 10_000,
            "min_ms": 10_000,
            "max_ms": 10_000,
            "p50_ms": 10_000,
            "p95_ms": 10_000,
            "self_ms": 2_000,
            "critical_ms": 2_000,
        },
        "llm_call": {
            "count": 2,
            "total_ms": 4_000,
            "avg_ms": 2_000,
            "min_ms": 1_000,
            "max_ms": 3_000,
            "p50_ms": 1_000,
            "p95_ms": 3_000,
            "self_ms": 4_000,
            "critical_ms": 4_000,
        },
        "tool_call": {
            "count": 2,
            "total_ms": 6_000,
            "avg_ms": 3_000,
            "min_ms": 2_000,
            "max_ms": 4_000,
            "p50_ms": 2_000,
            "p95_ms": 4_000,
            "self_ms": 6_000,
            "critical_ms": 4_000,
        },
    }


def test_without_records_there_is_nothing_to_tell() -> None:
    profiler = PerformanceProfiler()

    assert profiler.get_summary() == {}
    assert profiler.get_critical_path() == []
    assert profiler.get_waterfall() == "No records"


def test_the_critical_path_follows_the_child_that_finished_last() -> None:
    path = profiler_of(*RESEARCH).get_critical_path()

    assert [r.name for r in path] == ["agent:run", "llm_call:plan", "tool_call:slow", "llm_call:answer"]


def test_an_enclosing_block_without_own_time_is_on_the_path() -> None:
    profiler = profiler_of(("outer", 0, 2, None), ("inner", 0, 2, "outer"))

    assert [r.name for r in profiler.get_critical_path()] == ["outer", "inner"]


def test_several_outermost_timers_make_one_path() -> None:
    profiler = profiler_of(("a", 0, 2, None), ("b", 0, 1, None), ("c", 3, 4, None))

    assert [r.name for r in profiler.get_critical_path()] == ["a", "c"]


def test_figures_can_be_asked_for_while_an_outer_timer_runs() -> None:
    profiler = PerformanceProfiler()

    with profiler.timer("before"):
        pass
    with profiler.timer("outer"):
        with profiler.timer("inner"):
            pass
        names = [r.name for r in profiler.get_critical_path()]

    assert names == ["before", "inner"]


def test_a_record_written_by_hand_belongs_to_the_shortest_parent_around_it() -> None:
    profiler = profiler_of(
        ("run", 0, 10, None), ("run", 4, 8, "run"), ("x", 5, 6, "run"), ("y", 9, 10, "run"), ("z", 1, 2, "no")
    )
    profiler.records.append(TimingRecord("open", 1.0, None, "run"))

    lines = profiler.get_waterfall().splitlines()

    assert [len(line) - len(line.lstrip()) for line in lines if line.lstrip()[0] in "xy"] == [4, 2]


def test_a_record_that_is_there_twice_is_counted_twice() -> None:
    profiler = PerformanceProfiler()
    with profiler.timer("x"):
        pass
    profiler.records *= 2

    assert profiler.get_summary()["x"]["count"] == 2


def test_a_waterfall_has_one_indented_line_per_record() -> None:
    waterfall = profiler_of(*RESEARCH).get_waterfall(width=60)

    assert waterfall.splitlines() == [
        "agent:run         10.0 s |###---------------------------###|",
        "  llm_call:plan   3.00 s |   ##########                    |",
        "  tool_call:slow  4.00 s |             #############       |",
        "  tool_call:fast  2.00 s |             -------             |",
        "  llm_call:answer 1.00 s |                          ####   |",
    ]


def test_a_waterfall_of_no_length_divides_by_nothing() -> None:
    waterfall = profiler_of(("a", 1, 1, None), ("b", 1, 1, "a")).get_waterfall(width=30)

    assert [line.count("|") for line in waterfall.splitlines()] == [2, 2]


def test_a_waterfall_shows_no_escape_sequence_and_cuts_long_names() -> None:
    waterfall = profiler_of(("\x1b[31mred\n", 0, 1, None), ("n" * 100, 0, 1, None)).get_waterfall()

    assert "\x1b" not in waterfall
    assert len(waterfall.splitlines()) == 2
    assert all(len(line) <= 80 for line in waterfall.splitlines())


@st.composite
def nested_records(draw: st.DrawFn) -> list[TimingRecord]:
    """Draw blocks, each inside one that was drawn before."""
    records = [TimingRecord("c0:root", 0.0, 1000.0, span_id="s0")]
    for number in range(1, draw(st.integers(1, 15))):
        parent = draw(st.sampled_from(records))
        assert parent.end_time is not None
        start, end = sorted(draw(st.tuples(*[st.integers(int(parent.start_time), int(parent.end_time))] * 2)))
        category = draw(st.sampled_from("abc"))
        records.append(
            TimingRecord(
                category,
                float(start),
                float(end),
                parent.name,
                span_id=f"s{number}",
                parent_id=parent.span_id,
            )
        )
    return records


@given(nested_records())
def test_critical_time_adds_up_to_the_root(
    records: list[TimingRecord],
) -> None:
    profiler = PerformanceProfiler()
    profiler.records = records

    summary = profiler.get_summary()
    path = profiler.get_critical_path()

    assert sum(figures["critical_ms"] for figures in summary.values()) == pytest.approx(1_000_000)
    for figures in summary.values():
        assert 0 <= figures["critical_ms"] <= figures["total_ms"]
        assert 0 <= figures["self_ms"] <= figures["total_ms"]
        assert figures["min_ms"] <= figures["p50_ms"] <= figures["p95_ms"] <= figures["max_ms"]
    assert path[0] is records[0]
    assert all(a.start_time <= b.start_time for a, b in pairwise(path))
    assert len(profiler.get_waterfall().splitlines()) == len(records)
