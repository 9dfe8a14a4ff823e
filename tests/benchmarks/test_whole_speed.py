"""How fast whole reports are, and how much memory they take: agents with real attributes, and odd shapes.

The aims are those of a quiet machine; what is asserted is half of them, since other work slows this one down.
CPU time, the best of some rounds; the figures themselves are in the table that pytest-benchmark prints.
"""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from agent_traces import agent_trace
from speed_table import least_seconds, rows
from trace_shapes import SHAPES

from otel_agentprof import analyze, pricing
from otel_agentprof.analysis import critical_path, drag, forward, slack
from otel_agentprof.analysis.rerun import Change, rerun
from otel_agentprof.model import SpanTree, by_trace
from otel_agentprof.model.counting import count
from otel_agentprof.report.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from otel_agentprof.model import Span

_TRACES, _SIZE, _LARGE = 10_000, 50, 100_000
_KINDS = {
    "ours": {"dialect": "ours"},
    "ours_with_lanes": {"dialect": "ours", "has_lanes": True},
    "openinference": {"dialect": "openinference"},
}


@pytest.fixture(scope="module", params=_KINDS)
def many(request: pytest.FixtureRequest) -> Iterator[list[Span]]:
    """The spans of many small traces, kept out of the collector's way."""
    kind = _KINDS[request.param]
    different = [agent_trace(number, _SIZE, **kind) for number in range(_TRACES // 20)]  # type: ignore[arg-type]  # the words of each keyword are of its type
    spans = [
        replace(span, trace_id=f"{number:032x}")
        for number in range(_TRACES)
        for span in different[number % len(different)]
    ]
    assert pricing.wait()
    gc.collect()
    gc.freeze()
    yield spans
    gc.unfreeze()


def _paths(spans: list[Span]) -> None:
    for tree in by_trace(spans):
        count(tree)
        critical_path(tree)


def _reports(spans: list[Span]) -> None:
    for tree in by_trace(spans):
        analyze(tree)


def _spans_per_s(benchmark: BenchmarkFixture, work: partial[None], spans: int) -> float:
    taken: list[float] = []

    def timed() -> None:
        taken.extend(least_seconds(work, rounds=1))

    benchmark.pedantic(timed, rounds=2)  # type: ignore[no-untyped-call]  # pytest-benchmark has no types there
    benchmark.extra_info["spans_per_s"] = round(spans / min(taken))
    return spans / min(taken)


@pytest.mark.slow
def test_trees_counting_and_paths_of_10k_traces_take_150k_spans_a_second(
    benchmark: BenchmarkFixture, many: list[Span]
) -> None:
    assert _spans_per_s(benchmark, partial(_paths, many), len(many)) >= 150_000 / 2


@pytest.mark.slow
def test_whole_reports_of_10k_traces_take_50k_spans_a_second(
    benchmark: BenchmarkFixture, many: list[Span]
) -> None:
    assert _spans_per_s(benchmark, partial(_reports, many), len(many)) >= 50_000 / 2


def test_the_barriers_of_a_small_trace_and_a_rerun_take_3_us_a_span() -> None:
    trees = [SpanTree.from_spans(agent_trace(number, _SIZE)) for number in range(500)]

    def run_again() -> None:
        for tree in trees:
            rerun(forward(tree), Change(factors={3: 0.5}))

    (seconds,) = least_seconds(run_again)
    assert seconds / (500 * _SIZE) < 3e-6 * 2


@pytest.mark.parametrize("lanes", [0, 1, 3])
@pytest.mark.parametrize("shape", [*SHAPES, "agent"])
def test_everything_of_100k_spans_in_one_trace_takes_3_seconds(shape: str, lanes: int) -> None:
    spans = agent_trace(1, _LARGE) if shape == "agent" else SHAPES[shape](_LARGE)
    if lanes:
        spans = [replace(span, lane=str(number % lanes)) for number, span in enumerate(spans)]
    assert pricing.wait()

    def everything() -> None:
        tree = SpanTree.from_spans(spans)
        build(tree)
        model = forward(tree)
        slack(tree, model=model)
        drag(tree, model=model)

    (seconds,) = least_seconds(everything, rounds=1)
    assert seconds < 3 * 2


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_kept_of_a_trace_takes_less_than_a_kibibyte_per_span(kind: str) -> None:
    spans = agent_trace(1, _LARGE // 5, **_KINDS[kind])  # type: ignore[arg-type]  # likewise
    assert pricing.wait()
    build(SpanTree.from_spans(agent_trace(1, _SIZE)))  # what is loaded on first use is not the trace's

    tracemalloc.start()
    try:
        kept = [tree := SpanTree.from_spans(spans), build(tree)]
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(kept) == 2
    assert taken / (_LARGE // 5) < 1024


def test_a_naive_walk_is_slower_for_every_shape() -> None:
    for name, _, ours, naive in rows(20_000):
        assert ours <= naive, name
