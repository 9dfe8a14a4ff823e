"""Streams of any client, read one item at a time: nothing is asked for before the last item has been used.

async client   |item|..|item|..        awaited
sync client    |item|..|item|..        in one thread of its own, so that the event loop goes on
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import threading
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_agentprof.errors import AgentProfError
from otel_agentprof.optimize.parts import items, part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

END: Final = object()


class Reader(Protocol):
    """A stream that is being read."""

    async def next(self) -> Any:
        """Return the next item, or ``END``."""
        ...

    async def close(self) -> None:
        """Close the stream; what the client says to that is not told."""
        ...


async def open_stream(client: Any, messages: Any, request: Mapping[str, Any]) -> Reader:
    """Send a request and return its stream.

    Raises:
        AgentProfError: For a client that cannot be asked.
    """
    call = _call_of(client, messages, request)
    if hasattr(client, "__enter__") and not hasattr(client, "__aenter__"):
        return await _open_in_thread(call)
    stream = call()
    if inspect.isawaitable(stream):
        stream = await stream
    return _AsyncReader(stream) if hasattr(stream, "__aiter__") else _SyncReader(_Worker(), stream)


async def _open_in_thread(call: Callable[[], Any]) -> Reader:
    worker = _Worker()
    opened: list[Any] = []
    try:
        await worker.call(lambda: opened.append(call()))
    except BaseException:
        # Whoever waited has gone; the request may still be answered.
        worker.leave(lambda: [_close_of(stream, "close")() for stream in opened])
        raise
    return _SyncReader(worker, opened[0])


def _call_of(client: Any, messages: Any, request: Mapping[str, Any]) -> Callable[[], Any]:
    """Return what sends the request: by OpenAI's or Anthropic's method, else by ``stream(messages)``."""
    completions = part(part(client, "chat"), "completions")
    if hasattr(completions, "create"):
        return partial(completions.create, messages=messages, stream=True, **request)
    if hasattr(part(client, "messages"), "create"):
        return partial(client.messages.create, messages=messages, stream=True, **request)
    if callable(stream := getattr(client, "stream", None)):
        return partial(stream, messages, **request)
    raise AgentProfError(
        f"cannot stream from a {type(client).__name__}: give a client of openai or anthropic, or an object "
        "whose stream(messages) can be iterated over"
    )


def text_of(item: Any) -> str:
    """Return the text in an item of a stream; empty where it has none."""
    if isinstance(item, str):
        return item
    kind = part(item, "type")
    if part(item, "choices") is not None:
        choices = items(item, "choices")
        found = part(part(choices[0], "delta"), "content") if choices else None
    elif kind == "content_block_delta":
        found = part(part(item, "delta"), "text")
    elif kind == "response.output_text.delta":
        found = part(item, "delta")
    else:
        found = part(item, "content")
        found = part(part(item, "message"), "content") if found is None else found
    return found if isinstance(found, str) else ""


def output_tokens_of(item: Any) -> int | None:
    """Return the output tokens so far, where an item tells them."""
    usage = part(item, "usage") or part(part(item, "response"), "usage")
    for name in ("completion_tokens", "output_tokens"):
        if isinstance(found := part(usage, name), int):
            return found
    return None


class _AsyncReader:
    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._items = aiter(stream)

    async def next(self) -> Any:
        return await anext(self._items, END)

    async def close(self) -> None:
        with contextlib.suppress(Exception):  # the answer, or the error, is there already
            closing = _close_of(self._stream, "aclose")()
            if inspect.isawaitable(closing):
                await closing


class _SyncReader:
    def __init__(self, worker: _Worker, stream: Any) -> None:
        self._worker = worker
        self._stream = stream
        self._items: Any = None

    async def next(self) -> Any:
        return await self._worker.call(self._next)

    async def close(self) -> None:
        close = _close_of(self._stream, "close")
        if not self._worker.is_busy:
            with contextlib.suppress(Exception):  # as for the async reader
                await self._worker.call(close)
            close = _nothing
        # One that waits for the server cannot be woken: it closes its stream when it is free, nobody waits.
        self._worker.leave(close)

    def _next(self) -> Any:
        if self._items is None:
            self._items = iter(self._stream)
        return next(self._items, END)


def _close_of(stream: Any, name: str) -> Callable[[], Any]:
    return getattr(stream, name, None) or getattr(stream, "close", None) or _nothing


def _nothing() -> None:
    """Do nothing: a stream that cannot be closed."""


class _Worker:
    """A thread that does one thing after another for a coroutine; a daemon, for it may be stuck for long.

    Attributes:
        is_busy: Whether it is at work.
    """

    def __init__(self) -> None:
        self.is_busy = False
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="agentprof-stream", daemon=True).start()

    async def call(self, work: Callable[[], Any]) -> Any:
        """Return what some work returns, done in a copy of the caller's context."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.is_busy = True
        self._jobs.put(partial(self._do, partial(copy_context().run, work), loop, future))
        return await future

    def leave(self, last: Callable[[], Any]) -> None:
        """End the thread when it is free, after some last work whose outcome nobody needs."""
        self._jobs.put(partial(_quietly, last))
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _do(
        self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]
    ) -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for the result
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(self._tell, future, result, failure)

    def _tell(self, future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
        self.is_busy = False
        if future.done():  # cancelled
            return
        if failure is None:
            future.set_result(result)
        elif isinstance(failure, StopIteration):  # no future can hold one
            future.set_exception(RuntimeError("the stream raised StopIteration"))
        else:
            future.set_exception(failure)


def _quietly(work: Callable[[], Any]) -> None:
    with contextlib.suppress(Exception):
        work()
