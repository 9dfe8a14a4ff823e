"""Packed data as a stream of bytes that gives out everything up to where the data breaks off.

``gzip.GzipFile`` raises instead and takes its last buffer with it, which of a small file is all there is.
"""

from __future__ import annotations

import io
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.errors import UnreadableTraceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from otel_agentprof.readers.losses import Losses

_GZIP_HEADER: Final = 31  # zlib's word for "gzip, any window"
_MAX_BYTES: Final = 1 << 18  # unpacked at a time, however well it was packed


@dataclass(frozen=True, slots=True)
class Packing:
    """One way of packing data.

    Attributes:
        magic: What the data begins with.
        loss: Under which code it is counted that the data is broken.
        chunk_bytes: How much packed data is unpacked at a time; also what a flipped bit may cost.
        unpacker: Makes an object with ``decompress``, ``eof`` and ``unused_data``, as zlib's are.
    """

    magic: bytes
    loss: str
    chunk_bytes: int
    unpacker: Callable[[], Any]


class Inflated(io.RawIOBase):
    """The unpacked bytes of one or several members; broken data ends it and is counted as a loss."""

    def __init__(self, packed: io.BufferedReader, losses: Losses, packing: Packing) -> None:
        self._packed = packed
        self._losses = losses
        self._packing = packing
        self._inflate = packing.unpacker()
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
        packed = left or self._packed.read(self._packing.chunk_bytes)
        if not packed:
            self._end("" if is_between_members else "it ends too early")
            return b""
        if is_between_members:
            self._inflate = self._packing.unpacker()
        try:
            unpacked: bytes = self._inflate.decompress(packed, _MAX_BYTES)
        except zlib.error as error:
            self._end(str(error))
            return b""
        return unpacked

    def _end(self, why: str) -> None:
        self._is_over = True
        if why:
            self._losses.add(self._packing.loss, why)


class _Zstd:
    """zstd, of Python 3.14 or of the package ``zstandard``, with the manners of zlib."""

    unconsumed_tail = b""

    def __init__(self) -> None:
        self._unpack: Any
        self._error: type[Exception]
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - few files are packed so

            self._unpack, self._error = zstd.ZstdDecompressor(), zstd.ZstdError
            return
        try:
            import zstandard  # noqa: PLC0415 - an extra
        except ImportError:
            raise UnreadableTraceError(
                "the data is packed with zstd; pip install 'otel-agentprof[zstd]', or unpack it first"
            ) from None
        self._unpack, self._error = zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError

    @property
    def eof(self) -> bool:
        """Whether a frame has ended."""
        return bool(self._unpack.eof)

    @property
    def unused_data(self) -> bytes:
        """What came after the frame."""
        data: bytes = self._unpack.unused_data
        return data

    def decompress(self, packed: bytes, _max_bytes: int) -> bytes:
        """Return what some packed bytes hold, however much that is."""
        try:
            unpacked: bytes = self._unpack.decompress(packed)
        except self._error as error:
            raise zlib.error(str(error)) from error
        return unpacked


GZIP: Final = Packing(b"\x1f\x8b", "cut_gzip", 1 << 14, lambda: zlib.decompressobj(_GZIP_HEADER))
# zstd unpacks all that it is given at once, up to 128 KiB for four bytes: it is given little.
ZSTD: Final = Packing(b"\x28\xb5\x2f\xfd", "cut_zstd", 1 << 10, _Zstd)
PACKINGS: Final = (GZIP, ZSTD)
