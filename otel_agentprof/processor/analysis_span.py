"""The one span that drop-in mode adds to a trace, with the results of its analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context

from otel_agentprof import __version__, semconv
from otel_agentprof.processor.run_attributes import whole_trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_agentprof.report.report import Report


def emit(report: Report, root: ReadableSpan, tracer: trace.Tracer) -> None:
    """Send the results of a trace along, as a span that covers its root: a child, so in the same trace."""
    if root.context is None:
        return
    parent = trace.set_span_in_context(trace.NonRecordingSpan(root.context), Context())
    span = tracer.start_span(
        semconv.ANALYSIS_SPAN_NAME,
        context=parent,
        attributes=whole_trace(report),
        links=[trace.Link(root.context)],
        start_time=root.start_time,
    )
    span.end(end_time=root.end_time)


def tracer_for(origin: Span | None) -> trace.Tracer:
    """Return a tracer of the pipeline that a live span came from.

    A span does not name its provider. Where it is not the global one, a tracer is put together from what the
    span does know, so that the analysis goes where its trace goes and nowhere else.
    """
    provider: Any = trace.get_tracer_provider()
    pipeline = getattr(origin, "_span_processor", None)
    if pipeline is None or getattr(provider, "_active_span_processor", None) is pipeline:
        return trace.get_tracer(semconv.SCOPE, __version__, tracer_provider=provider)
    from opentelemetry.sdk import trace as sdk  # noqa: PLC0415 - only for spans of the SDK
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - likewise

    known: Any = origin
    return sdk.Tracer(
        sampler=known._sampler,  # noqa: SLF001 - a span has no public way back to its provider
        resource=known.resource,
        span_processor=pipeline,
        id_generator=RandomIdGenerator(),
        instrumentation_info=None,  # type: ignore[arg-type]  # deprecated; making one warns
        span_limits=known._limits,  # noqa: SLF001 - likewise
        instrumentation_scope=InstrumentationScope(semconv.SCOPE, __version__),
    )
