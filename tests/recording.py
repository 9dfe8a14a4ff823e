"""A tracer whose spans stay in memory, for tests of the spans that we make by hand."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_current_span

from otel_agentprof.instrumentation import open_span, tracing

if TYPE_CHECKING:
    from collections.abc import Iterator


class Recorder:
    """A provider with an exporter in memory, asked by span name."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def one(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.spans if span.name == name)
        return span

    def parent_name(self, name: str) -> str | None:
        parent = self.one(name).parent
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return names[parent.span_id] if parent else None


@contextmanager
def recording() -> Iterator[Recorder]:
    """Take our spans from a recorder, and forget everything afterwards."""
    made = Recorder()
    tracing.use(made.provider, capture_content=False)
    try:
        yield made
    finally:
        tracing.reset()
        open_span._told.clear()


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def is_traced() -> bool:
    return get_current_span().get_span_context().is_valid
