"""Functions of four kinds, each wrapped so that one span covers one run and nothing else changes.

    function         |=========|           span current all the time
    coroutine        |=========|           likewise, in its own task
    generator        |==|..|==|..|==|      current in the body (=), never while the consumer has the item (.)
    async generator  |==|..|==|..|==|      likewise

``inspect`` finds the same kind before and after, and ``functools.wraps`` keeps name, signature and docs.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping

    from otel_agentprof.instrumentation.open_span import OpenSpan


class Work(Protocol):
    """What is done around a run of the wrapped function."""

    def begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> OpenSpan:
        """Return the span for a run with these arguments, started and not yet current."""
        ...

    def finish(self, span: OpenSpan, result: Any) -> None:
        """End the span of a run that returned."""
        ...


def wrap(func: Callable[..., Any], work: Work) -> Callable[..., Any]:
    """Return a function of the same kind as ``func`` that does the work around each run."""
    body = body_of(func)
    if inspect.isasyncgenfunction(body):
        call: Callable[..., Any] = _async_generator(func, work)
    elif inspect.iscoroutinefunction(body):
        call = _coroutine(func, work)
    elif inspect.isgeneratorfunction(body):
        call = _generator(func, work)
    else:
        call = _function(func, work)
    return functools.update_wrapper(call, func)


def body_of(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a call runs, whose kind counts: of an object its ``__call__``."""
    return func if inspect.isroutine(func) or isinstance(func, functools.partial) else type(func).__call__


def _function(func: Callable[..., Any], work: Work) -> Callable[..., Any]:
    def call(*args: object, **kwargs: object) -> Any:
        span = work.begin(args, kwargs)
        span.enter()
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            span.leave()
            span.end(error)
            raise
        span.leave()
        if isinstance(result, CoroutineType):  # another decorator hides that this is a coroutine function
            return _finish_later(result, span, work)
        work.finish(span, result)
        return result

    return call


async def _finish_later(running: Coroutine[Any, Any, Any], span: OpenSpan, work: Work) -> Any:
    span.enter()
    try:
        result = await running
    except BaseException as error:
        span.leave()
        span.end(error)
        raise
    span.leave()
    work.finish(span, result)
    return result


def _coroutine(func: Callable[..., Any], work: Work) -> Callable[..., Any]:
    async def call(*args: object, **kwargs: object) -> Any:
        span = work.begin(args, kwargs)
        span.enter()
        try:
            result = await func(*args, **kwargs)
        except BaseException as error:
            span.leave()
            span.end(error)
            raise
        span.leave()
        work.finish(span, result)
        return result

    return call


def _generator(func: Callable[..., Any], work: Work) -> Callable[..., Any]:
    def call(*args: object, **kwargs: object) -> Generator[Any, Any, Any]:
        span = work.begin(args, kwargs)
        sent: Any = None
        thrown: BaseException | None = None
        try:
            items = func(*args, **kwargs)
            while True:
                span.enter()
                try:
                    item = items.send(sent) if thrown is None else items.throw(thrown)
                except StopIteration as stop:
                    span.end(_only_exit(thrown))
                    return stop.value
                finally:
                    span.leave()
                    thrown = None  # it knows this frame: keeping it would be a reference cycle
                try:
                    sent = yield item
                except BaseException as error:  # noqa: BLE001 - the body decides, as without us
                    thrown = error
        except BaseException as error:
            span.end(error)
            raise

    return call


def _async_generator(func: Callable[..., Any], work: Work) -> Callable[..., Any]:
    async def call(*args: object, **kwargs: object) -> AsyncGenerator[Any, Any]:
        span = work.begin(args, kwargs)
        last_chance = LastChance(span)
        thrown: BaseException | None = None
        try:
            items = func(*args, **kwargs)
            move = _first_move(items)
            while True:
                span.enter()
                try:
                    item = await move
                except StopAsyncIteration:
                    span.end(_only_exit(thrown))
                    return
                finally:
                    span.leave()
                    thrown = move = None  # they know this frame: keeping them would be a reference cycle
                try:
                    sent = yield item
                except BaseException as error:  # noqa: BLE001 - the body decides, as without us
                    thrown, move = error, items.athrow(error)
                else:
                    move = items.asend(sent)
        except BaseException as error:
            span.end(error)
            raise
        finally:
            del last_chance

    return call


def _first_move(items: AsyncGenerator[Any, Any]) -> Any:
    """Start the body unknown to the event loop: at its end a loop closes all that it knows, both at once."""
    known_to = sys.get_asyncgen_hooks().firstiter
    sys.set_asyncgen_hooks(firstiter=None)
    try:
        return items.asend(None)
    finally:
        sys.set_asyncgen_hooks(firstiter=known_to)


class LastChance:
    """Ends the span of a generator that nobody can close any more, or that nobody ever read."""

    __slots__ = ("_span",)

    def __init__(self, span: OpenSpan) -> None:
        self._span = span

    def __del__(self) -> None:
        self._span.end(GeneratorExit())


def _only_exit(thrown: BaseException | None) -> BaseException | None:
    """Return a ``GeneratorExit`` that the body took as a reason to return; other errors it has handled."""
    return thrown if isinstance(thrown, GeneratorExit) else None
