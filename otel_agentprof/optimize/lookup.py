"""One request's way through the cache; of equal ones at the same time, one makes the call.

    leader   |find|......the call......|keep|
    waiter       |find .....................| its own copy of the answer
    waiter          |find ..................|

A leader that fails, or is cancelled, hands over: one waiter makes the call, the others wait for that one.
Nobody waits where that could take for ever: for a call that this very thread or task has to end, for a stream
whose reader has stopped reading, or longer than ``wait_s``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.optimize import entry, forks

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.model.caching import Answer
    from otel_agentprof.optimize.entry import Held, Piece
    from otel_agentprof.optimize.shelf import Shelf

    Landing = Future["bytes | Held | None | _Alone"]


class _Alone:
    """What a leader says whose answer cannot be kept: all make their own call."""


_ALONE: Final = _Alone()
_STALL_S: Final = 5.0  # a stream without an item for so long is not waited for any more
_MOST_ITEMS: Final = 100_000  # a stream that is longer is not kept


class Flights:
    """The calls that are on their way."""

    def __init__(self, *, wait_s: float) -> None:
        self.wait_s = wait_s
        self.stall_s = min(wait_s, _STALL_S)
        # Entered again by the same thread where the collector closes a coroutine in the midst of it.
        self._lock = threading.RLock()
        self._leaders: dict[str, CacheLookup] = {}
        forks.watch(self)

    def after_fork(self) -> None:
        """Forget calls that threads of the parent make."""
        self._lock = threading.RLock()
        self._leaders = {}

    def leader(self, lookup: CacheLookup, key: str) -> tuple[CacheLookup, Landing | None]:
        """Return who makes the call, this lookup where nobody does yet; and what to wait for."""
        with self._lock:
            leader = self._leaders.setdefault(key, lookup)
            if leader is lookup:
                return lookup, None
            if leader.landing is None:
                leader.landing = Future()
                leader.landing.set_running_or_notify_cancel()  # a cancelled waiter cancels only itself
            return leader, leader.landing

    def land(self, lookup: CacheLookup, key: str, outcome: bytes | Held | _Alone | None) -> None:
        """Tell the waiters, and let the next one lead."""
        with self._lock:
            if key in self._leaders and self._leaders[key] is lookup:
                del self._leaders[key]
            landing, lookup.landing = lookup.landing, None
        if landing is not None:
            landing.set_result(outcome)


class CacheLookup:
    """The way of one request; see :class:`otel_agentprof.model.caching.Lookup`."""

    __slots__ = ("_flights", "_items", "_joins", "_key", "_leads", "_moved", "_owner", "_shelf", "landing")

    def __init__(self, shelf: Shelf, flights: Flights, key: str) -> None:
        self.landing: Landing | None = None
        self._shelf = shelf
        self._flights = flights
        self._key = key
        self._joins = True
        self._leads = False
        self._owner: object = None
        self._items: list[Piece] | None = []
        self._moved: float | None = None

    def find(self) -> Answer | None:
        """Return the answer: kept, or that of an equal call which is on its way."""
        while (waiting := self._join(threading.get_ident)) is not None:
            leader, landing = waiting
            try:
                outcome = landing.result(leader.patience_s)
            except TimeoutError:
                self._joins = leader.is_moving
                continue
            if (answer := self._of(outcome)) is not None or not self._joins:
                return answer
        return self._read()

    async def afind(self) -> Answer | None:
        """Do as :meth:`find`, and let the event loop work meanwhile."""
        while (waiting := self._join(_task)) is not None:
            leader, landing = waiting
            try:
                outcome = await asyncio.wait_for(asyncio.wrap_future(landing), leader.patience_s)
            except TimeoutError:
                self._joins = leader.is_moving
                continue
            if (answer := self._of(outcome)) is not None or not self._joins:
                return answer
        if not self._shelf.is_shared:
            return self._read()
        try:
            return await asyncio.to_thread(self._read)
        except BaseException:  # cancelled, while a thread of ours still reads
            self.drop()
            raise

    @property
    def patience_s(self) -> float:
        """How long to wait for this call, or for the next item of its stream."""
        return self._flights.wait_s if self._moved is None else self._flights.stall_s

    @property
    def is_moving(self) -> bool:
        """Whether its stream has had an item lately."""
        return self._moved is not None and time.monotonic() - self._moved < self._flights.stall_s

    def keep(self, value: Any, duration_ns: int | None) -> None:
        """Keep a whole answer, as it is now."""
        kept: bytes | Held | None = None
        try:
            kept = self._shelf.pack(value, duration_ns)
            if kept is not None:
                self._shelf.put(self._key, kept)
        finally:
            self._land(_ALONE if kept is None else kept)

    async def akeep(self, value: Any, duration_ns: int | None) -> None:
        """Do as :meth:`keep`, and let the event loop work meanwhile."""
        if not self._shelf.is_shared:
            return self.keep(value, duration_ns)
        kept: bytes | Held | None = None
        try:
            kept = self._shelf.pack(value, duration_ns)
            if kept is not None:
                await asyncio.to_thread(self._shelf.put, self._key, kept)
        finally:
            self._land(_ALONE if kept is None else kept)
        return None

    def begin(self) -> None:
        """Note that a stream is here, and that its reader decides when it goes on."""
        self._moved = time.monotonic()

    def add(self, item: Any) -> None:
        """Note an item of a stream, as it is now."""
        if self._items is None:
            return
        self._moved = time.monotonic()
        piece = entry.piece_of(item)
        if piece is None or len(self._items) >= _MOST_ITEMS:
            self._shelf.skip("not_by_value")
            self._items = None
            self._land(_ALONE)
        else:
            self._items.append(piece)

    def finish(self, duration_ns: int | None) -> None:
        """Keep the stream whose items were noted."""
        items, self._items = self._items, None
        kept = None
        try:
            if items:
                kept = entry.encode(items, is_stream=True, duration_ns=duration_ns)
                self._shelf.put(self._key, kept)
        finally:
            self._land(kept)

    def drop(self) -> None:
        """Keep nothing; harmless after anything else."""
        self._items = None
        if self._leads:
            self._land(None)

    def holds(self, owner: object) -> bool:
        """Return whether a thread, or a task, cannot go on without this call."""
        if isinstance(self._owner, asyncio.Task) and isinstance(owner, int):
            return self._owner.get_loop() is asyncio.events._get_running_loop()  # noqa: SLF001 - None outside of one
        return self._owner == owner

    def _join(self, owner: Callable[[], object]) -> tuple[CacheLookup, Landing] | None:
        """Return what to wait for; None for who shall look, and call, by itself.

        Args:
            owner: What the call keeps busy: its thread, or its task.
        """
        if not self._joins or self._leads:
            return None
        self._owner = owner()
        leader, landing = self._flights.leader(self, self._key)
        if landing is None:
            self._leads = True
            return None
        if leader.holds(self._owner):
            self._joins = False  # it would wait for us
            return None
        return leader, landing

    def _of(self, outcome: bytes | Held | _Alone | None) -> Answer | None:
        if isinstance(outcome, _Alone):
            self._joins = False
            self._shelf.count(is_hit=False)
            return None
        if outcome is None:
            return None
        answer = self._shelf.open(outcome)
        if answer is None:  # it holds for no time at all, or cannot be built
            self._joins = False
        self._shelf.count(is_hit=answer is not None)
        return answer

    def _read(self) -> Answer | None:
        found: bytes | Held | None = None
        try:
            found, answer = self._shelf.take(self._key)
        except BaseException:
            self.drop()
            raise
        self._shelf.count(is_hit=answer is not None)
        if answer is not None:
            self._land(found)
        return answer

    def _land(self, outcome: bytes | Held | _Alone | None) -> None:
        if self._leads:
            self._leads = self._joins = False
            self._flights.land(self, self._key, outcome)


def _task() -> object:
    return asyncio.current_task()
