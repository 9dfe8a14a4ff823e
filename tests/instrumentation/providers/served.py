"""Answers of the server made from the files of ``tests/wire``."""

from __future__ import annotations

import json
from typing import Any

from loopback import WIRE, Answer


def longer(file: str, count: int, *, separator: bytes = b"\n\n", place: int = 1) -> Answer:
    """Return a stream in which the item at ``place`` comes so many times."""
    items = (WIRE / file).read_bytes().split(separator)
    items[place : place + 1] = [items[place]] * count
    answer = Answer(file)
    return Answer(separator.join(items), content_type=answer.kind)


def events(*chunks: Any, done: str = "[DONE]") -> Answer:
    """Return a stream of these chunks as server-sent events."""
    lines = [f"data: {json.dumps(chunk)}" for chunk in chunks] + ([f"data: {done}"] if done else [])
    return Answer("".join(f"{line}\n\n" for line in lines).encode(), content_type="text/event-stream")


def document(file: str, **changes: Any) -> Answer:
    """Return a JSON file with some of its fields changed."""
    return Answer(json.dumps({**json.loads((WIRE / file).read_bytes()), **changes}).encode())
