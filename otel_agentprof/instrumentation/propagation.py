"""Context for threads: a pool's workers know nothing of the caller's span unless they are told."""

from __future__ import annotations

import functools
import inspect
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_R = TypeVar("_R")


@overload
def propagate(target: Executor) -> Executor: ...
@overload
def propagate(target: Callable[_P, _R]) -> Callable[_P, _R]: ...
def propagate(target: Executor | Callable[_P, _R]) -> Executor | Callable[_P, _R]:
    """Return an executor, or a function, whose work sees the caller's context and so the right parent span.

    An executor takes a copy of the context at each ``submit`` or ``map``; a function takes it now. Tasks of
    asyncio and ``asyncio.to_thread`` carry the context by themselves and need nothing.

        with ThreadPoolExecutor() as pool:
            hits = list(propagate(pool).map(search, queries))
            await loop.run_in_executor(propagate(pool), search, query)
        threading.Thread(target=propagate(work)).start()

    Raises:
        TypeError: For a coroutine function, for something that cannot be called, and for an executor whose
            work runs in other processes.
    """
    if isinstance(target, Executor):
        return _ContextExecutor(target)
    if not callable(target) or inspect.iscoroutinefunction(target):
        raise TypeError(
            f"propagate() takes an executor or a plain function, not {target!r}; asyncio tasks need no help"
        )
    context = copy_context()

    @functools.wraps(target)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        # A context can be entered once at a time; two threads may run the same function.
        return context.copy().run(target, *args, **kwargs)

    return call


class _ContextExecutor(Executor):
    """An executor that hands every piece of work on together with a copy of the caller's context."""

    def __init__(self, executor: Executor) -> None:
        if _leaves_process(executor):
            raise TypeError("a context cannot follow work into another process; use a ThreadPoolExecutor")
        self._executor = executor

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Run the call in a copy of the context of this moment."""
        return self._executor.submit(functools.partial(copy_context().run, fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as in Executor
        """Shut the executor behind down."""
        self._executor.shutdown(wait=wait, cancel_futures=cancel_futures)


def _leaves_process(executor: Any) -> bool:
    if isinstance(executor, ThreadPoolExecutor):
        return False
    return any(kind.__module__ == "concurrent.futures.process" for kind in type(executor).__mro__)
