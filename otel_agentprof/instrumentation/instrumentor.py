"""Our instrumentors as OpenTelemetry's own tools know them: ``opentelemetry-instrument python app.py``."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # untyped module
    BaseInstrumentor,
)

from otel_agentprof import __version__, environment, pricing
from otel_agentprof.config import Config
from otel_agentprof.instrumentation import fingerprints, libraries
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Collection

    from otel_agentprof.instrumentation.libraries import Library

_OF_THEIR_OWN = ("openai", "anthropic")


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # the base class carries no types
    name: str

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the client that is patched, with the oldest version that is known to work."""
        return (libraries.known()[self.name].load().distribution,)

    def _libraries(self) -> tuple[Library, ...]:
        return (libraries.known()[self.name],)

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
        REGISTRY.patch(engine, self._libraries())
        # Streams that nobody read to their end must leave their spans before the provider shuts down.
        self._at_exit = engine.abandon_streams
        atexit.register(self._at_exit)

    def _uninstrument(self, **_kwargs: Any) -> None:
        REGISTRY.unpatch([library.name for library in self._libraries()])
        atexit.unregister(self._at_exit)


class OpenAIInstrumentor(_Instrumentor):
    """Spans for the ``openai`` client."""

    name = "openai"


class AnthropicInstrumentor(_Instrumentor):
    """Spans for the ``anthropic`` client."""

    name = "anthropic"


class AgentProfInstrumentor(_Instrumentor):
    """Spans for every other library that we know."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: each library is looked at when it is imported."""
        return ()

    def _libraries(self) -> tuple[Library, ...]:
        disabled = environment.disabled_instrumentations()
        return tuple(
            library
            for library in libraries.known().values()
            if library.name not in _OF_THEIR_OWN
            and library.kind != "contrib"  # what starts this one starts those too
            and not library.is_disabled_by(disabled)
        )
