"""A place where traces are kept, opened and given out as lines of text.

    path | "-" (stdin) | binary file object   ->   plain, gzip or zstd   ->   UTF-8 or UTF-16   ->   lines

Whatever is wrong with the place becomes one UnreadableTraceError. Data that breaks off half-way is a loss
that is counted; what came before it is kept.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TextIO, cast

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers.inflated import PACKINGS, Inflated
from otel_agentprof.readers.url import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.readers.losses import Losses

Source = str | os.PathLike[str] | BinaryIO
EXPECTED: Final = (
    "give a file of OTLP JSON, JSON lines, OTLP protobuf or Jaeger JSON, plain or packed, "
    "a block of Tempo, or an address such as jaeger+http://localhost:16686/TRACEID"
)
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what Windows PowerShell writes after ">"
_BUFFER_BYTES: Final = 1 << 18


def name_of(source: Source) -> str:
    """Return what to call a source in a message: one line, no control characters."""
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if not isinstance(name, str | os.PathLike):
        return "the stream"
    return "stdin" if name == "-" else repr(shown(os.fsdecode(name)))


@contextmanager
def opened(source: Source) -> Iterator[io.BufferedReader]:
    """Open a source for reading bytes; a stream that the caller gave stays open.

    Raises:
        UnreadableTraceError: There is no such file, it is a directory, it may not be read.
    """
    if isinstance(source, str | os.PathLike) and source != "-":
        with _opened_file(source) as file:
            yield file
        return
    stream = getattr(sys.stdin, "buffer", None) if source == "-" else source
    if not hasattr(stream, "read"):
        what = "this process has no standard input" if source == "-" else "nothing can be read from it"
        raise UnreadableTraceError(f"{name_of(source)}: {what}; {EXPECTED}")
    yield _peekable(cast("BinaryIO", stream))


def unpacked(stream: io.BufferedReader, losses: Losses) -> io.BufferedReader:
    """Return a stream, or what it holds where that is packed."""
    head = stream.peek(4)
    for packing in PACKINGS:
        if head.startswith(packing.magic):
            return io.BufferedReader(Inflated(stream, losses, packing), _BUFFER_BYTES)
    return stream


def text_lines(stream: io.BufferedReader, losses: Losses) -> Iterator[str]:
    """Yield the lines of a stream as text; bytes that are no UTF-8 become U+FFFD.

    ``losses.line`` stands at the line given out last.
    """
    losses.line = 0
    with cuts_counted(losses):
        for line in _decoded(stream):
            losses.line += 1
            yield line


@contextmanager
def cuts_counted(losses: Losses) -> Iterator[None]:
    """Count it where a stream cannot be read any further, and go on after the block."""
    try:
        yield
    except (OSError, ValueError) as error:  # a disk error; a stream that was closed
        losses.add("cut_input", reason_of(error))


def reason_of(error: Exception) -> str:
    """Return the system's own words for an error where it has some."""
    return getattr(error, "strerror", None) or str(error)


def _opened_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    name = name_of(path)
    try:
        return io.BufferedReader(Path(os.fsdecode(path)).open("rb", buffering=0), _BUFFER_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        what = getattr(error, "strerror", None) or str(error)
        raise UnreadableTraceError(f"{name}: {what[:1].lower()}{what[1:]}; {EXPECTED}") from error


def _peekable(stream: BinaryIO | TextIO) -> io.BufferedReader:
    if hasattr(stream, "peek"):
        return cast("io.BufferedReader", stream)
    # Read at once: a BufferedReader around the caller's stream would close it when it is collected.
    try:
        data: bytes | str = stream.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise UnreadableTraceError(f"{name_of(cast('BinaryIO', stream))}: {error}; {EXPECTED}") from error
    return io.BufferedReader(io.BytesIO(data if isinstance(data, bytes) else data.encode("utf-8", "replace")))


def _decoded(stream: io.BufferedReader) -> Iterator[str]:
    head = stream.peek(3)
    if head.startswith(_UTF16):
        text = io.TextIOWrapper(stream, "utf-16", "replace", newline="\n")
        try:
            yield from text
        finally:
            text.detach()  # or its end would close the caller's stream
        return
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    for line in stream:
        yield line.decode("utf-8", "replace")
