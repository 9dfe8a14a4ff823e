"""One request's way through the cache; of equal ones at the same time, one makes the call.

    leader   |find|......the call......|keep|
    waiter       |find .....................| its own copy of the answer
    waiter          |find ..................|

A leader that fails, or is cancelled, hands over: one waiter makes the call, the others wait for that one.
Nobody waits where that could take for ever: on the leader's own thread, or longer than ``wait_s``.
"""

from __future__ import annotations

import asyncio
import threading
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
_MOST_ITEMS: Final = 100_000  # a stream that is longer is not kept


class Flights:
    """The calls that are on their way."""

    def __init__(self, *, wait_s: float) -> None:
        self.wait_s = wait_s
        # Entered again by the same thread where the collector closes a coroutine in the midst of it.
        self._lock = threading.RLock()
        self._leaders: dict[str, CacheLookup] = {}
        forks.watch(self)

    def after_fork(self) -> None:
        """Forget calls that threads of the parent make."""
        self._lock = threading.RLock()
        self._leaders = {}

    def leader(self, lookup: CacheLookup, key: str) -> tuple[CacheLookup, Landing | None]:
        """Return who makes the call, this lookup where nobody does yet; and when that one has landed."""
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

    __slots__ = ("_flights", "_items", "_joins", "_key", "_leads", "_owner", "_shelf", "landing")

    def __init__(self, shelf: Shelf, flights: Flights, key: str, *, joins: bool) -> None:
        self.landing: Landing | None = None
        self._shelf = shelf
        self._flights = flights
        self._key = key
        self._joins = joins
        self._leads = False
        self._owner: object = None
        self._items: list[Piece] | None = []

    def find(self) -> Answer | None:
        """Return the answer: kept, or that of an equal call which is on its way."""
        while (landing := self._join(threading.get_ident)) is not None:
            try:
                outcome = landing.result(self._flights.wait_s)
            except TimeoutError:
                break
            if (answer := self._of(outcome)) is not None or not self._joins:
                return answer
        return self._read()

    async def afind(self) -> Answer | None:
        """Do as :meth:`find`, and let the event loop work meanwhile."""
        while (landing := self._join(_task)) is not None:
            try:
                outcome = await asyncio.wait_for(asyncio.wrap_future(landing), self._flights.wait_s)
            except TimeoutError:
                break
            if (answer := self._of(outcome)) is not None or not self._joins:
                return answer
        if not self._shelf.is_shared:
            return self._read()
        try:
            return await asyncio.to_thread(self._read)
        except BaseException:  # cancelled, while a thread of ours still reads
            self.drop()
            raise

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

    def add(self, item: Any) -> None:
        """Note an item of a stream, as it is now."""
        if self._items is None:
            return
        piece = entry.piece_of(item)
        if piece is None or len(self._items) >= _MOST_ITEMS:
            self._shelf.skip("not_by_value")
            self._items = None
        else:
            self._items.append(piece)

    def finish(self, duration_ns: int | None) -> None:
        """Keep the stream whose items were noted."""
        items, self._items = self._items, None
        if items:
            self._shelf.put_stream(self._key, items, duration_ns)

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

    def _join(self, owner: Callable[[], object]) -> Landing | None:
        """Return what to wait for; None for who shall look, and call, by itself.

        Args:
            owner: What the call keeps busy: its thread, or its task.
        """
        if not self._joins or self._leads:
            return None
        self._owner = owner()
        leader, landing = self._flights.leader(self, self._key)
        if leader is self:
            self._leads = True
            return None
        if leader.holds(self._owner):
            self._joins = False  # it would wait for us
            return None
        return landing

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
            self._leads = False
            self._joins = False
            self._flights.land(self, self._key, outcome)


def _task() -> object:
    return asyncio.current_task()
