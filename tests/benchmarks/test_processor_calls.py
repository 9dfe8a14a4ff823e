"""What the processor costs the thread that makes spans: function calls, the same on every machine."""

from __future__ import annotations

from typing import Any

import pytest
from call_counting import Calls, calls_of
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from pipelines import Pipeline, drop_in, owning

_LIMIT = 22  # the promise is 40
_ATTRIBUTES = {f"attribute {number}": "value" for number in range(15)}


@pytest.fixture(scope="module")
def bare_calls() -> int:
    """What a span costs with a processor that does nothing."""
    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())
    return calls_of_a_span(provider).total


def calls_of_a_span(provider: TracerProvider, warm_up: int = 8) -> Calls:
    tracer = provider.get_tracer("tests")
    return calls_of(lambda: tracer.start_span("chat", attributes=_ATTRIBUTES).end(), warm_up=warm_up)


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_span_that_is_a_trace_of_its_own_costs_few_calls(mode: Any, bare_calls: int) -> None:
    pipeline = _without_exporter(mode)

    calls = calls_of_a_span(pipeline.provider).total - bare_calls

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


@pytest.mark.parametrize("number", [8, 3_000])
def test_child_costs_few_calls_however_large_its_trace_is(number: int) -> None:
    bare, pipeline = TracerProvider(), _without_exporter(drop_in)
    bare.add_span_processor(SpanProcessor())

    with bare.get_tracer("tests").start_as_current_span("agent"):
        bare_calls = calls_of_a_span(bare).total
    with pipeline.tracer.start_as_current_span("agent"):
        calls = calls_of_a_span(pipeline.provider, warm_up=number).total

    assert calls - bare_calls <= _LIMIT
    pipeline.provider.shutdown()


def test_span_below_a_parent_of_another_provider_costs_few_calls() -> None:
    bare, other, pipeline = TracerProvider(), TracerProvider(), _without_exporter(drop_in)
    bare.add_span_processor(SpanProcessor())

    with other.get_tracer("web").start_as_current_span("request"):
        bare_calls = calls_of_a_span(bare).total
        calls = calls_of_a_span(pipeline.provider).total

    assert calls - bare_calls <= _LIMIT
    pipeline.provider.shutdown()


def _without_exporter(mode: Any) -> Pipeline:
    """Return a pipeline in which only our own processor makes calls."""
    pipeline: Pipeline = mode() if mode is drop_in else owning(next_processor=SpanProcessor())
    active: Any = pipeline.provider._active_span_processor
    active._span_processors = (pipeline.processor,)
    return pipeline
