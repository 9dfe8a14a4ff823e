"""How long many traces take to be folded into one aggregate, and how much of them is kept. CPU time."""

from __future__ import annotations

import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from time import process_time

from otel_agentprof.report.gathering import aggregate

sys.path.append(str(Path(__file__).parent.parent / "report"))
from run_samples import run_reports

_SPANS = 50


def test_reports_are_folded_at_100k_spans_a_second() -> None:
    reports = run_reports(200, searches=_SPANS - 4)
    assert {made.span_count for made in reports} == {_SPANS}
    taken = []

    for _ in range(3):
        started = process_time()
        aggregate(reports)
        taken.append(process_time() - started)

    assert len(reports) * _SPANS / min(taken) > 100_000


def test_two_thousand_traces_of_fifty_spans_leave_less_than_four_kilobytes_each() -> None:
    (made,) = run_reports(1, searches=_SPANS - 4)
    count = 2_000
    tracemalloc.start()

    aggregate(replace(made, start_ns=number, trace_id=f"{number:032x}") for number in range(count))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / count < 4_000  # half of it while the lengths of all calls are sorted
