"""Gates for the function calls (Python's and C's) that the analysis makes per span: the same on any machine.

A measured second on a shared machine says little; a call too many per span shows here at once, and so does
work that grows faster than the trace. How fast all of it is: ``test_whole_speed.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agent_traces import agent_trace
from call_counting import calls_of
from speed_table import drawn
from trace_shapes import SHAPES

from otel_agentprof import analyze, pricing
from otel_agentprof.analysis import critical_path, drag, forward, slack
from otel_agentprof.model import SpanTree
from otel_agentprof.model.counting import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.model import Span

_TRACES, _SIZE = 20, 50
# Measured: 12.4, 18.2, 12.1, 14.4; 70.3, 77.7, 49.6, 92.3; to draw a report takes 11.1 more.
_PATH_GATE = {"ours": 13, "ours_with_lanes": 20, "semconv": 13, "openinference": 15}
_REPORT_GATE = {"ours": 72, "ours_with_lanes": 80, "semconv": 51, "openinference": 95}
_DRAWN = 12
_KINDS: dict[str, dict[str, Any]] = {
    "ours": {"dialect": "ours"},
    "ours_with_lanes": {"dialect": "ours", "has_lanes": True},
    "semconv": {"dialect": "semconv"},
    "openinference": {"dialect": "openinference"},
}


def _calls_per_span(kind: str, work: Callable[[SpanTree], object]) -> float:
    traces = [agent_trace(number, _SIZE, **_KINDS[kind]) for number in range(_TRACES)]
    assert pricing.wait()  # else the gate would measure traces without a price

    def all_of_them() -> None:
        for spans in traces:
            work(SpanTree.from_spans(spans))

    return calls_of(all_of_them).total / (_TRACES * _SIZE)


@pytest.mark.parametrize("kind", _KINDS)
def test_tree_counting_and_path_stay_within_their_gate(kind: str) -> None:
    def path(tree: SpanTree) -> None:
        count(tree)
        critical_path(tree)

    assert _calls_per_span(kind, path) <= _PATH_GATE[kind]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_whole_report_stays_within_its_gate(kind: str) -> None:
    assert _calls_per_span(kind, analyze) <= _REPORT_GATE[kind]
    assert _calls_per_span(kind, lambda tree: drawn(analyze(tree))) <= _REPORT_GATE[kind] + _DRAWN


@pytest.mark.parametrize("shape", [*SHAPES, "agent"])
def test_a_trace_of_four_times_the_spans_takes_four_times_the_calls(shape: str) -> None:
    def calls(size: int) -> int:
        spans: list[Span] = agent_trace(1, size) if shape == "agent" else SHAPES[shape](size)

        def everything() -> None:
            tree = SpanTree.from_spans(spans)
            drawn(analyze(tree))
            model = forward(tree)
            slack(tree, model=model)
            drag(tree, model=model)

        return calls_of(everything, warm_up=1).total

    assert pricing.wait()

    assert calls(4_000) <= 4 * calls(1_000) * 1.1  # longer chains of prompts, deeper heaps
