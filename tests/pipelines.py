"""Small pipelines of the SDK for tests: a provider with our processor, and a memory at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agentprof import semconv
from otel_agentprof.config import Config
from otel_agentprof.processor import AgentProfSpanProcessor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_agentprof.report.report import Report

SECOND = 1_000_000_000


@dataclass
class Pipeline:
    """A provider, our processor, what was exported and what was reported."""

    provider: TracerProvider
    processor: AgentProfSpanProcessor
    exporter: InMemorySpanExporter
    reports: list[Report] = field(default_factory=list)

    @property
    def tracer(self) -> Any:
        return self.provider.get_tracer("tests")

    @property
    def exported(self) -> dict[str, ReadableSpan]:
        """What has left the pipeline so far, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]

    @property
    def analysis(self) -> ReadableSpan | None:
        return self.exported.get(semconv.ANALYSIS_SPAN_NAME)

    def flush(self) -> None:
        assert self.processor.force_flush()


def drop_in(provider: TracerProvider | None = None, **settings: Any) -> Pipeline:
    """Return a pipeline that exports by itself, with our processor beside it."""
    provider = provider or TracerProvider()
    exporter, reports = InMemorySpanExporter(), list["Report"]()
    processor = AgentProfSpanProcessor(on_report=reports.append, config=Config(**settings))
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Pipeline(provider, processor, exporter, reports)


def owning(
    provider: TracerProvider | None = None, next_processor: SpanProcessor | None = None, **settings: Any
) -> Pipeline:
    """Return a pipeline in which our processor holds the exporter."""
    provider = provider or TracerProvider()
    exporter, reports = InMemorySpanExporter(), list["Report"]()
    processor = AgentProfSpanProcessor(
        next_processor or SimpleSpanProcessor(exporter), on_report=reports.append, config=Config(**settings)
    )
    provider.add_span_processor(processor)
    return Pipeline(provider, processor, exporter, reports)


def span(tracer: Any, name: str, start_s: float, end_s: float, **attributes: Any) -> None:
    """Make an ended span below the current one."""
    made = tracer.start_span(name, start_time=int(start_s * SECOND), attributes=attributes)
    made.end(end_time=int(end_s * SECOND))


def told_left_out(report: Report) -> str:
    """Return what a report says about spans that a limit kept out of it."""
    return "".join(doubt.message for doubt in report.data_quality if doubt.code == "dropped_spans")
