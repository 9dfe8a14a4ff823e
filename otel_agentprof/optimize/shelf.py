"""Where a cache has its entries: how answers get there and back, and what is counted on the way."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from otel_agentprof.optimize import entry, forks
from otel_agentprof.optimize.entry import CorruptEntryError
from otel_agentprof.optimize.guarded import Guarded

if TYPE_CHECKING:
    from typing import Any

    from otel_agentprof.model.caching import Answer, Skipped
    from otel_agentprof.optimize.entry import Held
    from otel_agentprof.optimize.memory import Memory

_LOGGER = logging.getLogger(__name__)


class Shelf:
    """Entries in the memory of this process, or behind a back end.

    Attributes:
        is_shared: Whether a file or a server has to be asked, which others may use too.
        hits: How often an answer was there.
        misses: How often none was.
        skipped: How many calls went past the cache, by reason.
    """

    def __init__(self, store: Memory | Guarded) -> None:
        self.is_shared = isinstance(store, Guarded)
        self.hits = self.misses = 0
        self.skipped: dict[Skipped, int] = {}
        self._store = store
        self._lock = threading.RLock()
        forks.watch(self)

    def after_fork(self) -> None:
        """Begin anew in a child."""
        self._lock = threading.RLock()

    def take(self, key: str) -> tuple[bytes | Held | None, Answer | None]:
        """Return an entry and the answer in it; nothing where there is none that holds."""
        try:
            found = self._store.get(key)
        except CorruptEntryError as error:
            self._found_broken(error)
            return None, None
        if found is None:
            return None, None
        answer = self.open(found)
        if answer is None:
            self._store.delete(key)
        return found, answer

    def open(self, kept: bytes | Held) -> Answer | None:
        """Return the answer in an entry, a new copy; None for one that cannot be built, which is counted."""
        try:
            return entry.decode(kept)
        except CorruptEntryError as error:
            self._found_broken(error)
            return None

    def _found_broken(self, error: CorruptEntryError) -> None:
        _LOGGER.debug("an entry of the cache is of no use and goes: %s", error)
        self.skip("unreadable")

    def pack(self, value: Any, duration_ns: int | None) -> bytes | Held | None:
        """Return an answer as an entry; None for one that cannot be kept here."""
        piece = entry.piece_of(value)
        if piece is not None:
            return entry.encode([piece], is_stream=False, duration_ns=duration_ns)
        held = None if self.is_shared else entry.hold(value, duration_ns)
        if held is None:
            self.skip("not_by_value")
        return held

    def put(self, key: str, kept: bytes | Held) -> None:
        """Keep an entry."""
        self._store.set(key, kept)

    def count(self, *, is_hit: bool) -> None:
        """Count a request that was looked up."""
        with self._lock:
            if is_hit:
                self.hits += 1
            else:
                self.misses += 1

    def skip(self, reason: Skipped) -> None:
        """Count a call that goes past the cache."""
        with self._lock:
            self.skipped[reason] = self.skipped.get(reason, 0) + 1
