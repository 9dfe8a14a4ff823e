"""Streams seen from outside: the client's own stream behind a proxy that passes ``isinstance``.

The span is not current while the user reads. It ends at the last item, at an error, when the stream is
closed or left, and at the latest when nobody holds the stream any more.
"""

from __future__ import annotations

import copy
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry import context as context_api

from otel_agentprof.instrumentation import current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from otel_agentprof.instrumentation.call import Call
    from otel_agentprof.instrumentation.engine import Engine

_READ_EITHER_WAY: Final = frozenset({"CustomStreamWrapper", "TextCompletionStreamWrapper"})  # LiteLLM's


def proxy(engine: Engine, call: Call, stream: Any) -> Any | None:
    """Return a stream behind a proxy that reports to ``call``; None for something that is no stream."""
    kind = (
        stream.__class__
    )  # what a proxy of someone else's stands in for; it may have both kinds of ``next``
    if stream.__class__.__name__ in _READ_EITHER_WAY:
        return EitherWayProxy(stream, engine, call)
    if hasattr(kind, "__anext__"):
        proxy_class: type[_Proxy] = _async_proxy(kind)
    elif hasattr(kind, "__next__") or (call.spec.streams and hasattr(kind, "__iter__")):
        proxy_class = StreamProxy
    else:
        return None
    watch_close(engine, call, getattr(stream, "response", None))
    if type(kind) is not type and hasattr(stream, "_iterator"):
        # A metaclass may let no proxy pass ``isinstance`` (anthropic 0.x): stand in for what the stream reads
        stream._iterator = proxy_class(stream._iterator, engine, call)  # noqa: SLF001 - the one place it reads
        return stream
    return proxy_class(stream, engine, call)


def _async_proxy(kind: type) -> type[AsyncStreamProxy]:
    if hasattr(kind, "aclose"):
        return AsyncGeneratorProxy
    close = getattr(kind, "close", None)
    return AsyncStreamProxy if close is None or iscoroutinefunction(close) else AsyncEventsProxy


def lazy_proxy(engine: Engine, begin: Callable[[], Call | None], unsent: Any) -> Any:
    """Return a stream that sends its request with the first item, behind a proxy that begins its call then.

    A stream that is never read sends nothing, so there is no call and no span.
    """
    if hasattr(unsent.__class__, "__anext__"):
        return LazyAsyncStreamProxy(unsent, engine, begin)
    return LazyStreamProxy(unsent, engine, begin) if hasattr(unsent.__class__, "__next__") else unsent


def watch_close(engine: Engine, call: Call, response: Any) -> None:
    """End a call when its HTTP response is closed: helpers close that, not the stream they read.

    The client closes a response too when it has read it to the end; that happens while our proxy waits for
    the next item, which then tells how the stream ended.
    """
    for name in ("close", "aclose"):
        close = getattr(response, name, None)
        if close is not None:
            setattr(response, name, InPlaceOf(close, _closing(close, engine, call)))


def _closing(close: Callable[[], Any], engine: Engine, call: Call) -> Callable[[], Any]:
    def closing() -> Any:  # for a coroutine function too: what it returns is passed on
        if not call.is_reading:
            engine.end(call, is_complete=False)
        return close()

    return closing


class InPlaceOf:
    """A function in the place of one object's own method; copied and pickled as that method."""

    __slots__ = ("_method", "_ours")

    def __init__(self, method: Callable[..., Any], ours: Callable[..., Any]) -> None:
        self._method, self._ours = method, ours

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do ours, which does the method's own work too."""
        return self._ours(*args, **kwargs)

    def __reduce__(self) -> Any:
        return self._method.__reduce__()


class _Proxy(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic for the checker only
    _self_next: Callable[[], Any]
    _self_onward: Callable[[], Any]  # what is next after a first item that sends the request

    def __init__(self, stream: Any, engine: Engine, call: Call) -> None:
        super().__init__(stream)
        self._self_engine = engine
        self._self_call = call
        call.pause()

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> Any:
        return copy.copy(self.__wrapped__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)

    def __del__(self) -> None:
        self._self_engine.end(self._self_call, is_complete=False)

    def _first(self) -> Call:
        """Return the call, now that its first item is waited for."""
        call = self._self_call
        call.resume()
        if call.spec.sends_late:
            self._self_onward, self._self_next = self._self_next, self._send
        return call

    def _send(self) -> Any:
        """Get the first item where waiting for it sends the request: what works below is the same call."""
        raise NotImplementedError


class StreamProxy(_Proxy):
    """A sync stream."""

    def __init__(self, stream: Any, engine: Engine, call: Call) -> None:
        super().__init__(stream, engine, call)
        self._self_next = iter(stream).__next__

    def _send(self) -> Any:
        token = context_api.attach(self._self_call.context)
        if not self._self_call.sends_on:
            self._self_next = self._self_onward
        try:
            return self._self_onward()
        finally:
            current.leave(token)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        call = self._self_call
        if call.paused is not None:
            call = self._first()
        call.is_reading = True
        try:
            item = self._self_next()
        except StopIteration:
            self._self_engine.end(call)
            raise
        except BaseException as error:
            self._self_engine.fail(call, error, is_complete=False)
            raise
        finally:
            call.is_reading = False
        self._self_engine.chunk(call, item)
        return item

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*error)
        finally:
            self._self_engine.end(self._self_call, is_complete=False)

    def close(self) -> Any:
        """Close the stream and end its span."""
        try:
            return self.__wrapped__.close() if hasattr(self.__wrapped__, "close") else None
        finally:
            self._self_engine.end(self._self_call, is_complete=False)


