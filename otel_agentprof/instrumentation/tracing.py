"""Where our spans come from: one tracer, whichever provider it belongs to today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

from otel_agentprof import __version__, semconv
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

    from otel_agentprof.model.caching import AnswerCache

_chosen: TracerProvider | None = None
_captures_content: bool | None = None
_cache: AnswerCache | None = None
_cached: tuple[TracerProvider, Tracer] | None = None


def tracer() -> Tracer:
    """Return the tracer of the provider given to :func:`use`, else of the global provider of this moment."""
    global _cached  # noqa: PLW0603 - one tracer per process
    provider = _chosen if _chosen is not None else trace.get_tracer_provider()
    cached = _cached
    if cached is not None and cached[0] is provider:
        return cached[1]
    found = tracer_of(provider)
    _cached = (provider, found)
    return found


def tracer_of(provider: TracerProvider) -> Tracer:
    """Return a provider's tracer under our scope name and version."""
    return provider.get_tracer(semconv.SCOPE, __version__)


def use(
    tracer_provider: TracerProvider | None,
    *,
    capture_content: bool | None = None,
    cache: AnswerCache | None = None,
) -> None:
    """Take spans from this provider from now on; None follows the global one, also one that is set later.

    Args:
        tracer_provider: Where the tracer comes from.
        capture_content: Whether arguments and results of tools go on spans; None as the environment says.
        cache: What is in front of every client, for tools that want it too.
    """
    global _chosen, _captures_content, _cache  # noqa: PLW0603 - one choice per process
    _chosen = tracer_provider
    _cache = cache
    _captures_content = capture_content


def reset() -> None:
    """Forget every choice, as after import."""
    global _cached  # noqa: PLW0603 - one tracer per process
    use(None)
    _cached = None


def cache() -> AnswerCache | None:
    """Return the cache in front of every client, if there is one."""
    return _cache


def captures_content() -> bool:
    """Return whether message content may go on spans."""
    global _captures_content  # noqa: PLW0603 - the environment is read once
    if _captures_content is None:
        _captures_content = Config.from_env().capture_content
    return _captures_content


def error_type(error: BaseException) -> str:
    """Return the ``error.type`` of an exception: its class with its module, builtins without."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
