"""The memory of a cache: least recently used first out, within a number, a size and an age."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.optimize.entry import Held

_OWN_BYTES: Final = 200  # what an entry takes beside its bytes: key, places in the table


class _Place:
    __slots__ = ("ends", "entry", "size")

    def __init__(self, entry: bytes | Held, size: int, ends: float | None) -> None:
        self.entry, self.size, self.ends = entry, size, ends


class Memory:
    """Entries by key; for any number of threads.

    Ages are told by a monotonic clock: they do not change with the time of day.

    Attributes:
        size_bytes: What all entries take, about.
    """

    def __init__(
        self,
        *,
        max_size: int,
        max_bytes: int | None,
        ttl_s: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size_bytes = 0
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock
        # Entered again by the same thread where a finaliser ends a stream in the midst of it.
        self._lock = threading.RLock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> bytes | Held | None:
        """Return an entry, which is now the last one to go; None where there is none."""
        with self._lock:
            place = self._places.get(key)
            if place is None:
                return None
            if place.ends is not None and self._clock() >= place.ends:
                self.delete(key)
                return None
            self._places.move_to_end(key)
            return place.entry

    def set(self, key: str, entry: bytes | Held) -> None:
        """Keep an entry, and let others go for it; one that is too large by itself is not kept."""
        size = _OWN_BYTES + (len(entry) if entry.__class__ is bytes else entry.size)  # type: ignore[union-attr]  # Held
        ends = None if self._ttl_s is None else self._clock() + self._ttl_s
        limit, places = self._max_bytes, self._places
        with self._lock:
            if key in places:
                self.delete(key)
            if limit is not None and size > limit:
                return
            places[key] = _Place(entry, size, ends)
            self.size_bytes += size
            while len(places) > self._max_size or (limit is not None and self.size_bytes > limit):
                _, gone = places.popitem(last=False)
                self.size_bytes -= gone.size

    def delete(self, key: str) -> None:
        """Forget an entry, if it is there."""
        with self._lock:
            if (gone := self._places.pop(key, None)) is not None:
                self.size_bytes -= gone.size
