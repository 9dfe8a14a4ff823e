"""The one place where a back end's failures stay: the call goes through, and the log says it once."""

from __future__ import annotations

import inspect
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final, Literal

from otel_agentprof.optimize.entry import CorruptEntryError
from otel_agentprof.optimize.envelope import seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.optimize.backend import Backend
    from otel_agentprof.optimize.entry import Held

    _Verb = Literal["get", "set", "delete"]

_LOGGER = logging.getLogger(__name__)
_PREFIX: Final = "agentprof:"  # a server may keep other things too
_REST_S: Final = 5.0  # after a failure nobody is asked for so long: a dead server must not slow every call


class Guarded:
    """A back end whose failures stay here: what it cannot read is not there, what it cannot write not kept.

    Attributes:
        failures: How often it failed.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        ttl_s: float | None,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self.failures = 0
        self._backend = backend
        self._ttl_s = ttl_s
        # Of a back end whose set takes no time entries end all the same: their own text says when.
        self._seconds = () if ttl_s is None or not _takes_time(backend) else (math.ceil(ttl_s),)
        self._clock = clock
        self._time_of_day = time_of_day
        self._rests_until: dict[_Verb, float] = {}  # a full disk can still be read

    def get(self, key: str) -> bytes | None:
        """Return an entry; None where there is none that holds, or none to be had.

        Raises:
            CorruptEntryError: For one that is broken; it is forgotten.
        """
        data = self._do("get", self._backend.get, _PREFIX + key)
        if isinstance(data, str):  # a Redis client with decode_responses
            data = data.encode("utf-8", "surrogateescape")
        if data is None:
            return None
        sealed = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b""  # no entry either
        try:
            entry = unseal(sealed, now=self._time_of_day())
        except CorruptEntryError:
            self.delete(key)
            raise
        if entry is None:
            self.delete(key)
        return entry

    def set(self, key: str, entry: bytes | Held) -> None:
        """Keep an entry, if that can be done; what has no form as bytes stays in no other place."""
        if isinstance(entry, bytes):
            sealed = seal(entry, now=self._time_of_day(), ttl_s=self._ttl_s)
            self._do("set", self._backend.set, _PREFIX + key, sealed, *self._seconds)

    def delete(self, key: str) -> None:
        """Forget an entry, if that can be done."""
        self._do("delete", self._backend.delete, _PREFIX + key)

    def _do(self, verb: _Verb, work: Callable[..., Any], *args: Any) -> Any:
        rests_until = self._rests_until.get(verb)
        if rests_until is not None and self._clock() < rests_until:
            return None
        try:
            return work(*args)
        except Exception as failure:  # noqa: BLE001 - a file, a server, code of the user's: they fail as they like
            self._failed(verb, failure)
            return None

    def _failed(self, verb: _Verb, failure: Exception) -> None:
        self._rests_until[verb] = self._clock() + _REST_S
        self.failures += 1
        if self.failures == 1:
            _LOGGER.warning(
                "the cache's back end failed in %s: %s: %s; calls go through, later failures are not told",
                verb,
                type(failure).__name__,
                failure,
            )


def _takes_time(backend: Backend) -> bool:
    """Return whether a back end's ``set`` takes a third argument; one that does not say is held to."""
    try:
        inspect.signature(backend.set).bind("key", b"", 1)
    except TypeError:
        return False
    except ValueError:  # it is made in C
        return True
    return True
