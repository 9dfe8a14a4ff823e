"""Where the spans of ``optimize/`` go, and that a broken pipeline breaks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agentprof as ap
from otel_agentprof.optimize import own_spans

if TYPE_CHECKING:
    from recording import Recorder


async def work() -> str:
    return "done"


class Broken(trace.TracerProvider):
    def get_tracer(self, *_args: Any, **_options: Any) -> trace.Tracer:
        raise ValueError("no tracer")


async def test_a_provider_that_breaks_is_told_once_and_breaks_nothing(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    own_spans.use(Broken())
    executor = ap.ParallelExecutor(hedge_after_s=1_000)

    with ap.agent("planner"):
        results = await executor.execute_parallel([(work, {}), (ap.step("inside")(work), {})])

    assert results == ["done", "done"]
    assert len(caplog.records) == 1
    assert recorder.parent_name("inside") == "invoke_agent planner"  # what we could not make hides nothing


async def test_a_span_that_breaks_at_its_end_breaks_nothing(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ValueError

    with own_spans.step("step", {}) as span:
        monkeypatch.setattr(span, "end", fail)

    assert len(caplog.records) == 1


def test_the_error_of_a_block_is_told_by_its_type(recorder: Recorder) -> None:
    with pytest.raises(KeyError), own_spans.step("step", {"kind": "odd"}):
        raise KeyError("secret")

    (span,) = recorder.spans
    assert span.status.description == "KeyError"
    assert [event.attributes for event in span.events] == [{"exception.type": "KeyError"}]


async def test_spans_go_where_instrument_says_and_nowhere_afterwards() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    executor = ap.ParallelExecutor(hedge_after_s=1_000)

    with ap.instrument(tracer_provider=provider):
        await executor.execute_parallel([(work, {})])
    await executor.execute_parallel([(work, {})])

    assert [span.name for span in exporter.get_finished_spans()] == ["agentprof.hedge"]
    provider.shutdown()


def test_content_is_captured_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not own_spans.captures_content()
    monkeypatch.setenv("OTEL_AGENTPROF_CAPTURE_CONTENT", "true")
    assert own_spans.captures_content()
