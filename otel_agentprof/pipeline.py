"""Where spans and metrics go: a tracer provider with our processor on it, and what exports them.

the program's own provider   + our processor                        (drop-in)
none                         = a new one: our processor -> exporters that the OTEL_* variables name
                               until the program sets its own       (drop-in there from then on)
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import weakref
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_agentprof import environment
from otel_agentprof.instrumentation.metrics import current_provider, is_configured
from otel_agentprof.processor import AgentProfSpanProcessor, BoundedSpanExporter
from otel_agentprof.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry import trace as trace_api
    from opentelemetry.sdk.trace import SpanProcessor

    from otel_agentprof.config import Config

_LOGGER = logging.getLogger(__name__)
_LAST_CHANCE_S: Final = 5.0
_processors: weakref.WeakKeyDictionary[Any, AgentProfSpanProcessor] = weakref.WeakKeyDictionary()


class _Offer(StandIn):
    """A provider of ours as the global one until the program sets its own; used as an SDK's provider is."""

    def __init__(self, settings: Config) -> None:
        made = new_provider()
        super().__init__(lambda: made)
        self.made = made
        self.processor = AgentProfSpanProcessor(exporting(), config=settings)
        made.add_span_processor(self.processor)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.provider(), name)

    def follow(self, provider: Any) -> None:
        """See the spans of the provider that the program has set; only the program's exporters get those."""
        if not hasattr(provider, "add_span_processor"):
            return
        if provider not in _processors and _found_on(provider) is None:
            self.processor.forward_only(self.made.resource)
            provider.add_span_processor(self.processor)
            _processors[provider] = self.processor


class _Process:
    """What is true of the whole process."""

    offer: _Offer | None = None  # kept for the next time: a provider has a thread, and hooks at the exit


def provider_for(
    given: TracerProvider | None, settings: Config
) -> tuple[trace_api.TracerProvider, AgentProfSpanProcessor]:
    """Return the provider to use, with our processor on it; one that exists is never replaced.

    Where there is none, ours is offered until :func:`withdraw`: the program can still set its own.
    """
    provider: Any = given if given is not None else trace.get_tracer_provider()
    if hasattr(provider, "add_span_processor"):
        return provider, attached(provider, settings)
    if (offer := _Process.offer) is None:
        measure()  # first, for what is made first is shut down last: the last reports are measured too
        offer = _Process.offer = _Offer(settings)
        _processors[offer] = _processors[offer.made] = offer.processor
    if not isinstance(provider, trace.ProxyTracerProvider):  # the program wants no spans; a profile does
        return offer.made, offer.processor
    offer.install(offer.follow)
    return offer, offer.processor


def withdraw() -> None:
    """Leave nothing of ours as the global provider."""
    if _Process.offer is not None:
        _Process.offer.withdraw()


def new_provider() -> TracerProvider:
    """Return a new provider, also when the program's main thread has ended already."""
    try:
        return TracerProvider()
    except RuntimeError:
        # The SDK finds out about its resource on a thread pool, and none starts work any more.
        return TracerProvider(resource=Resource.get_empty())


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
    batches = [BatchSpanProcessor(BoundedSpanExporter(exporter)) for exporter in _exporters("TRACES")]
    if len(batches) <= 1:
        return batches[0] if batches else None
    several = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]  # the SDK's own class
    for batch in batches:
        several.add_span_processor(batch)
    return several


def measure() -> None:
    """Set a meter provider up where the ``OTEL_*`` variables ask for one and the program has none."""
    if not environment.wants_metrics() or is_configured(current_provider()):
        return
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - not needed without metrics
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415 - likewise
        MetricReader,
        PeriodicExportingMetricReader,
    )

    found = list(_exporters("METRICS"))
    if found:
        made = MeterProvider(
            [one if isinstance(one, MetricReader) else PeriodicExportingMetricReader(one) for one in found],
            shutdown_on_exit=False,
        )
        metrics.set_meter_provider(made)
        exporters = [one for one in found if not isinstance(one, MetricReader)]
        atexit.register(_end_metrics, made, exporters)


def _end_metrics(provider: Any, exporters: Iterable[Any]) -> None:
    """Send the last figures; a backend that is not there may hold the end of the process up for 5 s."""
    timers = [threading.Timer(_LAST_CHANCE_S, exporter.shutdown) for exporter in exporters]
    for timer in timers:
        timer.daemon = True
        with contextlib.suppress(RuntimeError):  # Python 3.12 starts no thread any more at this point
            timer.start()
    try:
        provider.shutdown()
    finally:
        for timer in timers:
            timer.cancel()


def _exporters(signal: str) -> Iterator[Any]:
    """Yield the exporters that the variables name for ``TRACES`` or ``METRICS``; one may not be to be had."""
    for name in environment.exporters(signal):
        is_http = name == "otlp" and environment.otlp_protocol(signal).startswith("http")
        entry = "otlp_proto_http" if is_http else name
        found = list(metadata.entry_points(group=f"opentelemetry_{signal.lower()}_exporter", name=entry))
        if not found:
            _LOGGER.warning(
                "no exporter %r is installed; OTEL_%s_EXPORTER is not followed there", name, signal
            )
            continue
        try:
            exporter = found[0].load()()
        except Exception:
            # Its settings are in variables: a program must not end because of a misspelt one.
            _LOGGER.exception(
                "exporter %r cannot be made; OTEL_%s_EXPORTER is not followed there", name, signal
            )
        else:
            yield exporter
