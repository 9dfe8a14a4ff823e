"""How long a report of many spans takes: to read, to build, to draw. CPU time, best of three."""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import pytest
from otlp_text import line, span

from otel_agentprof import pricing
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.readers import read_spans
from otel_agentprof.report import html, perfetto, speedscope, terminal
from otel_agentprof.report.build import build
from otel_agentprof.semconv import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.report.report import Report

sys.path.append(str(Path(__file__).parent.parent / "report"))
from report_samples import deep, wide


def seconds(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(3):
        started = process_time()
        action()
        taken.append(process_time() - started)
    return min(taken)


@pytest.mark.parametrize("is_deep", [False, True], ids=["wide", "deep"])
def test_a_report_of_10k_spans_is_built_in_under_a_second(*, is_deep: bool) -> None:
    spans = [
        Span(
            "1" * 32,
            f"{n:016x}",
            None if n == 0 else f"{n - 1 if is_deep else 0:016x}",
            f"call {n % 10}",
            n,
            40_000 - n if is_deep or n == 0 else n + 5,
            attributes={ROLE: "tool" if n else "agent"},
        )
        for n in range(10_000)
    ]
    assert pricing.wait()

    assert seconds(lambda: build(SpanTree.from_spans(spans))) < 1


@pytest.mark.parametrize("made", [wide(10_000), deep(10_000)], ids=["wide", "deep"])
def test_a_report_of_10k_spans_is_drawn_in_under_a_second(made: Report) -> None:
    assert seconds(lambda: terminal.render(made, width=80, color=False)) < 1
    assert seconds(lambda: html.render(made, width=80, color=False)) < 1
    assert seconds(lambda: perfetto.render(made, width=80, color=False)) < 1
    assert seconds(lambda: speedscope.render(made, width=80, color=False)) < 1


def test_a_line_of_60_megabytes_is_read_in_under_10_seconds(tmp_path: Path) -> None:
    attributes = [{"key": "k", "value": {"stringValue": "x" * 30_000}}]
    path = tmp_path / "line.jsonl"
    path.write_text(line(*(span(number, attributes=attributes) for number in range(1, 2001))))

    assert path.stat().st_size > 60_000_000
    assert seconds(lambda: read_spans(path)) < 10
