"""What is too large for somebody on the way: what arrives whole, what is cut, what is lost."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from backends import composed
from backends.sending import arrived, exporter, many_spans, sending
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    from backends.collector import Collector
    from backends.stores import Jaeger, Tempo
    from opentelemetry.sdk.trace import ReadableSpan
    from otlp_receiver import Receiver

_PROMPT: Final = "слово " * 9_000  # 99,000 bytes, like a long prompt where content is captured
_COUNT: Final = 92  # of them in a batch: 9.1 MB
_MIB: Final = 1024 * 1024


def nine_megabytes() -> tuple[str, tuple[ReadableSpan, ...]]:
    """Return the id and the spans of a trace that is one batch of 9 MB."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace_id = many_spans(provider.get_tracer("t"), _COUNT, time.time_ns(), {"prompt": _PROMPT})
    return trace_id, kept.get_finished_spans()


@pytest.mark.parametrize("name", ["receiver", "collector", "jaeger"])
def test_a_long_attribute_comes_back_whole(name: str, request: pytest.FixtureRequest) -> None:
    place: Any = request.getfixturevalue(name)
    with sending(place, "http") as (tracer, _):
        trace_id = many_spans(tracer, 2, time.time_ns(), {"prompt": _PROMPT, "short": "x" * 2_049})

    spans = arrived(place, 2, trace_id)

    (child,) = (span for span in spans if span.parent_span_id)
    assert child.attributes["prompt"] == _PROMPT
    assert child.attributes["short"] == "x" * 2_049


def test_tempo_cuts_attributes_at_the_length_that_compose_sets(tempo: Tempo) -> None:
    limit = composed.document(composed.CONFIGS / "tempo.yaml")["distributor"]["max_attribute_bytes"]
    with sending(tempo, "http") as (tracer, _):
        trace_id = many_spans(tracer, 2, time.time_ns(), {"prompt": "x" * 2 * limit, "short": "x" * 2_049})

    spans = arrived(tempo, 2, trace_id)

    (child,) = (span for span in spans if span.parent_span_id)
    assert child.attributes["prompt"] == "x" * limit
    assert child.attributes["short"] == "x" * 2_049


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("receiver", "grpc"),
        ("receiver", "http"),
        ("collector", "grpc"),
        ("collector", "http"),
        ("jaeger", "http"),
    ],
)
def test_a_batch_of_nine_megabytes_arrives(name: str, protocol: str, request: pytest.FixtureRequest) -> None:
    place: Any = request.getfixturevalue(name)
    trace_id, spans = nine_megabytes()

    result = exporter(place, protocol).export(spans)

    assert result is SpanExportResult.SUCCESS
    assert len(arrived(place, _COUNT, trace_id)) == _COUNT


def test_a_batch_above_four_mebibytes_is_refused_by_jaegers_grpc_as_a_whole(
    jaeger: Jaeger, caplog: pytest.LogCaptureFixture
) -> None:
    trace_id, spans = nine_megabytes()

    with caplog.at_level(logging.ERROR, "opentelemetry.exporter"):
        result = exporter(jaeger, "grpc").export(spans)

    assert result is SpanExportResult.FAILURE
    assert "RESOURCE_EXHAUSTED" in caplog.text
    assert jaeger.look(trace_id) == []


def test_through_the_collector_nine_megabytes_reach_jaeger(
    composed_collector: Collector, jaeger: Jaeger, receiver: Receiver
) -> None:
    trace_id, spans = nine_megabytes()

    result = exporter(composed_collector, "grpc").export(spans)

    assert result is SpanExportResult.SUCCESS
    found = arrived(jaeger, _COUNT, trace_id)
    assert sum(len(str(span.attributes.get("prompt", "")).encode()) for span in found) > 8 * _MIB
