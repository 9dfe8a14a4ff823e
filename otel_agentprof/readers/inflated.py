"""Gzip data as a stream of bytes that gives out everything up to where the data breaks off.

``gzip.GzipFile`` raises instead and takes its last buffer with it, which of a small file is all there is.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from otel_agentprof.readers.losses import Losses

_GZIP_HEADER: Final = 31  # zlib's word for "gzip, any window"
_CHUNK_BYTES: Final = 1 << 14  # packed; also what a flipped bit may cost
_MAX_BYTES: Final = 1 << 18  # unpacked at a time, however well it was packed


class Inflated(io.RawIOBase):
    """The decompressed bytes of one or several gzip members; broken data ends it and is counted as a loss."""

    def __init__(self, packed: io.BufferedReader, losses: Losses) -> None:
        self._packed = packed
        self._losses = losses
        self._inflate = zlib.decompressobj(_GZIP_HEADER)
        self._ready = memoryview(b"")
        self._is_over = False

    def readable(self) -> bool:
        """Return True: that is what it is for."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer as far as there are bytes at hand; 0 at the end."""
        target = memoryview(buffer)
        while not self._ready and not self._is_over:
            self._ready = memoryview(self._next())
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _next(self) -> bytes:
        is_between_members = self._inflate.eof
        # Some writers pad the last member with zeros up to a block's size.
        left = self._inflate.unused_data.lstrip(b"\0") or self._inflate.unconsumed_tail
        packed = left or self._packed.read(_CHUNK_BYTES)
        if not packed:
            self._end("" if is_between_members else "it ends too early")
            return b""
        if is_between_members:
            self._inflate = zlib.decompressobj(_GZIP_HEADER)
        try:
            return self._inflate.decompress(packed, _MAX_BYTES)
        except zlib.error as error:
            self._end(str(error))
            return b""

    def _end(self, why: str) -> None:
        self._is_over = True
        if why:
            self._losses.add("cut_gzip", why)
