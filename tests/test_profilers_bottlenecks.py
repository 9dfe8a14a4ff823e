from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from otel_agentprof.profilers import (
    Bottleneck,
    BottleneckDetector,
    PerformanceProfiler,
    TimingRecord,
    TokenProfiler,
)


def timings(*records: tuple[str, float, float], parent: str = "run") -> PerformanceProfiler:
    """Return a profiler with blocks under one parent: name, start and end in seconds."""
    profiler = PerformanceProfiler()
    profiler.records = [TimingRecord(name, start, end, parent) for name, start, end in records]
    profiler.records.append(TimingRecord(parent, 0.0, 10_000.0))
    return profiler


def found(profiler: PerformanceProfiler, **thresholds: float) -> list[tuple[str, str, str, float, float]]:
    detector = BottleneckDetector(profiler, TokenProfiler())
    for name, value in thresholds.items():
        setattr(detector, name, value)
    return [(b.component, b.impact, b.metric, b.value, b.threshold) for b in detector.analyze()]


def test_slow_llm_calls_are_of_high_and_slow_tools_of_medium_impact() -> None:
    profiler = timings(("tool_call:a", 0, 1.5), ("llm_call:a", 2, 4), ("llm_call:b", 5, 10))

    assert found(profiler) == [
        ("llm_call", "high", "avg_latency_ms", 3500.0, 3000),
        ("tool_call", "medium", "avg_latency_ms", 1500.0, 1000),
    ]


def test_latencies_at_the_threshold_are_not_reported() -> None:
    profiler = timings(("tool_call:a", 0, 1.0), ("LLM:a", 2, 5))

    assert found(profiler) == []
    assert found(profiler, llm_latency_threshold_ms=2999) == [("LLM", "high", "avg_latency_ms", 3000.0, 2999)]


@pytest.mark.parametrize(("count", "expected"), [(20, []), (21, [("db", "medium", "call_count", 21, 20)])])
def test_more_than_twenty_calls_of_a_category_are_too_many(
    count: int, expected: list[tuple[str, str, str, float, float]]
) -> None:
    profiler = PerformanceProfiler()
    profiler.records = [TimingRecord(f"db:{n}", 0.0, 0.1) for n in range(count)]

    assert found(profiler) == expected


def test_an_operation_over_the_cost_threshold_is_of_high_impact() -> None:
    tokens = TokenProfiler()
    tokens.record("plan", 50_000, 5_000, "gpt-4o")
    tokens.record("answer", 10, 10, "gpt-4o")
    tokens.record("unknown", 10**9, 10**9, "nobody-knows-1")

    (one,) = BottleneckDetector(PerformanceProfiler(), tokens).analyze()

    assert (one.component, one.impact, one.metric, one.threshold) == ("plan", "high", "cost_usd", 0.05)
    assert one.value == pytest.approx(tokens.get_summary()["by_operation"]["plan"]["cost"])
    assert BottleneckDetector(PerformanceProfiler(), tokens, token_cost_threshold=10).analyze() == []
    assert BottleneckDetector(PerformanceProfiler()).analyze() == []


@pytest.mark.parametrize(
    "names",
    [
        ("tool_call:a", "tool_call:b", "tool_call:c"),
        ("tool_search", "tool_fetch", "tool_read"),
        ("task_1", "task_2", "task_3"),
        ("fetch_a", "fetch_b", "fetch_c"),
        ("a", "b", "c"),
        ("fetch:x", "fetch:x", "fetch:x"),
    ],
)
def test_three_equal_siblings_one_after_another_could_run_together(names: tuple[str, ...]) -> None:
    profiler = timings(*((name, n / 10, (n + 1) / 10) for n, name in enumerate(names)))

    ((component, impact, metric, value, threshold),) = found(profiler)
    assert (component, impact, metric) == ("sequential_execution", "medium", "parallelizable_time_ms")
    assert value == pytest.approx(200.0)
    assert threshold == 0.0


@pytest.mark.parametrize(
    "records",
    [
        [("tool_call:a", 0, 0.1), ("tool_call:b", 0.1, 0.2)],
        [("tool_call:a", 0, 0.3), ("tool_call:b", 0.1, 0.4), ("tool_call:c", 0.2, 0.5)],
        [
            ("llm_call:a", 0, 0.1),
            ("tool_call:b", 0.1, 0.2),
            ("llm_call:c", 0.2, 0.3),
            ("tool_call:d", 0.3, 0.4),
        ],
        [("load", 0, 0.1), ("transform", 0.1, 0.2), ("save", 0.2, 0.3)],
        [("step_1", 0, 0.1), ("step_2", 0.1, 0.2), ("step_3", 0.2, 0.3)],
    ],
    ids=["two only", "already together", "kinds mixed", "a pipeline", "iterations"],
)
def test_what_is_no_group_of_equal_siblings_is_not_reported(records: list[tuple[str, float, float]]) -> None:
    assert found(timings(*records)) == []


def test_the_last_group_is_not_lost_and_siblings_are_told_apart_by_parent() -> None:
    profiler = PerformanceProfiler()

    for _ in range(2):
        with profiler.timer("agent"):
            for name in "abc":
                with profiler.timer(f"tool_call:{name}"):
                    pass
    groups = BottleneckDetector(profiler, TokenProfiler()).analyze()

    assert [b.component for b in groups] == ["sequential_execution"] * 2
    assert all("tool_call:a, tool_call:b, tool_call:c" in b.suggestion for b in groups)


def test_two_siblings_under_each_of_two_equal_parents_are_no_group() -> None:
    profiler = PerformanceProfiler()

    for _ in range(2):
        with profiler.timer("agent"):
            for name in "ab":
                with profiler.timer(f"tool_call:{name}"):
                    pass

    assert BottleneckDetector(profiler, TokenProfiler()).analyze() == []


def test_more_distinct_steps_under_one_parent_than_allowed_are_a_loop() -> None:
    steps = [(f"step_{n}", float(n), n + 0.5) for n in range(1, 12)]

    assert found(timings(*steps)) == [("run", "medium", "iteration_count", 11, 10)]
    assert found(timings(*steps[:10])) == []
    assert found(timings(*steps[:10], *steps[:10])) == []
    assert found(timings(*steps), iteration_count_threshold=11) == []


def test_steps_without_a_parent_are_a_loop_too() -> None:
    profiler = PerformanceProfiler()

    for n in range(3):
        with profiler.timer(f"step_{n}:think"):
            pass

    (one,) = BottleneckDetector(profiler, TokenProfiler(), iteration_count_threshold=2).analyze()
    assert (one.component, one.metric, one.value) == ("iterations", "iteration_count", 3)


def test_bottlenecks_are_frozen_and_sorted_by_impact() -> None:
    profiler = timings(
        *((f"tool_call:{n}", n * 2.0, n * 2 + 1.5) for n in range(3)), ("llm_call:x", 100, 110)
    )

    bottlenecks = BottleneckDetector(profiler, TokenProfiler()).analyze()

    assert [b.impact for b in bottlenecks] == ["high", "medium", "medium"]
    assert all(isinstance(b, Bottleneck) and b.suggestion for b in bottlenecks)
    with pytest.raises(FrozenInstanceError):
        bottlenecks[0].impact = "low"  # type: ignore[misc]
