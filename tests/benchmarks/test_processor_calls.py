"""What the processor costs the thread that makes spans: function calls, the same on every machine."""

from __future__ import annotations

from typing import Any

import pytest
from call_counting import Calls, calls_of
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from pipelines import Pipeline, drop_in, owning

_LIMIT = 20  # the promise is 40
_ATTRIBUTES = {f"attribute {number}": "value" for number in range(15)}


def calls_of_a_trace(provider: TracerProvider) -> Calls:
    """Return the calls of a span that is its own trace: start, end and what the processors do."""
    tracer = provider.get_tracer("tests")
    return calls_of(lambda: tracer.start_span("chat", attributes=_ATTRIBUTES).end())


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_span_that_is_a_trace_of_its_own_costs_few_calls(mode: Any) -> None:
    bare = TracerProvider()
    bare.add_span_processor(SpanProcessor())
    pipeline = _without_exporter(mode)

    calls = calls_of_a_trace(pipeline.provider).total - calls_of_a_trace(bare).total

    assert calls <= _LIMIT
    pipeline.provider.shutdown()


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_each_callback_costs_few_calls_with_the_wake_up_of_an_idle_worker(mode: Any) -> None:
    pipeline = _without_exporter(mode)
    processor, span = pipeline.processor, pipeline.tracer.start_span("chat", attributes=_ATTRIBUTES)
    ended = span._readable_span()
    processor.on_end(ended)
    pipeline.flush()

    start = calls_of(lambda: processor.on_start(span, parent_context=None), warm_up=0)
    end = calls_of(lambda: processor.on_end(ended), warm_up=0)

    assert start.total + end.total <= _LIMIT
    pipeline.provider.shutdown()


def test_child_in_a_large_trace_costs_no_more_than_the_first() -> None:
    pipeline = _without_exporter(drop_in)
    tracer = pipeline.tracer

    with tracer.start_as_current_span("agent"):
        first = calls_of(lambda: tracer.start_span("child").end())
        later = calls_of(lambda: tracer.start_span("child").end(), warm_up=3_000)

    # The one that meets the threshold wakes the worker.
    assert later.total <= first.total + 4
    pipeline.provider.shutdown()


def _without_exporter(mode: Any) -> Pipeline:
    """Return a pipeline in which only our own processor makes calls."""
    pipeline: Pipeline = mode() if mode is drop_in else owning(next_processor=SpanProcessor())
    active: Any = pipeline.provider._active_span_processor
    active._span_processors = (pipeline.processor,)
    return pipeline
