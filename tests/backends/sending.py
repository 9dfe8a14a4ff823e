"""Spans of every kind, sent as programs send them: our processor, batches, the real OTLP exporter."""

from __future__ import annotations

import dataclasses
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from backends.running import until
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from otel_agentprof.config import Config
from otel_agentprof.processor import AgentProfSpanProcessor
from otel_agentprof.readers.sdk import spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

    from otel_agentprof.model import Span
    from otel_agentprof.report.report import Report

PROTOCOLS: Final = ("grpc", "http")
SERVICE: Final = "agentprof-tests"
_QUEUE: Final = 20_000  # spans: the SDK drops what comes while 2,048 wait, and these come all at once


class Sent(SpanExporter):
    """The real exporter, and a memory of what went through it.

    Attributes:
        spans: What it was given.
        is_refused: The receiver has refused something.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self.spans: list[ReadableSpan] = []
        self.reports: list[Report] = []
        self.is_refused = False
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Remember the spans and send them."""
        self.spans += spans
        result = self._exporter.export(spans)
        self.is_refused |= result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def of(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace as ours."""
        return [span for span in spans_of(self.spans) if span.trace_id == trace_id]


def exporter(place: Any, protocol: str) -> SpanExporter:
    """Return the real exporter to a backend, a Collector or our receiver."""
    if protocol == "grpc":
        return GrpcExporter(endpoint=place.grpc_url, insecure=True)
    return HttpExporter(endpoint=f"{place.http_url}/v1/traces")


@contextmanager
def sending(place: Any, protocol: str, *, service: str = SERVICE) -> Iterator[tuple[Tracer, Sent]]:
    """Give a tracer, and what it sends; everything has been sent after the block."""
    sent = Sent(exporter(place, protocol))
    batches = BatchSpanProcessor(sent, max_queue_size=_QUEUE)
    provider = TracerProvider(
        resource=Resource({"service.name": service, "ümlaut": "Grüße", "process.pid": 2**40}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        AgentProfSpanProcessor(batches, on_report=sent.reports.append, config=Config())
    )
    yield provider.get_tracer("backends", "1.2.3"), sent
    provider.shutdown()


def every_kind_of_span(tracer: Tracer, start_ns: int) -> str:
    """Make a trace of spans in which everything that a span can hold is there; return its id."""
    root = tracer.start_span(
        'агент 🤖 研究\n\ttab "quotes" \\ </script>',
        kind=trace.SpanKind.SERVER,
        attributes=_VALUES,
        start_time=start_ns,
    )
    here = trace.set_span_in_context(root)
    elsewhere = trace.Link(
        trace.SpanContext(int("ab" * 16, 16), int("cd" * 8, 16), is_remote=True), {"why": "retry", "n": 3}
    )
    for place, kind in enumerate(trace.SpanKind):
        child = tracer.start_span(
            f"{kind.name} {place}",
            here,
            kind=kind,
            links=[elsewhere, trace.Link(root.get_span_context())],
            start_time=start_ns + place,  # a nanosecond apart: microseconds would make them equal
        )
        child.add_event("first token", {"delta": 0.1, "ø": "é"}, timestamp=start_ns + place + 1)
        child.set_status(_STATUSES[place % len(_STATUSES)])
        child.end(start_ns + 1_000_003 + place)
    root.end(start_ns + 123_456_789)
    return format(root.get_span_context().trace_id, "032x")


def many_spans(tracer: Tracer, count: int, start_ns: int, attributes: dict[str, Any] | None = None) -> str:
    """Make one trace of a root and equal children one after another; return its id."""
    root = tracer.start_span("root", start_time=start_ns)
    here = trace.set_span_in_context(root)
    for place in range(count - 1):
        begun = start_ns + place * 1_000
        tracer.start_span(f"step {place}", here, start_time=begun, attributes=attributes).end(begun + 999)
    root.end(start_ns + count * 1_000)
    return format(root.get_span_context().trace_id, "032x")


def arrived(place: Any, count: int, *trace_ids: str) -> list[Span]:
    """Return the spans of some traces as soon as a backend, a Collector or our receiver shows as many."""

    def look() -> list[Span]:
        spans: list[Span] = place.look(*trace_ids)
        return spans if len(spans) >= count else []

    return until(look, f"{count} spans at {place}")


def in_order(spans: Iterable[Span]) -> list[Span]:
    """Return spans by id, for a comparison; the lane stands among the attributes too."""
    return sorted((dataclasses.replace(span, lane=None) for span in spans), key=lambda span: span.span_id)


_VALUES: Final[dict[str, Any]] = {
    "text": "naïve 日本語 🤖 \u0000 \u200b end",
    "empty": "",
    "yes": True,
    "no": False,
    "zero": 0,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "above 2**53": 2**53 + 1,
    "double": 0.1 + 0.2,
    "whole double": 3.0,
    "tiny": 5e-324,
    "huge": math.inf,
    "texts": ("a", "ß", ""),
    "numbers": (1, -2, 3),
    "doubles": (1.0, 2.5),
    "flags": (True, False),
    "nothing in it": (),
    "bytes": b"\x00\xff",
    "map": {"a": 1, "b": {"c": ("d", 2.0)}},
}
_STATUSES: Final = (
    trace.Status(),
    trace.Status(trace.StatusCode.OK),
    trace.Status(trace.StatusCode.ERROR, "zu spät: 429 ☹"),
)
