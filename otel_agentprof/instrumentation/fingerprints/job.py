"""The way of a request from the thread that sends it to the one that hashes it, and back to its span.

    calling thread   |copy|put|..........the call..........|take| span.end()
    worker thread             |..restore, hash..|

Nobody waits: what is not there when the call ends is done on the spot when it is small, else left out.
"""

from __future__ import annotations

import os
import secrets
import threading
from hashlib import blake2b
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from otel_agentprof.config import Config
from otel_agentprof.instrumentation.fingerprints.capture import copy_of, restore
from otel_agentprof.instrumentation.fingerprints.digest import Budget, Reading, TooLargeError, digest
from otel_agentprof.model.identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

_MOST_BYTES: Final = 4 * 1024 * 1024  # of one request
_LARGE_BYTES: Final = 256 * 1024
_MOST_WAITING: Final = 64
_MOST_WAITING_LARGE: Final = 8
_BUDGET: Final = Budget(nodes=200_000, characters=_MOST_BYTES)
_INLINE: Final = Budget(nodes=50, characters=4096)  # 20 us, where the worker has not come to it
_ABSENT: Final = frozenset({"NotGiven", "Omit", "Unset", "ellipsis"})  # what the clients have for "not given"
_NOTHING: Final[Mapping[str, Any]] = {}
# Why a call has none: objects in it that only their address tells apart; too much of it; not found in time.
Reason = Literal["not_by_value", "too_large", "late"]


class Job:
    """One request on its way to its fingerprint."""

    __slots__ = ("_data", "_found", "_key", "_reading", "_why_not")

    def __init__(self, data: bytes, reading: Reading, key: bytes) -> None:
        self._data: bytes | None = data
        self._found: Mapping[str, Any] | None = None
        self._why_not: Reason = "late"
        self._reading = reading
        self._key = key

    def work(self, budget: Budget = _BUDGET) -> None:
        """Find the attributes, unless somebody did or nobody wants them any more."""
        data = self._data
        if data is None:
            return
        try:
            self._found = digest(restore(data), self._reading, self._key, budget)
        except TooLargeError:
            if budget is not _INLINE:
                self._why_not = "too_large"
        except Exception:  # noqa: BLE001 - arguments may be anything; the request has no fingerprint then
            self._why_not = "not_by_value"
        self._data = None

    def take(self) -> Mapping[str, Any]:
        """Return the attributes now: nothing when they are not there and would take long."""
        data = self._data
        if self._found is None and data is not None and len(data) <= _INLINE.characters:
            self.work(_INLINE)  # also when the worker is at it right now
        self._data = None
        if self._found is None:
            _count(self._why_not)
            return _NOTHING
        return self._found


def of_request(
    provider: ProviderSpec, spec: CallSpec, address: str | None, arguments: Mapping[str, Any]
) -> Job | None:
    """Start on the fingerprint of a request as it is now; None where there shall or can be none."""
    key = _Process.key or _key()
    if not key:
        return None
    left_out = provider.not_in_fingerprint
    asked = {
        name: value
        for name, value in arguments.items()
        if name not in left_out and value.__class__.__name__ not in _ABSENT
    }
    salt = (provider.name, spec.operation, address or "")
    return _start(asked, Reading(salt, spec.prompt, provider.cache_marks), key)


def of_tool(name: str, owner: Any, arguments: Mapping[str, Any]) -> Job | None:
    """Start on the fingerprint of a tool call; None where there shall or can be none.

    Args:
        name: The tool.
        owner: The object or class whose method it is; None for a function.
        arguments: By name.
    """
    key = _Process.key or _key()
    if not key:
        return None
    try:
        salt = ("tool", name, "" if owner is None else identity_of(owner))
    except TypeError:
        _count("not_by_value")
        return None
    return _start(arguments, Reading(salt, tells_classes=True), key)


def _start(arguments: Mapping[str, Any], reading: Reading, key: bytes) -> Job | None:
    try:
        data = copy_of(arguments, keeps_private=reading.tells_classes)
    except Exception:  # noqa: BLE001 - objects that cannot be told by value, lists that change meanwhile
        _count("not_by_value")
        return None
    if len(data) > _MOST_BYTES:
        _count("too_large")
        return None
    job = Job(data, reading, key)
    limit = _MOST_WAITING if len(data) < _LARGE_BYTES else _MOST_WAITING_LARGE
    waiting = _Process.waiting
    if waiting.qsize() < limit and (_Process.has_worker or _start_worker()):
        waiting.put(job)
    return job


def without() -> dict[Reason, int]:
    """Return how many calls of this process have no fingerprint although they should, by reason."""
    return dict(_Process.without)


def _count(reason: Reason) -> None:
    # Two threads at once may lose one; a lock could hang, for streams are also ended by finalisers.
    _Process.without[reason] = _Process.without.get(reason, 0) + 1


class _Process:
    """What this process knows: its key (empty: switched off; None: not looked up), its worker, its losses."""

    key: bytes | None = None
    random_key: bytes | None = None
    waiting: SimpleQueue[Job | None] = SimpleQueue()
    has_worker = False
    starting = threading.Lock()
    watches_forks = False
    without: ClassVar[dict[Reason, int]] = {}


def configure(settings: Config | None) -> None:
    """Take the switch and the key from these settings; None asks the environment at the next request."""
    if settings is None:
        _Process.key = None
        if _Process.has_worker:
            _Process.has_worker = False
            _Process.waiting.put(None)
    else:
        _Process.key = _key_of(settings)


def _key() -> bytes:
    if _Process.key is None:
        _Process.key = _key_of(Config.from_env())
    return _Process.key


def _key_of(settings: Config) -> bytes:
    if not settings.fingerprints:
        return b""
    if settings.fingerprint_key:
        # A hash, for a key may be of any length.
        return blake2b(settings.fingerprint_key.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    if _Process.random_key is None:
        _Process.random_key = secrets.token_bytes(32)
    return _Process.random_key


def _start_worker() -> bool:
    """Start the worker; False where none can be had now."""
    if not _Process.starting.acquire(blocking=False):
        return False  # another thread is at it
    try:
        if not _Process.has_worker:
            _watch_forks()
            threading.Thread(
                target=_work, args=(_Process.waiting,), name="agentprof-fingerprints", daemon=True
            ).start()
            _Process.has_worker = True
    except RuntimeError:  # no more threads: out of them, or at the end of the process
        return False
    finally:
        _Process.starting.release()
    return True


def _work(waiting: SimpleQueue[Job | None]) -> None:
    while (job := waiting.get()) is not None:
        job.work()
        del job  # while there is nothing to do, nothing is kept


def _watch_forks() -> None:
    if not _Process.watches_forks and hasattr(os, "register_at_fork"):
        _Process.watches_forks = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """Begin anew in a child, which has the key but not the thread."""
    _Process.waiting = SimpleQueue()
    _Process.has_worker = False
    _Process.starting = threading.Lock()
    _Process.without = {}
