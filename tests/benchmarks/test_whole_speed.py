"""How fast whole reports are, and how much memory they take: agents with real attributes, and odd shapes.

The aims are 50,000 spans a second for trees, counting, paths and all findings, 150,000 without findings, and
3 seconds for everything about 100,000 spans in one trace. A report tells tokens, cost and doubts besides, and
draws its tables and its waterfall when it is asked for them: here it is. How near a machine comes is in the
table that pytest-benchmark prints. What is asserted holds on a slow or busy one too: how many naive walks of
the same spans (``plain_path``) the work takes, in CPU time, measured in turns. How many calls a span takes:
``test_report_calls.py``.
"""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from agent_traces import agent_trace
from plain_path import plain_path
from speed_table import drawn, least_seconds, rows
from trace_shapes import SHAPES

from otel_agentprof import analyze, pricing
from otel_agentprof.analysis import critical_path, drag, findings, forward, measure, slack
from otel_agentprof.analysis.rerun import Change, rerun
from otel_agentprof.config import Config
from otel_agentprof.model import SpanTree, by_trace
from otel_agentprof.model.collector import paused_collector
from otel_agentprof.model.counting import count
from otel_agentprof.report.build import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


def _findings(spans: list[Span]) -> None:
    settings = Config.from_env()
    for tree in by_trace(spans):
        with paused_collector():  # as a report does
            findings(measure(tree, pricing.total), settings)


def _reports(spans: list[Span]) -> None:
    for tree in by_trace(spans):
        drawn(analyze(tree))


def _naive_walks(
    benchmark: BenchmarkFixture, work: Callable[[], object], traces: Sequence[list[Span]]
) -> float:
    """Return how many naive walks some work takes; spans per second are written into the table."""

    def walks() -> None:
        for spans in traces:
            plain_path(spans)

    taken: float
    walked: float
    taken, walked = benchmark.pedantic(least_seconds, (work, walks), {"rounds": 1}, rounds=1)  # type: ignore[no-untyped-call]  # pytest-benchmark has no types there
    benchmark.extra_info["spans_per_s"] = round(sum(map(len, traces)) / taken)
    return taken / walked


def _traces(spans: list[Span]) -> list[list[Span]]:
    return [spans[at : at + _SIZE] for at in range(0, len(spans), _SIZE)]


@pytest.mark.slow
def test_trees_counting_and_paths_of_10k_traces_take_no_longer_than_three_naive_walks(
    benchmark: BenchmarkFixture, many: list[Span]
) -> None:
    assert _naive_walks(benchmark, partial(_paths, many), _traces(many)) < 3  # measured: 1.1, with lanes 1.4


@pytest.mark.slow
def test_findings_with_all_that_they_need_of_10k_traces_take_no_longer_than_nine_naive_walks(
    benchmark: BenchmarkFixture, many: list[Span]
) -> None:
    assert _naive_walks(benchmark, partial(_findings, many), _traces(many)) < 9  # measured: 5.2 to 6.9


@pytest.mark.slow
def test_whole_reports_of_10k_traces_take_no_longer_than_ten_naive_walks(
    benchmark: BenchmarkFixture, many: list[Span]
) -> None:
    assert _naive_walks(benchmark, partial(_reports, many), _traces(many)) < 10  # measured: 6.1 to 7.8


def test_the_barriers_of_small_traces_and_a_rerun_take_no_longer_than_a_naive_walk(
    benchmark: BenchmarkFixture,
) -> None:
    traces = [agent_trace(number, _SIZE) for number in range(500)]
    trees = [SpanTree.from_spans(spans) for spans in traces]

    def run_again() -> None:
        for tree in trees:
            rerun(forward(tree), Change(factors={3: 0.5}))

    assert _naive_walks(benchmark, run_again, traces) < 1  # measured: 0.5


@pytest.mark.parametrize("lanes", [0, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 3))])
@pytest.mark.parametrize("shape", [*SHAPES, "agent"])
def test_everything_of_100k_spans_in_one_trace_takes_no_longer_than_ten_naive_walks(
    benchmark: BenchmarkFixture, shape: str, lanes: int
) -> None:
    spans = agent_trace(1, _LARGE) if shape == "agent" else SHAPES[shape](_LARGE)
    if lanes:
        spans = [replace(span, lane=str(number % lanes)) for number, span in enumerate(spans)]
    assert pricing.wait()

    def everything() -> None:
        tree = SpanTree.from_spans(spans)
        drawn(build(tree))
        model = forward(tree)
        slack(tree, model=model)
        drag(tree, model=model)

    assert _naive_walks(benchmark, everything, [spans]) < 10  # measured: 2 to 6


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_kept_of_a_trace_takes_less_than_a_kibibyte_per_span(kind: str) -> None:
    spans = agent_trace(1, _LARGE // 5, **_KINDS[kind])  # type: ignore[arg-type]  # likewise
    assert pricing.wait()
    build(SpanTree.from_spans(agent_trace(1, _SIZE)))  # what is loaded on first use is not the trace's

    tracemalloc.start()
    try:
        kept = [tree := SpanTree.from_spans(spans), drawn(build(tree))]
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(kept) == 2
    assert taken / (_LARGE // 5) < 1024


def test_a_naive_walk_is_slower_for_every_shape() -> None:
    for name, _, ours, naive in rows(20_000):
        assert ours <= naive, name
