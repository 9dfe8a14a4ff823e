"""Answers of the server made from the files of ``tests/wire``."""

from __future__ import annotations

from loopback import WIRE, Answer


def longer(file: str, count: int, *, separator: bytes = b"\n\n", place: int = 1) -> Answer:
    """Return a stream in which the item at ``place`` comes so many times."""
    items = (WIRE / file).read_bytes().split(separator)
    items[place : place + 1] = [items[place]] * count
    answer = Answer(file)
    return Answer(separator.join(items), content_type=answer.kind)
