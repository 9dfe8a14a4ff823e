"""The critical path as collapsed stacks, for flame graphs of what the user waited for.

    research;chat gpt-5 3100000
    research;execute_tool search 1140000

One line per stack of names, its weight the microseconds on the path; flamegraph.pl, inferno and speedscope
read it. Where the path lies outside all spans it has a frame of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.stacks import stacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_agentprof.report.report import Report

_NS_PER_US: Final = 1_000


def render(report: Report, *, width: int, color: bool) -> str:  # noqa: ARG001 - one signature for all formats
    """Return one line per stack that was on the path, in waterfall order; width and colour do not apply."""
    return _lines(_weights(report))


def render_many(reports: Iterable[Report]) -> str:
    """Return the stacks of many reports added up, the heaviest first."""
    sums: dict[str, int] = defaultdict(int)
    for report in reports:
        for stack, ns in _weights(report).items():
            sums[stack] += ns
    return _lines(dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))))


def _weights(report: Report) -> dict[str, int]:
    taken: dict[str | None, int] = defaultdict(int)
    for step in report.critical_path:
        taken[step.span_id] += step.end_ns - step.start_ns
    weights: dict[str, int] = defaultdict(int)
    for row, stack in stacks(report.waterfall, lambda row: row.span_id in taken):
        weights[_joined(stack)] += taken.pop(row.span_id)
    for span_id, spent_ns in taken.items():  # the path outside all spans
        weights[_joined([headline.OUTSIDE if span_id is None else text.name(span_id)])] += spent_ns
    return weights


def _lines(weights: Mapping[str, int]) -> str:
    # Less than a microsecond still is a line: weights must be positive, and the span was waited for.
    return "".join(f"{stack} {max(round(ns / _NS_PER_US), 1)}\n" for stack, ns in weights.items() if ns > 0)


def _joined(stack: list[str]) -> str:
    return ";".join(name.replace(";", ":") for name in stack)
