"""Functions of both kinds as coroutines: one that is not async runs in a thread, in the caller's context."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import TracebackType


class Threads:
    """A pool that is made when the first function needs it.

    A function that runs cannot be stopped: whoever is cancelled leaves it to itself, and what it brings is
    dropped.

    Attributes:
        left_behind: How many functions run that nobody waits for any more; each still has its thread.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self.left_behind = 0

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def call(self, func: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what a function of either kind returns."""
        if is_async(func):
            return await func(**kwargs)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._limit, thread_name_prefix="agentprof")
        work = functools.partial(copy_context().run, _called, func, kwargs)
        future = self._pool.submit(work)
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._leave(future)
            raise
        # A lambda around a coroutine function, say.
        return await result if inspect.isawaitable(result) else result

    def _leave(self, future: Future[Any]) -> None:
        """Count a function that is left to itself, until it ends."""
        with self._lock:
            self.left_behind += 1
        future.add_done_callback(self._came_back)

    def _came_back(self, _: Future[Any]) -> None:
        with self._lock:
            self.left_behind -= 1


def is_async(func: Callable[..., Any]) -> bool:
    """Return whether calling a function gives a coroutine; an object counts as what its ``__call__`` is."""
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or (
        not inspect.isroutine(func) and inspect.iscoroutinefunction(type(func).__call__)
    )


def run_sync(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine for a caller that is not async; beside a running loop, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    return _run_beside(work)


def _run_beside(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    outcome: Future[Any] = Future()
    cancels: list[Callable[[], object]] = []
    is_given_up = threading.Event()

    async def main() -> Any:
        task: Any = asyncio.current_task()
        cancels.append(functools.partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel))
        if is_given_up.is_set():
            raise asyncio.CancelledError
        return await work()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            outcome.set_exception(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="agentprof", daemon=True)
    try:
        thread.start()
        return outcome.result()
    except BaseException:
        is_given_up.set()  # by Ctrl-C, which may come before the thread has begun
        for cancel in cancels:
            with contextlib.suppress(RuntimeError):  # the loop has been closed: all is over
                cancel()
        if thread.is_alive():
            thread.join()
        raise


def _called(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    try:
        return func(**kwargs)
    except StopIteration as error:  # no future can hold one, and its waiter would wait for ever
        raise RuntimeError("the function raised StopIteration") from error
