"""A Redis server as a back end: the ``redis`` package's own client, in a hurry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.errors import AgentProfError

if TYPE_CHECKING:
    from otel_agentprof.optimize.backend import Backend

_TIMEOUT_S: Final = 0.25  # a cache that is slower than that is in the way


def connected(url: str) -> Backend:
    """Return a client of a Redis server; nothing is sent before the first entry is asked for.

    How much the server may keep is its own affair: ``maxmemory`` and ``maxmemory-policy allkeys-lru``.

    Args:
        url: As ``redis.Redis.from_url`` takes it; ``?socket_timeout=1`` in it sets the time to wait.

    Raises:
        AgentProfError: Where the package is not installed.
    """
    try:
        import redis  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AgentProfError('the redis package is missing: pip install "otel-agentprof[redis]"') from error
    client: Any = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    return client  # type: ignore[no-any-return]  # it has the three methods