class AsyncStreamProxy(_Proxy):
    """An async stream."""

    def __init__(self, stream: Any, engine: Engine, call: Call) -> None:
        super().__init__(stream, engine, call)
        self._self_next = aiter(stream).__anext__

    async def _send(self) -> Any:
        token = context_api.attach(self._self_call.context)
        if not self._self_call.sends_on:
            self._self_next = self._self_onward
        try:
            return await self._self_onward()
        finally:
            current.leave(token)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        call = self._self_call
        if call.paused is not None:
            call = self._first()
        call.is_reading = True
        try:
            item = await self._self_next()
        except StopAsyncIteration:
            self._self_engine.end(call)
            raise
        except BaseException as error:
            self._self_engine.fail(call, error, is_complete=False)
            raise
        finally:
            call.is_reading = False
        self._self_engine.chunk(call, item)
        return item

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*error)
        finally:
            self._self_engine.end(self._self_call, is_complete=False)

    async def close(self) -> Any:
        """Close the stream and end its span."""
        try:
            return await self.__wrapped__.close() if hasattr(self.__wrapped__, "close") else None
        finally:
            self._self_engine.end(self._self_call, is_complete=False)


class AsyncGeneratorProxy(AsyncStreamProxy):
    """An async generator, or a stream that is closed as one."""

    async def aclose(self) -> Any:
        """Close the stream and end its span."""
        try:
            return await self.__wrapped__.aclose()
        finally:
            self._self_engine.end(self._self_call, is_complete=False)


class EitherWayProxy(StreamProxy):
    """A stream whose one class is read with ``for`` or with ``async for``."""

    _self_is_async = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self._self_is_async:
            self._self_is_async = True
            self._self_next = aiter(self.__wrapped__).__anext__
        return await AsyncStreamProxy.__anext__(self)  # type: ignore[arg-type]  # it has what that uses

    def _send(self) -> Any:
        if not self._self_is_async:
            return super()._send()
        return AsyncStreamProxy._send(self)  # type: ignore[arg-type]  # noqa: SLF001 - as in __anext__

    async def aclose(self) -> Any:
        """Close the stream and end its span."""
        try:
            return await self.__wrapped__.aclose()
        finally:
            self._self_engine.end(self._self_call, is_complete=False)


class AsyncEventsProxy(AsyncStreamProxy):
    """An async stream that is closed without waiting (aiobotocore)."""

    def close(self) -> Any:
        """Close the stream and end its span."""
        try:
            return self.__wrapped__.close()
        finally:
            self._self_engine.end(self._self_call, is_complete=False)


class _Nobody:
    """Stands in for the call of a stream that nobody has begun to read, or that is none of ours."""

    __slots__ = ("is_reading", "paused")
    is_over = True

    def __init__(self, paused: float | None) -> None:
        self.paused = paused
        self.is_reading = False

    def take_chunk(self, _item: Any) -> None:
        """Do nothing."""


_UNSENT: Final = 0.0


class LazyStreamProxy(StreamProxy):
    """A generator that sends its request when its first item is asked for."""

    def __init__(self, stream: Any, engine: Engine, begin: Callable[[], Call | None]) -> None:
        wrapt.ObjectProxy.__init__(self, stream)
        self._self_engine = engine
        self._self_call: Any = _Nobody(_UNSENT)
        self._self_begin = begin
        self._self_next = self._self_onward = stream.__next__

    def _first(self) -> Any:
        call, self._self_next = _begun(self, self._send)
        return call


class LazyAsyncStreamProxy(AsyncGeneratorProxy):
    """An async generator that sends its request when its first item is asked for."""

    def __init__(self, stream: Any, engine: Engine, begin: Callable[[], Call | None]) -> None:
        wrapt.ObjectProxy.__init__(self, stream)
        self._self_engine = engine
        self._self_call: Any = _Nobody(_UNSENT)
        self._self_begin = begin
        self._self_next = self._self_onward = stream.__anext__

    def _first(self) -> Any:
        call, self._self_next = _begun(self, self._send)
        return call


def _begun(proxy: Any, send: Callable[[], Any]) -> tuple[Any, Callable[[], Any]]:
    """Begin the call of a lazy stream; return it, and how to get its first item."""
    call = proxy._self_begin()  # noqa: SLF001 - its own class asks
    proxy._self_begin = None  # noqa: SLF001 - likewise; not before: a budget may have refused the call
    proxy._self_call = _Nobody(None) if call is None else call  # noqa: SLF001 - likewise
    if call is not None and not call.is_over:
        proxy._self_engine.watch(call)  # noqa: SLF001 - likewise
        return call, send
    return proxy._self_call, send if call is not None else proxy._self_next  # noqa: SLF001 - likewise
