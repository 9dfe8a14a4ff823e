"""The genai-prices table: loaded once, off the caller's thread, and never from the network.

Its import takes about 0.2 s, which no call of the profiled program may pay: :func:`load_in_background` starts
it early. A span that ends before the table is there waits for it, once per process.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

_LOGGER = logging.getLogger(__name__)
NAME: Final = "genai-prices"
_PATIENCE_S: Final = 10.0  # a table that takes longer is given up for this call, so that no program hangs


class Loader:
    """Loads the table once per process, on a thread or, when nobody started one, on the first caller's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._is_loading = False  # stays True once the table is there: a process loads it once
        self._is_watching_forks = False
        self._patience_s = _PATIENCE_S
        self._version: str | None = None

    def start(self) -> None:
        """Start loading on a daemon thread; does nothing when that has happened before."""
        with self._lock:
            if self._is_loading:
                return
            self._begin()
            thread = threading.Thread(target=self._load, name="agentprof-prices", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is going down: the first caller loads
                self._is_loading = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether loading has ended, with or without a table, after waiting for it or doing it."""
        if self._done.is_set():
            return True
        with self._lock:
            if not self._is_loading:
                self._begin()
                self._load()
        return self._done.wait(self._patience_s if timeout_s is None else timeout_s)

    def snapshot(self) -> DataSnapshot | None:
        """Return the table; None when it could not be loaded."""
        if not self.wait() or self._version is None:
            return None
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow import, done by now

        return get_snapshot()

    def label(self) -> str:
        """Return the table's name and version, or its date where the program itself keeps it up to date."""
        snapshot = self.snapshot()
        if snapshot is None:
            return ""
        edition = snapshot.timestamp.date().isoformat() if snapshot.from_auto_update else self._version
        return f"{NAME}@{edition}"

    def _begin(self) -> None:
        self._is_loading = True
        if not self._is_watching_forks and hasattr(os, "register_at_fork"):
            self._is_watching_forks = True
            os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork_in_child)

    def _load(self) -> None:
        try:
            from otel_agentprof.pricing.patient_import import patient_import  # noqa: PLC0415 - only needed here

            with patient_import("httpx2"):  # which genai-prices imports, and clients look for
                from genai_prices import __version__  # noqa: PLC0415 - slow import, on this thread only
                from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - likewise

            from otel_agentprof.pricing import resolve  # noqa: PLC0415 - likewise

            get_snapshot()
            resolve.warm_up()
            self._version = __version__
        except Exception as error:  # noqa: BLE001 - a missing or broken table must never reach the program
            _LOGGER.warning(
                "costs stay unknown, genai-prices cannot be loaded: %s: %s", type(error).__name__, error
            )
        finally:
            self._done.set()

    def _before_fork(self) -> None:
        # A child of a half-done import would wait for ever for the import lock of a thread it does not have.
        if self._is_loading:
            self._done.wait(self._patience_s)

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()
        if self._is_loading:
            self._done.set()


_LOADER = Loader()


def load_in_background() -> None:
    """Start loading the price table on a thread of its own; a second call does nothing."""
    _LOADER.start()


def wait(timeout_s: float | None = None) -> bool:
    """Return whether loading has ended within the time; loads the table itself when nobody has started to."""
    return _LOADER.wait(timeout_s)


def snapshot() -> DataSnapshot | None:
    """Return the price table; None when genai-prices is missing or broken."""
    return _LOADER.snapshot()


def price_table() -> str:
    """Return ``genai-prices@VERSION``, or its date where the program updates it; "" without a table."""
    return _LOADER.label()
