"""In which thread and asyncio task a span starts: a short name that no other thread or task gets.

Thread and task ids are given out again once their owners are gone, so each gets a number of ours: threads in
a ``threading.local``, tasks in a table that a weak reference cleans up.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from asyncio import _get_running_loop, current_task
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span

_PROCESS_BYTES: Final = 4


class Lanes:
    """The names of this process's threads and tasks; free of locks, because spans start in finalisers too."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, as a forked child must: its threads and tasks are others than its parent's."""
        self._pid = os.getpid()
        # Traces come together from several processes, whose threads have the same numbers.
        self._process = os.urandom(_PROCESS_BYTES).hex()
        self._numbers = count(1)
        self._threads = threading.local()
        self._tasks: dict[int, tuple[weakref.ref[Any], str]] = {}

    def renew_after_fork(self) -> None:
        """Begin anew, once however many ask for it."""
        if os.getpid() != self._pid:
            self.renew()

    def current(self, span: Span) -> str | None:
        """Return the lane of a span that is starting right now; None when that cannot be known.

        The SDK's concurrent processor calls us in a thread of a pool, which says nothing about the span. In
        a callback of an event loop no task runs, and trio's tasks are not asyncio's: such callbacks and tasks
        take turns in one thread, so the thread alone would be the wrong lane.
        """
        try:
            is_pooled = span._span_processor.__class__ is ConcurrentMultiSpanProcessor  # noqa: SLF001 - no public way
        except AttributeError:  # another SDK than the ones that we know
            return None
        if is_pooled or ("trio" in sys.modules and _is_in_trio()):
            return None
        loop = _get_running_loop()
        if loop is not None:
            return self._of_task(current_task(loop))
        try:
            lane: str = self._threads.lane
        except AttributeError:
            lane = self._threads.lane = f"{self._process}/{next(self._numbers)}"
        return lane

    def _of_task(self, task: Any) -> str | None:
        if task is None:
            return None
        key = id(task)
        if key in self._tasks:
            reference, lane = self._tasks[key]
            if reference() is task:
                return lane
        return self._named(task, key)

    def _named(self, task: Any, key: int) -> str:
        tasks = self._tasks

        def forget(_: object) -> None:
            tasks.pop(key, None)  # runs before the id can be given out again

        lane = f"{self._process}/{threading.get_ident()}/{next(self._numbers)}"
        tasks[key] = weakref.ref(task, forget), lane
        return lane


def _is_in_trio() -> bool:
    lowlevel: Any = getattr(sys.modules["trio"], "lowlevel", None)
    is_in_run = getattr(lowlevel, "in_trio_run", None)
    return is_in_run is None or bool(is_in_run())


LANES: Final = Lanes()
