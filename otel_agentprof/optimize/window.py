"""Many coroutines, a few at a time: the next one starts as soon as any has ended.

    limit 2    a |----|
               b |--|
               c     |-----|        c starts when b ends, not when a and b have ended
               d       |--|

Results keep the order of the work. Whoever gives up gives up all of it, and waits until it is over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable

    Work = Callable[[], Coroutine[Any, Any, Any]]


class Window:
    """One run of some work.

    Attributes:
        limit: How much runs at a time.
        raises: Whether the first exception ends everything; else it is a result like any other.
        on_done: Called with the count so far each time that some work has ended; what it raises ends
            everything.
    """

    def __init__(self, limit: int, *, raises: bool, on_done: Callable[[int], object] | None = None) -> None:
        if limit < 1:
            raise ValueError(f"at least one call has to run at a time, not {limit}")
        self.limit = limit
        self.raises = raises
        self.on_done = on_done
        self._results: list[Any] = []
        self._running: dict[asyncio.Task[Any], int] = {}
        self._done = 0
        self._told = 0
        self._fatal: BaseException | None = None
        self._change: asyncio.Future[None] | None = None

    async def run(self, works: Iterable[Work]) -> list[Any]:
        """Return the results, in order, and the exceptions in their place."""
        loop, running = asyncio.get_running_loop(), self._running
        try:
            for work in works:
                while len(running) >= self.limit:
                    await self._wait(loop)
                task = loop.create_task(work())  # in a copy of the caller's context
                running[task] = len(self._results)
                self._results.append(None)
                task.add_done_callback(self._take)
            while running:
                await self._wait(loop)
        except BaseException:
            await give_up(running)
            raise
        return self._results

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until some work has ended."""
        self._change = loop.create_future()
        await self._change
        if self.on_done is not None:
            while self._told < self._done:
                self._told += 1
                self.on_done(self._told)
        if self._fatal is not None:
            raise self._fatal

    def _take(self, task: asyncio.Task[Any]) -> None:
        """Take the outcome of a task that has ended."""
        place = self._running.pop(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._results[place] = task.result() if error is None else error
        is_fatal = self.raises or not isinstance(error, Exception | asyncio.CancelledError)
        if error is not None and is_fatal and self._fatal is None:
            self._fatal = error
        self._done += 1
        if self._change is not None and not self._change.done():
            self._change.set_result(None)


async def give_up(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel some tasks and wait until they have ended, however often this one is cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    given_up = list(tasks)
    for task in given_up:
        task.cancel()
    while any(not task.done() for task in given_up):
        try:
            await asyncio.wait(given_up)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in given_up:
        if not task.cancelled():
            task.exception()  # known: nobody has to be told that nobody asked
    if cancelled is not None:
        raise cancelled
