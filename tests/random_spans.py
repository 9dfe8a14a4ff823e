"""Traces that hypothesis makes up: as odd as spans can be, and as small as shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from otel_agentprof.model import Span

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_TRACE_ID = "1" * 32
# Steps of half the tolerance: times coincide often, and spans escape by less, by as much and by more.
_TIMES = st.integers(0, 24).map(lambda step: step * 500_000)
_KINDS = st.sampled_from(["INTERNAL", "INTERNAL", "INTERNAL", "PRODUCER", "CONSUMER"])
_STATUSES = st.sampled_from(["UNSET", "UNSET", "ERROR"])


@st.composite
def likely_spans(draw: st.DrawFn) -> list[Span]:
    """Return up to 14 spans of one trace: one root, some orphans, cycles, duplicates, open spans."""
    count = draw(st.integers(1, 14))
    spans = []
    for number in range(count):
        start = draw(_TIMES)
        end = draw(st.one_of(_TIMES, _TIMES, _TIMES, st.none()))
        parent = draw(st.integers(-1, max(number - 1, count // 4)))
        spans.append(
            Span(
                trace_id=_TRACE_ID,
                span_id=f"{draw(st.sampled_from([number] * 9 + [0])):016x}",
                parent_span_id=None if number == 0 or parent < 0 else f"{parent:016x}",
                name=str(number),
                start_ns=0 if number == 0 and draw(st.booleans()) else start,
                end_ns=end,
                kind=draw(_KINDS),
                status=draw(_STATUSES),
            )
        )
    return spans


def wild_spans() -> SearchStrategy[list[Span]]:
    """Return spans of several traces with any ids and times that the types allow."""
    ids = st.sampled_from(["", "a", "b", "c", "d", "e"])
    times = st.one_of(st.integers(-3, 3), st.integers())
    span = st.builds(
        Span,
        trace_id=st.sampled_from(["1", "1", "1", "2", ""]),
        span_id=ids,
        parent_span_id=st.one_of(st.none(), ids),
        name=st.just("wild"),
        start_ns=times,
        end_ns=st.one_of(times, st.none()),
        kind=_KINDS,
        status=_STATUSES,
    )
    return st.lists(span, max_size=8)
