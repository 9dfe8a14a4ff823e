"""The prompt cache: equal requests are answered once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api

from otel_agentprof.errors import AgentProfError
from otel_agentprof.model import caching
from otel_agentprof.optimize import backend as backends
from otel_agentprof.optimize.guarded import Guarded
from otel_agentprof.optimize.lookup import CacheLookup, Flights
from otel_agentprof.optimize.memory import Memory
from otel_agentprof.optimize.request_key import LOCAL, request_key
from otel_agentprof.optimize.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_agentprof.model.caching import Skipped
    from otel_agentprof.optimize.backend import Backend

_MAX_BYTES = 64 * 1024 * 1024
_SALT_BY_HAND = ("by hand",)


class PromptCache:
    """Answers of models by all that was asked: a cache by hand, or in front of every instrumented client.

        cache = PromptCache(max_size=500, ttl_s=3600)
        with otel_agentprof.instrument(cache=cache):
            ...                      # equal requests make one call; cache.hits counts the others

    Equal is what has the same model, messages, tools and any other argument that may change the answer, at
    the same address. Equal requests at the same time make one call too. Only whole answers are kept: no
    errors, no streams that broke off. Everybody gets a copy of their own.

    Calls that ask for a temperature above 0 want another answer each time and go past the cache, unless
    ``caches_sampled``; one that names no temperature is cached. A cache keeps the answers' text: memory by
    default, a file or a server where you name one.
    """

    def __init__(
        self,
        max_size: int = 1000,
        *,
        ttl_s: float | None = None,
        max_bytes: int | None = _MAX_BYTES,
        backend: Backend | str | None = None,
        caches_sampled: bool = False,
        wait_s: float = 300.0,
    ) -> None:
        """Make an empty cache, or one with what its back end has.

        Args:
            max_size: How many answers are kept; the least recently used one goes first. It holds for memory
                and ``sqlite:``; other back ends have limits of their own.
            ttl_s: How many seconds an answer holds; None for as long as there is room.
            max_bytes: How large all answers may be together; None for no limit. It holds where max_size does.
            backend: None for memory; ``sqlite:PATH`` for a file; ``redis://HOST:PORT/0`` for a Redis server;
                or any object with ``get(key)``, ``set(key, bytes)`` or ``set(key, bytes, seconds)``, and
                ``delete(key)``; see :class:`~otel_agentprof.optimize.backend.Backend`.
            caches_sampled: Whether calls with a temperature above 0 are cached too.
            wait_s: How long a call waits for an equal one at most, before it is made itself.

        Raises:
            AgentProfError: For limits below 1, and a back end that is none.
        """
        if max_size < 1 or (max_bytes is not None and max_bytes < 1) or (ttl_s is not None and ttl_s <= 0):
            raise AgentProfError("max_size and max_bytes have to be 1 or more, ttl_s more than 0")
        self.caches_sampled = caches_sampled
        if isinstance(backend, str):
            backend = backends.named(backend, max_size=max_size, max_bytes=max_bytes)
        if backend is None:
            store: Memory | Guarded = Memory(max_size=max_size, max_bytes=max_bytes, ttl_s=ttl_s)
        elif isinstance(backend, backends.Backend):
            store = Guarded(backend, ttl_s=ttl_s)
        else:
            raise AgentProfError(f"a back end has get, set and delete; {backend!r} has not")
        self._shelf = Shelf(store)
        self._flights = Flights(wait_s=wait_s)

    @property
    def hits(self) -> int:
        """How often an answer was there."""
        return self._shelf.hits

    @property
    def misses(self) -> int:
        """How often none was."""
        return self._shelf.misses

    @property
    def hit_rate(self) -> float:
        """Hits by all requests that were looked up; 0 before the first one."""
        hits, misses = self._shelf.hits, self._shelf.misses
        return hits / (hits + misses) if hits else 0.0

    @property
    def skipped(self) -> Mapping[Skipped, int]:
        """How many calls went past the cache, by reason; no reason without a call.

        ``not_by_value``: something that was asked, or the answer, can only be told by its address, or cannot
        be copied; ``unreadable``: what was kept cannot be built again, and goes; ``sampled``: a temperature
        above 0; ``stream``: one that nobody can play again; ``stateful``: the server keeps the conversation.
        Calls that were looked up before it turned out are among the misses too.
        """
        return dict(self._shelf.skipped)

    def get(self, messages: Any, model: str, **more: Any) -> Any:
        """Return the answer to a prompt, a copy of its own; None where there is none.

        Args:
            messages: What was asked.
            model: Who was asked.
            more: Anything else that changes the answer, such as ``tools`` or ``seed``.
        """
        key = self._key_by_hand(messages, model, more)
        if key is None:
            return None
        _, answer = self._shelf.take(key)
        self._shelf.count(is_hit=answer is not None)
        return None if answer is None else answer.value

    def set(self, messages: Any, model: str, response: Any, **more: Any) -> None:
        """Keep the answer to a prompt; in place of an older one to the same.

        Args:
            messages: What was asked.
            model: Who was asked.
            response: The answer.
            more: As for :meth:`get`.
        """
        key = self._key_by_hand(messages, model, more)
        kept = None if key is None else self._shelf.pack(response, None)
        if key is not None and kept is not None:
            self._shelf.put(key, kept)

    @contextmanager
    def enabled(self) -> Iterator[PromptCache]:
        """Put the cache in front of the instrumented clients within a ``with`` block, and what it starts.

        As contexts go: tasks that the block starts are in it, threads only with
        :func:`otel_agentprof.propagate`.
        """
        token = context_api.attach(context_api.set_value(caching.CONTEXT_KEY, self))
        try:
            yield self
        finally:
            context_api.detach(token)

    def lookup(
        self,
        salt: Sequence[Any],
        arguments: Mapping[str, Any],
        *,
        is_local: bool = False,
        is_sent: bool = True,
    ) -> CacheLookup | None:
        """Return the way of a request through the cache; see :class:`model.caching.AnswerCache`."""
        key = request_key(salt, arguments, is_local=is_local, is_sent=is_sent)
        if key is None or (self._shelf.is_shared and key.startswith(LOCAL)):
            self._shelf.skip("not_by_value")
            return None
        return CacheLookup(self._shelf, self._flights, key)

    def skip(self, reason: Skipped) -> None:
        """Count a call that goes past the cache."""
        self._shelf.skip(reason)

    def _key_by_hand(self, messages: Any, model: str, more: Mapping[str, Any]) -> str | None:
        key = request_key(_SALT_BY_HAND, {**more, "messages": messages, "model": model})
        if key is None or (self._shelf.is_shared and key.startswith(LOCAL)):
            self._shelf.skip("not_by_value")
            return None
        return key
