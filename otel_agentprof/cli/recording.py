"""What happens inside the interpreter that ``agentprof run`` starts, before the program's first line.

The program must not notice: its own provider wins, its own ``instrument()`` works, its traces keep their ids
and their roots.
"""

from __future__ import annotations

import atexit
import functools
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_agentprof import __version__, api, environment, pipeline, pricing
from otel_agentprof.cli.recorder import Recorder
from otel_agentprof.config import Config
from otel_agentprof.instrumentation import fingerprints
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.registry import REGISTRY
from otel_agentprof.processor import AgentProfSpanProcessor
from otel_agentprof.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable


def begin(path: str) -> None:
    """Record every span of this process from now on, calls of LLM clients included, to a file."""
    recorder = Recorder(path, limit=Config.from_env().max_spans_per_trace)
    atexit.register(recorder.close)  # the first to be registered is the last to be called
    if environment.is_sdk_disabled():
        return
    _watch_new_providers(recorder)
    provider: Any = trace.get_tracer_provider()
    if hasattr(provider, "add_span_processor"):
        provider.add_span_processor(recorder)
    elif isinstance(provider, trace.ProxyTracerProvider):
        provider = StandIn(_fallback)
        provider.install()
    settings = Config.from_env()
    engine = Engine(
        provider,
        version=__version__,
        captures_content=settings.capture_content,
        mirrors_cost=settings.cost_mirrors,
    )
    atexit.register(engine.abandon_streams)

    def patch() -> None:
        fingerprints.configure(settings)
        pricing.configure(settings.prices)
        pricing.load_in_background()
        # OpenTelemetry's own exist once per process: the program may want to set them up itself.
        ours = [library for library in api.chosen_libraries() if library.kind != "contrib"]
        REGISTRY.patch(engine, ours)

    api.instrument_beneath(patch)


def _watch_new_providers(recorder: Recorder) -> None:
    """Show the recorder the spans of every SDK provider that the program makes, whatever it uses it for."""
    original: Callable[..., None] = TracerProvider.__init__

    @functools.wraps(original)
    def init(self: TracerProvider, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.add_span_processor(recorder)

    TracerProvider.__init__ = init  # type: ignore[method-assign]  # there is no other way to hear of them


def _fallback() -> TracerProvider:
    """Return the provider for a program that sets none: it exports where the ``OTEL_*`` variables say."""
    provider = pipeline.new_provider()
    if (exporting := pipeline.exporting()) is not None:
        provider.add_span_processor(AgentProfSpanProcessor(exporting))
    return provider
