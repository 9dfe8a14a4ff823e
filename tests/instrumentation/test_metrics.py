"""The histograms: what a call leaves in them, and that nothing is recorded where nobody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from surfaces import SURFACES

import otel_agentprof
from otel_agentprof import pricing

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


def test_a_call_is_in_the_histograms_with_an_exemplar(
    reader: InMemoryMetricReader, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    meters = MeterProvider([reader], shutdown_on_exit=False)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, meter_provider=meters):
        assert pricing.wait(600)
        connect(MESSAGES).messages.create(**MESSAGES.arguments)
        list(connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True))

    found = points(reader)
    tokens = {
        (point.attributes["gen_ai.provider.name"], point.attributes["gen_ai.token.type"]): point.sum
        for point in found["gen_ai.client.token.usage"]
    }
    assert tokens == {
        ("anthropic", "input"): 1712,
        ("anthropic", "output"): 85,
        ("openai", "input"): 1200,
        ("openai", "output"): 85,
    }
    duration = found["gen_ai.client.operation.duration"][0]
    assert duration.attributes["gen_ai.request.model"] == MESSAGES.arguments["model"]
    context = pipeline.all()[0].context
    assert context is not None
    assert duration.exemplars[0].span_id == context.span_id
    assert found["gen_ai.client.operation.time_to_first_chunk"][0].count == 1
    assert found["agentprof.cost"][0].sum == pytest.approx(0.0040302)


def test_a_failed_call_is_timed_by_its_error(
    reader: InMemoryMetricReader, pipeline: Spans, connect: Connect, server: Loopback
) -> None:
    meters = MeterProvider([reader], shutdown_on_exit=False)

    with (
        otel_agentprof.instrument(tracer_provider=pipeline.provider, meter_provider=meters),
        pytest.raises(TypeError),
    ):
        connect(CHAT).chat.completions.create(model="gpt-5-mini")

    found = points(reader)
    assert found["gen_ai.client.operation.duration"][0].attributes["error.type"] == "TypeError"
    assert "gen_ai.client.token.usage" not in found
