"""Where entries are kept outside this process: what a back end has to offer, and how one is named."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from otel_agentprof.errors import AgentProfError


@runtime_checkable
class Backend(Protocol):
    """Anything with these three; a ``redis.Redis`` is one, and so is a ``diskcache.Cache``.

    They may raise what they like, be slow and lose entries. Threads call them at the same time.
    """

    def get(self, key: str, /) -> Any:
        """Return what was set, as bytes; None for nothing."""
        ...

    def set(self, key: str, data: bytes, /) -> Any:
        """Keep some bytes.

        Where entries hold for a time and ``set`` takes a third argument, it gets the whole seconds. They
        need not be kept: an entry says itself when it ends, and is deleted when it is asked for after that.
        """
        ...

    def delete(self, key: str, /) -> Any:
        """Forget an entry, if it is there."""
        ...


def named(name: str, *, max_size: int, max_bytes: int | None) -> Backend:
    """Return the back end that a text names.

    Args:
        name: ``sqlite:PATH`` or the URL of a Redis server, ``redis://...``.
        max_size: How many entries a file may have.
        max_bytes: How large they may be together.

    Raises:
        AgentProfError: For any other text; for Redis without its package.
    """
    kind, _, rest = name.partition(":")
    if kind == "sqlite" and rest:
        from otel_agentprof.optimize.sqlite_file import SqliteFile  # noqa: PLC0415 - only who asks needs it

        return SqliteFile(rest, max_size=max_size, max_bytes=max_bytes)
    if kind in {"redis", "rediss", "unix"}:
        from otel_agentprof.optimize.redis_server import connected  # noqa: PLC0415 - likewise

        return connected(name)
    raise AgentProfError(f"no back end is called {name!r}; write sqlite:PATH or redis://HOST:PORT/NUMBER")
