"""Our instrumentors as OpenTelemetry's own tools know them: ``opentelemetry-instrument python app.py``."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # untyped module
    BaseInstrumentor,
)

from otel_agentprof import __version__, pricing
from otel_agentprof.config import Config
from otel_agentprof.instrumentation import fingerprints
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.providers import ANTHROPIC, OPENAI
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Collection

    from otel_agentprof.instrumentation.spec import ProviderSpec


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # the base class carries no types
    spec: ProviderSpec

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the client that is patched, with the oldest version that is known to work."""
        return (self.spec.distribution,)

    def _instrument(self, **kwargs: Any) -> None:
        settings = Config.from_env()
        engine = Engine(
            kwargs.get("tracer_provider") or trace.get_tracer_provider(),
            version=__version__,
            meter_provider=kwargs.get("meter_provider"),
            captures_content=settings.capture_content,
            mirrors_cost=settings.cost_mirrors,
        )
        fingerprints.configure(settings)
        pricing.configure(settings.prices)
        pricing.load_in_background()
        REGISTRY.patch(engine, (self.spec,))
        # Streams that nobody read to their end must leave their spans before the provider shuts down.
        self._at_exit = engine.abandon_streams
        atexit.register(self._at_exit)

    def _uninstrument(self, **_kwargs: Any) -> None:
        REGISTRY.unpatch((self.spec.name,))
        atexit.unregister(self._at_exit)


class OpenAIInstrumentor(_Instrumentor):
    """Spans for the ``openai`` client."""

    spec = OPENAI


class AnthropicInstrumentor(_Instrumentor):
    """Spans for the ``anthropic`` client."""

    spec = ANTHROPIC
