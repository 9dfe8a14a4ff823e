"""Calls side by side: as many as allowed, within the limits of their models, again where they failed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.optimize.hedging import hedged
from otel_agentprof.optimize.progress import reporting
from otel_agentprof.optimize.rate_limits import Limits, Line, RateLimit
from otel_agentprof.optimize.retries import Retry, with_retries
from otel_agentprof.optimize.threads import Threads, run_sync
from otel_agentprof.optimize.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from otel_agentprof.optimize.progress import Progress

    Call = tuple[Callable[..., Any], Mapping[str, Any]]

__all__ = ["ParallelExecutor", "RateLimit", "Retry"]
# Threads of one run that only lost functions hold. Two tries of each call in the window need one each, and
# every call in it may be about to leave one more: with three times the window beside these nobody queues.
_MOST_LEFT_BEHIND: Final = 256


class ParallelExecutor:
    """Runs calls side by side and returns their results in order.

        executor = ParallelExecutor()
        pages = await executor.execute_parallel([(fetch, {"url": url}) for url in urls])
        notes = executor.run([(summarise, {"page": page}) for page in pages])  # from code that is not async

    Coroutine functions run as tasks, others in threads, each in a copy of the caller's context, so that
    spans have the right parent. An exception stands in the place of the result that it prevented. Whoever
    cancels the caller cancels every task, and the caller ends when all of them have; a function in a thread
    cannot be stopped: it is left to itself.

    Args:
        max_concurrency: How many calls of one run are in flight at a time.
        retry: Try again what failed for a reason that may pass; by default nothing is tried twice.
        rate_limits: What a model allows, one limit for each of them or by name; a call's model is its
            argument ``model``. Waits become spans, ``agentprof.rate_limit.wait``.
        hedge_after_s: Start a call that takes longer a second time, and take the first answer. Only for
            calls that may be made twice. A function in a thread that has lost runs on, and another thread
            takes its place; while 256 of them in one run do so, no call is started a second time.
        progress: Called with the number of calls done and of all; True shows a bar on a terminal.

    Raises:
        ValueError: For a ``max_concurrency`` below 1.
    """

    def __init__(
        self,
        *,
        max_concurrency: int = 32,
        retry: Retry | None = None,
        rate_limits: RateLimit | Mapping[str, RateLimit] | None = None,
        hedge_after_s: float | None = None,
        progress: Progress = None,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency has to be at least 1, not {max_concurrency}")
        self.max_concurrency = max_concurrency
        self.retry = retry
        self.hedge_after_s = hedge_after_s
        self.progress: Progress = progress
        self._limits = None if rate_limits is None else Limits(rate_limits)

    async def execute_parallel(self, calls: Iterable[Call], *, raises: bool = False) -> list[Any]:
        """Return the results of all calls, in order.

        Args:
            calls: Functions with their keyword arguments.
            raises: Raise the first exception and cancel the other calls, rather than returning exceptions in
                the places of results. What is no ``Exception``, such as Ctrl-C, is always raised.
        """
        return await self._run(list(calls), self.max_concurrency, raises=raises)

    async def execute_with_batching(
        self,
        items: Iterable[Any],
        processor: Callable[..., Any],
        batch_size: int = 5,
        *,
        raises: bool = False,
    ) -> list[Any]:
        """Return the results of ``processor(item=item)`` for all items, in order.

        Args:
            items: What to work on.
            processor: A function of either kind.
            batch_size: How many are in flight at most. No batch waits for its slowest: a window slides.
            raises: As of :meth:`execute_parallel`.

        Raises:
            ValueError: For a ``batch_size`` below 1.
        """
        calls: list[Call] = [(processor, {"item": item}) for item in items]
        return await self._run(calls, batch_size, raises=raises)

    def run(self, calls: Iterable[Call], *, raises: bool = False) -> list[Any]:
        """Do as :meth:`execute_parallel` does, for code that is not async.

        Where an event loop is running it has to wait meanwhile: the calls get a loop of their own in another
        thread, so they must not need anything that belongs to the waiting one.
        """
        return run_sync(lambda: self.execute_parallel(calls, raises=raises))  # type: ignore[no-any-return]  # a list

    async def _run(self, calls: list[Call], limit: int, *, raises: bool) -> list[Any]:
        with (
            Threads(limit if self.hedge_after_s is None else 3 * limit + _MOST_LEFT_BEHIND) as threads,
            reporting(self.progress, len(calls)) as on_done,
        ):
            works = self._works(calls, threads)
            return await Window(limit, raises=raises, on_done=on_done).run(works)

    def _works(self, calls: list[Call], threads: Threads) -> Iterable[Callable[[], Coroutine[Any, Any, Any]]]:
        """Yield each call with what is done around it: retry(hedge(rate limit(call)))."""
        line = None if self._limits is None else Line(self._limits)
        for func, kwargs in calls:
            work: Any = partial(threads.call, func, kwargs)
            if line is not None:
                work = partial(line.call, kwargs, work)
            if self.hedge_after_s is not None:
                work = partial(hedged, self.hedge_after_s, work, partial(_has_room, threads))
            if self.retry is not None:
                work = partial(with_retries, self.retry, work)
            yield work


def _has_room(threads: Threads) -> bool:
    return threads.left_behind < _MOST_LEFT_BEHIND
