"""Records with their length in front, as the Collector's file exporter writes them.

    00 00 01 2c | 300 bytes | 00 00 00 d7 | 215 bytes | ...      lengths are big-endian

A record is OTLP protobuf (``format: proto``), or JSON; with ``compression: zstd`` each is packed by itself.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Final

from otel_agentprof.readers import otlp_proto
from otel_agentprof.readers.inflated import ZSTD, Inflated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_LENGTH_BYTES: Final = 4
_MAX_FIRST_BYTE: Final = 8  # of a length: that makes 150 MB, and white space begins at 9
_BEGINNINGS: Final = (b"\n", b"{", ZSTD.magic)
_CHUNK_BYTES: Final = 1 << 20  # at a time, for a length may be anything at all


def is_framed(head: bytes) -> bool:
    """Return whether data that begins so is made of such records."""
    return (
        len(head) > _LENGTH_BYTES
        and head[0] <= _MAX_FIRST_BYTE
        and head[_LENGTH_BYTES:].startswith(_BEGINNINGS)
    )


def documents_of(stream: io.BufferedReader, losses: Losses) -> Iterator[Json]:
    """Yield each record as the JSON document that it is or would be; ``losses`` counts records."""
    losses.unit, losses.line = "record", 0
    while length := stream.read(_LENGTH_BYTES):
        losses.line += 1
        size = int.from_bytes(length, "big")
        record = b"" if len(length) < _LENGTH_BYTES else _read(stream, size)
        if len(length) < _LENGTH_BYTES or len(record) < size:
            losses.add("cut_record", f"{len(record)} of {size} bytes are there")
        yield from _documents(record, losses)


def _documents(record: bytes, losses: Losses) -> Iterator[Json]:
    if record.startswith(ZSTD.magic):
        with io.BufferedReader(Inflated(io.BufferedReader(io.BytesIO(record)), losses, ZSTD)) as unpacked:
            record = unpacked.read()
    if not record:
        return
    if not record.startswith(b"{"):
        yield otlp_proto.document_of(record, losses)
        return
    try:
        yield json.loads(record)
    except (ValueError, RecursionError):
        losses.add("bad_record", "no JSON")


def _read(stream: io.BufferedReader, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = stream.read(min(size - len(parts), _CHUNK_BYTES))
        if not part:
            break
        parts += part
    return bytes(parts)
