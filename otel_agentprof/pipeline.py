"""Where spans go: a tracer provider with our processor on it, and what exports them.

the program's own provider   + our processor                        (drop-in)
none                         = a new one: our processor -> exporters that the OTEL_* variables name
"""

from __future__ import annotations

import logging
import weakref
from importlib import metadata
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_agentprof import config
from otel_agentprof.processor import AgentProfSpanProcessor

if TYPE_CHECKING:
    from opentelemetry import trace as trace_api
    from opentelemetry.sdk.trace import SpanProcessor

    from otel_agentprof.config import Config

_LOGGER = logging.getLogger(__name__)
_processors: weakref.WeakKeyDictionary[Any, AgentProfSpanProcessor] = weakref.WeakKeyDictionary()


def provider_for(
    given: TracerProvider | None, settings: Config
) -> tuple[trace_api.TracerProvider, AgentProfSpanProcessor]:
    """Return the provider to use, with our processor on it; one that exists is never replaced."""
    provider: Any = given if given is not None else trace.get_tracer_provider()
    if hasattr(provider, "add_span_processor"):
        return provider, attached(provider, settings)
    made = TracerProvider()
    processor = AgentProfSpanProcessor(exporting(), config=settings)
    made.add_span_processor(processor)
    _processors[made] = processor
    trace.set_tracer_provider(made)
    return made, processor


def attached(provider: Any, settings: Config) -> AgentProfSpanProcessor:
    """Return our processor on a provider that exists: the one that is there, else a new one."""
    processor = _processors.get(provider) or _found_on(provider)
    if processor is None:
        processor = AgentProfSpanProcessor(config=settings)
        provider.add_span_processor(processor)
    _processors[provider] = processor
    return processor


def _found_on(provider: Any) -> AgentProfSpanProcessor | None:
    """Return a processor of ours that the user has put on a provider: two would analyse everything twice."""
    active = getattr(provider, "_active_span_processor", None)
    for processor in getattr(active, "_span_processors", ()):
        if isinstance(processor, AgentProfSpanProcessor):
            return processor
    return None


def exporting() -> SpanProcessor | None:
    """Return a processor that exports as the ``OTEL_*`` variables ask; None where they ask for nothing."""
    batches = []
    for name in config.exporters("TRACES"):
        entry = "otlp_proto_http" if name == "otlp" and _speaks_http() else name
        found = list(metadata.entry_points(group="opentelemetry_traces_exporter", name=entry))
        if not found:
            _LOGGER.warning("no exporter %r is installed; OTEL_TRACES_EXPORTER is not followed there", name)
            continue
        batches.append(BatchSpanProcessor(found[0].load()()))
    if len(batches) <= 1:
        return batches[0] if batches else None
    several = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]  # the SDK's own class
    for batch in batches:
        several.add_span_processor(batch)
    return several


def _speaks_http() -> bool:
    return config.otlp_protocol("TRACES").startswith("http")
