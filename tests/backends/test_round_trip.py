"""What our pipeline sends by the real exporter, read back through each backend's own API: nothing is lost."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest
from backends.sending import PROTOCOLS, arrived, every_kind_of_span, in_order, many_spans, sending

# Phoenix keeps less of a span than it is sent: test_phoenix.py.
PLACES: Final = ("receiver", "collector", "jaeger", "tempo")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_everything_that_a_span_can_hold_comes_back_equal(place: Any, protocol: str) -> None:
    with sending(place, protocol) as (tracer, sent):
        trace_id = every_kind_of_span(tracer, time.time_ns())
    written = sent.of(trace_id)

    read = arrived(place, len(written), trace_id)

    assert in_order(read) == in_order(written)
    assert not sent.is_refused


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_trace_of_three_thousand_spans_comes_back_whole(place: Any, protocol: str) -> None:
    with sending(place, protocol) as (tracer, sent):
        trace_id = many_spans(tracer, 3_000, time.time_ns())
    written = sent.of(trace_id)

    read = arrived(place, 3_000, trace_id)

    assert len(written) == 3_000
    assert in_order(read) == in_order(written)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_hundred_traces_at_once_come_back_whole(place: Any, protocol: str) -> None:
    now = time.time_ns()
    with sending(place, protocol) as (tracer, sent):
        trace_ids = [many_spans(tracer, 5, now + number) for number in range(100)]

    read = arrived(place, 500, *trace_ids)

    assert len(read) == 500
    assert in_order(read) == in_order(span for trace_id in trace_ids for span in sent.of(trace_id))
    assert len(sent.reports) == 100
