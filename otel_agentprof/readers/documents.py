"""Lines of text cut into JSON documents: one per line, one over many lines, or several of those.

    {...}⏎{...}⏎             JSON lines, as the Collector's file exporter writes them
    {⏎  ...⏎}⏎               one value, pretty-printed (an object, or a list of them)
    {⏎  ...⏎}⏎{⏎  ...⏎}⏎     several of them

A first line that is JSON by itself makes it JSON lines: then each line stands alone, memory stays small and
a broken line costs only itself.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.readers.losses import Losses

Json = Any  # a value as json.loads() gives it: of any type, and nothing in it checked

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Broken text, or an integer of more digits than Python takes; objects in objects without end.
_UNDECODABLE: Final = (ValueError, RecursionError)
_MAX_BAD_LINES: Final = 100_000  # in a row: then it is some other kind of file, however large


def documents(lines: Iterable[str], losses: Losses) -> Iterator[Json]:
    """Yield the JSON values in some lines; what is no JSON is left out and counted.

    ``losses.line`` stands at the line where the value begins that was given out last.
    """
    lines = iter(lines)
    for line in lines:
        if line.isspace():
            continue
        try:
            value = _value(line)
        except _UNDECODABLE:
            # Pretty-printed, or JSON lines of which the first is broken: only the whole text tells.
            first = losses.line
            yield from _of_text(line + "".join(lines), first, losses)
        else:
            yield value
            yield from _of_lines(lines, losses)
        return


def _of_lines(lines: Iterable[str], losses: Losses) -> Iterator[Json]:
    bad_in_a_row = 0
    for line in lines:
        if line.isspace() or not line:
            continue
        try:
            value = _value(line)
        except _UNDECODABLE as error:
            losses.add("bad_line", _reason(error))
            bad_in_a_row += 1
            if bad_in_a_row >= _MAX_BAD_LINES:
                return
            continue
        bad_in_a_row = 0
        yield value


def _of_text(text: str, first_line: int, losses: Losses) -> Iterator[Json]:
    position, losses.line = 0, first_line
    while (start := _end_of_space(text, position)) < len(text):
        losses.line += text.count("\n", position, start)
        try:
            value, position = _DECODER.raw_decode(text, start)
            value = _mended(value, text)
        except _UNDECODABLE as error:
            yield from _of_broken_text(text[start:], error, losses)
            return
        yield value
        losses.line += text.count("\n", start, position)


def _of_broken_text(text: str, error: Exception, losses: Losses) -> Iterator[Json]:
    """Yield what single lines still hold, when that text is JSON lines at all."""
    lines = text.split("\n")
    # Pretty-printed text also has lines that are JSON by themselves, but never at the left margin.
    if any(line.startswith("{") and _is_json(line) for line in lines):
        yield from _of_lines(_numbered(lines, losses), losses)
        return
    if isinstance(error, json.JSONDecodeError):
        losses.line += text.count("\n", 0, max(0, len(text) - len(error.doc) + error.pos))
    losses.add("cut_json" if text.startswith(("{", "[")) else "not_json", _reason(error))


def _numbered(lines: list[str], losses: Losses) -> Iterator[str]:
    for number, line in enumerate(lines, losses.line):
        losses.line = number
        yield line


def _value(line: str) -> Json:
    return _mended(json.loads(line), line)


def _mended(value: Json, text: str) -> Json:
    r"""Return the value with U+FFFD for each half of a pair that "\ud83d" and the like left alone.

    Such a string cannot be written as UTF-8: not to a terminal, not to a file.
    """
    if "\\ud" not in text and "\\uD" not in text:
        return value
    plain = json.dumps(value, ensure_ascii=False)
    if not _LONE_SURROGATE.search(plain):
        return value
    return json.loads(_LONE_SURROGATE.sub("\ufffd", plain))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except _UNDECODABLE:
        return False
    return True


def _end_of_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')} at column {error.colno}"
    return str(error).partition(";")[0]
