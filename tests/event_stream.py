"""Amazon's binary event streams, as a server writes them: the public format, for the loopback server.

total length | length of headers | CRC of these | headers | payload | CRC of all
"""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

from loopback import WIRE, Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

_TEXT = 7  # type of a header's value
_KIND = "application/vnd.amazon.eventstream"


def message(payload: bytes, **headers: str) -> bytes:
    """Return one message; ``event_type`` stands for the header ``:event-type``."""
    named = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(named) + len(payload), len(named))
    data = prelude + struct.pack(">I", crc32(prelude)) + named + payload
    return data + struct.pack(">I", crc32(data))


def _header(name: str, value: str) -> bytes:
    key, text = f":{name.replace('_', '-')}".encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", _TEXT, len(text)) + text


def event(kind: str, document: Any) -> bytes:
    """Return one event; a document ``{"bytes_json": ...}`` is wrapped as models' own chunks are."""
    if "bytes_json" in document:
        document = {"bytes": base64.b64encode(json.dumps(document["bytes_json"]).encode()).decode()}
    return message(
        json.dumps(document).encode(),
        message_type="event",
        event_type=kind,
        content_type="application/json",
    )


def failure(kind: str) -> bytes:
    """Return the message of a failure half-way."""
    payload = json.dumps({"message": "too much at once"}).encode()
    return message(payload, message_type="exception", exception_type=kind, content_type="application/json")


def events_of(file: str) -> list[tuple[str, Any]]:
    """Return the events of a file of ``tests/wire``."""
    return [(kind, document) for kind, document in json.loads((WIRE / file).read_bytes())]


def stream(events: Iterable[tuple[str, Any]], *, ends_with: bytes = b"") -> Answer:
    """Return a streamed answer."""
    return Answer(b"".join(event(*each) for each in events) + ends_with, content_type=_KIND)


def longer(file: str, count: int, *, place: int) -> Answer:
    """Return the stream of a file in which the event at ``place`` comes so many times."""
    events = events_of(file)
    events[place : place + 1] = [events[place]] * count
    return stream(events)
