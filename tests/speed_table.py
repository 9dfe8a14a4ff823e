"""How fast tree and critical path are found beside a naive walk, per shape: ``python tests/speed_table.py``.

The naive walk is ``plain_path``: critical_path.md section C1 written down over dicts, with no thought of
speed. Figures are CPU time, the best of some rounds in which the two take turns.
"""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent.parent))

from agent_traces import agent_trace
from plain_path import plain_path
from trace_shapes import SHAPES

from otel_agentprof.analysis import critical_path
from otel_agentprof.model import SpanTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_agentprof.model import Span
    from otel_agentprof.report.report import Report

    Traces = Sequence[Sequence[Span]]


def least_seconds(*works: Callable[[], object], rounds: int = 3) -> list[float]:
    """Return the least CPU time of each work; they take turns, so that a busy moment hits them all."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            start = time.process_time()
            work()
            best[place] = min(best[place], time.process_time() - start)
    return best


def drawn(report: Report) -> Report:
    """Return a report with what it draws when it is asked for it: path steps, tables, waterfall."""
    for one in fields(report):
        getattr(report, one.name)
    return report


def _walk_ours(traces: Traces) -> None:
    for spans in traces:
        critical_path(SpanTree.from_spans(spans))


def _walk_naively(traces: Traces) -> None:
    for spans in traces:
        plain_path(spans)


def rows(size: int) -> Iterable[tuple[str, int, float, float]]:
    """Yield (shape, spans, our seconds, naive seconds)."""
    many = [agent_trace(number, 50) for number in range(size // 50)]
    shapes: dict[str, Traces] = {name: [make(size)] for name, make in SHAPES.items()}
    shapes |= {"agent": [agent_trace(1, size)], f"{len(many):,} agents of 50": many}
    gc.collect()
    gc.freeze()
    for name, traces in shapes.items():
        ours, naive = least_seconds(partial(_walk_ours, traces), partial(_walk_naively, traces))
        yield name, size, ours, naive
    gc.unfreeze()


def main() -> None:
    """Print the table."""
    print(f"{'shape':20} {'ours, spans/s':>14} {'naive, spans/s':>15} {'ours is':>9}")  # noqa: T201 - its use
    for name, size, ours, naive in rows(100_000):
        print(f"{name:20} {size / ours:>14,.0f} {size / naive:>15,.0f} {naive / ours:>8.1f}x")  # noqa: T201 - its use


if __name__ == "__main__":
    main()
