"""Raw responses: what passes by while the user reads an HTTP body is read along, never ahead.

Every way to read a body (``read``, ``iter_lines``, ``iter_text``, the client's own stream) goes through the
response's ``iter_bytes`` or ``aiter_bytes``; these are replaced on that one response object. The client's
raw-response object stays what it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation.spec import Record
from otel_agentprof.instrumentation.stream import InPlaceOf, watch_close

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from otel_agentprof.instrumentation.call import Call
    from otel_agentprof.instrumentation.engine import Engine

_MAX_BYTES: Final = 16 * 1024 * 1024  # a larger answer or event is not kept: its tokens stay unknown
# The clients' raw-response objects, however they were asked for.
RAW_CLASSES: Final = frozenset({"APIResponse", "AsyncAPIResponse", "LegacyAPIResponse"})


def is_in_memory(call: Call, raw: Any) -> bool:
    """Return whether the body of a raw response has been read by the client."""
    return not call.streams and raw.http_response.is_stream_consumed


def watch(engine: Engine, call: Call, response: Any) -> None:
    """Read along with whoever reads ``response``."""
    is_events = response.headers.get("content-type", "").startswith("text/event-stream")
    tap = _Tap(engine, call, _Events(engine, call) if is_events else _Whole(call))
    if hasattr(response, "iter_bytes"):
        response.iter_bytes = InPlaceOf(response.iter_bytes, _iter_bytes(response.iter_bytes, tap))
        response.read = InPlaceOf(response.read, _read(response.read, tap))
    if hasattr(response, "aiter_bytes"):
        response.aiter_bytes = InPlaceOf(response.aiter_bytes, _aiter_bytes(response.aiter_bytes, tap))
        response.aread = InPlaceOf(response.aread, _aread(response.aread, tap))
    watch_close(engine, call, response)
    call.pause()


class _Tap:
    """Where the bytes of one body go; ends the call when the last reader is gone."""

    __slots__ = ("call", "engine", "parser")

    def __init__(self, engine: Engine, call: Call, parser: _Events | _Whole) -> None:
        self.engine, self.call, self.parser = engine, call, parser

    def feed(self, data: bytes) -> None:
        self.engine.guard("body", self.parser.feed, data)

    def finish(self) -> None:
        self.engine.guard("body", self.parser.finish)
        self.engine.end(self.call)

    def whole(self, data: bytes) -> None:
        """Take a body that was in memory, and so did not pass by."""
        if not self.call.is_over:
            self.feed(data)
            self.finish()

    def __del__(self) -> None:
        self.engine.end(self.call, is_complete=False)


class _Events:
    """Server-sent events, put together from pieces of any size.

    Lines may end in any of three ways, an event may have several ``data`` lines, a piece may end anywhere.
    """

    __slots__ = ("_call", "_data", "_engine", "_held", "_pieces", "_size")

    def __init__(self, engine: Engine, call: Call) -> None:
        self._engine, self._call = engine, call
        self._pieces: list[bytes] = []  # of a line whose end has not come yet
        self._size = 0
        self._data: list[bytes] = []  # of an event that has not ended yet
        self._held = 0

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if b"\n" not in piece and b"\r" not in piece:
            if self._size > _MAX_BYTES:
                self._pieces, self._size = [], 0
            return
        lines = b"".join(self._pieces).splitlines(keepends=True)
        # The other half of a CR LF may be on its way.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        self._pieces, self._size = [rest], len(rest)
        for line in lines:
            self._take(line.rstrip(b"\r\n"))

    def finish(self) -> None:
        self._take(b"".join(self._pieces).rstrip(b"\r\n"))
        self._take(b"")

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._held += len(line)
            if self._held <= _MAX_BYTES:
                self._data.append(line[5:])
        elif not line and self._data:
            data = b"\n".join(self._data).strip()
            self._data, self._held = [], 0
            self._dispatch(data)

    def _dispatch(self, data: bytes) -> None:
        if data.startswith(b"[DONE]"):
            self._call.reply.is_final = True  # the client stops reading here, before the body's end
            return
        event = _document(data)
        if event.__class__ is not Record:
            return
        if "error" in event and event["error"].__class__ is Record:
            error = event["error"]
            self._call.reply.error = str(error.get("code") or error.get("type") or "error")
        self._engine.chunk(self._call, event)  # guarded there: one odd event must not cost the next ones


class _Whole:
    """One JSON document, parsed when all of it has passed."""

    __slots__ = ("_call", "_pieces", "_size")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= _MAX_BYTES:
            self._pieces.append(data)

    def finish(self) -> None:
        if self._size <= _MAX_BYTES:
            self._call.take_answer(_document(b"".join(self._pieces)))


def _document(data: bytes) -> Any:
    try:
        return json.loads(data, object_hook=Record)
    except ValueError:
        return None  # no JSON: an error page, say; the user sees it


def _iter_bytes(read: Callable[..., Iterator[bytes]], tap: _Tap) -> Callable[..., Iterator[bytes]]:
    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        with _Reading(tap):
            for data in read(chunk_size):
                tap.feed(data)
                tap.call.is_reading = False
                yield data
                tap.call.is_reading = True

    return iter_bytes


def _aiter_bytes(read: Callable[..., AsyncIterator[bytes]], tap: _Tap) -> Callable[..., AsyncIterator[bytes]]:
    async def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        with _Reading(tap):
            async for data in read(chunk_size):
                tap.feed(data)
                tap.call.is_reading = False
                yield data
                tap.call.is_reading = True

    return aiter_bytes


def _read(read: Callable[[], bytes], tap: _Tap) -> Callable[[], bytes]:
    def whole() -> bytes:
        data = read()
        tap.whole(data)
        return data

    return whole


def _aread(read: Callable[[], Awaitable[bytes]], tap: _Tap) -> Callable[[], Awaitable[bytes]]:
    async def whole() -> bytes:
        data = await read()
        tap.whole(data)
        return data

    return whole


class _Reading:
    """The time in which a body is read: to its end, to an error, or until the reader leaves."""

    __slots__ = ("_tap",)

    def __init__(self, tap: _Tap) -> None:
        self._tap = tap

    def __enter__(self) -> None:
        call = self._tap.call
        call.resume()
        call.is_reading = True

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        tap = self._tap
        tap.call.is_reading = False
        if error is None:
            tap.finish()
        else:
            tap.engine.fail(tap.call, error, is_complete=False)
