"""How fast a tree is built and its critical path found, against a plain transcription of the definition.

Figures of a shared machine jump: every assertion is a ratio of CPU times measured in one run, or a bound with
a wide margin. The table that pytest-benchmark prints is for reading.
"""

from __future__ import annotations

import gc
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from plain_path import plain_path
from trace_shapes import SHAPES, mixed

from otel_agentprof.analysis import critical_path
from otel_agentprof.model import Span, SpanTree, by_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from otel_agentprof.analysis import Segment


shapes = pytest.mark.parametrize("shape", SHAPES)


def _many_traces(traces: int, size: int) -> list[Span]:
    pattern = mixed(size)
    return [
        Span(f"{trace:032x}", s.span_id, s.parent_span_id, s.name, s.start_ns, s.end_ns)
        for trace in range(traces)
        for s in pattern
    ]


def _seconds(*works: Callable[[], object], rounds: int = 5) -> list[float]:
    """Return the least CPU time of each work; they take turns, so that a busy moment hits them all."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            start = time.process_time()
            work()
            best[place] = min(best[place], time.process_time() - start)
    return best


def _path_of(spans: list[Span]) -> tuple[Segment, ...]:
    return critical_path(SpanTree.from_spans(spans))


@pytest.fixture
def frozen_heap() -> Iterator[None]:
    """Undo gc.freeze(), which makes the collector skip what is the test's and not the work's."""
    yield
    gc.unfreeze()


@shapes
def test_a_path_of_100k_spans_takes_less_than_a_second(benchmark: BenchmarkFixture, shape: str) -> None:
    spans = SHAPES[shape](100_000)

    benchmark(_path_of, spans)

    (seconds,) = _seconds(partial(_path_of, spans), rounds=3)
    benchmark.extra_info["spans_per_s"] = round(100_000 / seconds)
    assert seconds < 1


@shapes
@pytest.mark.usefixtures("frozen_heap")
def test_ten_times_the_spans_take_at_most_twenty_times_as_long(shape: str) -> None:
    few, many = SHAPES[shape](10_000), SHAPES[shape](100_000)
    gc.freeze()

    short, long = _seconds(partial(_path_of, few), partial(_path_of, many))

    assert long / short <= 20


@shapes
@pytest.mark.usefixtures("frozen_heap")
def test_the_path_is_found_faster_than_by_the_plain_definition(shape: str) -> None:
    spans = SHAPES[shape](20_000)
    gc.freeze()

    ours, plain = _seconds(partial(_path_of, spans), partial(plain_path, spans), rounds=3)

    assert list(_path_of(spans)) == plain_path(spans)
    assert ours <= plain


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_heap")
def test_the_paths_of_ten_thousand_traces_are_found_faster_than_by_the_plain_definition(
    benchmark: BenchmarkFixture,
) -> None:
    spans = _many_traces(10_000, 50)
    gc.freeze()

    def ours() -> None:
        for tree in by_trace(spans):
            critical_path(tree)

    def plain() -> None:
        for at in range(0, len(spans), 50):
            plain_path(spans[at : at + 50])

    benchmark(ours)

    seconds, plain_seconds = _seconds(ours, plain, rounds=2)
    benchmark.extra_info["spans_per_s"] = round(500_000 / seconds)
    assert seconds <= plain_seconds
    assert 500_000 / seconds >= 100_000  # four times that on an idle machine
