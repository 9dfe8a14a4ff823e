"""Values as they are found in the wild: numbers, texts, texts that hold a document, flags that are words."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_REPR: Final = 16_384  # characters; Python's parser needs stack for what it nests
_MOST_JSON: Final = 4_194_304
_NUMBERS: Final = (int, float)  # a union would be made anew for each value
_EXACT: Final = 2**53  # up to there each whole number has a double of its own
_LISTS: Final = (list, tuple)
_JSON_SPACE: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder()
# Numbers that run into a word are no repr, and Python's parser would warn about them.
_ODD_NUMBER: Final = re.compile(r"(?<![\w'\"])\d[\d.]*[A-DF-Za-df-z_]")


def first_text(attributes: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """Return the first text that is there and not empty, without the quotes of JSON."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and isinstance(value, str) and value:
            if value[0] != '"':  # as nearly always
                return value
            if text := plain(value):
                return text
    return None


def first_count(attributes: Mapping[str, Any], keys: Iterable[str]) -> int | None:
    """Return the first whole number that is there and not negative, a double too; true is no number."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, _NUMBERS) and not isinstance(value, bool) and value >= 0:
            if isinstance(value, int):
                return value
            if value.is_integer() and value <= _EXACT:
                return int(value)
    return None


def first_amount(attributes: Mapping[str, Any], keys: Iterable[str]) -> float | None:
    """Return the first number that is there, finite and not negative."""
    for key in keys:
        found = amount(attributes.get(key))
        if found is not None:
            return found
    return None


def amount(value: Any) -> float | None:
    """Return a number that is finite and not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond all floats
        return None
    return number if 0 <= number < float("inf") else None


def first_flag(attributes: Mapping[str, Any], keys: Iterable[str]) -> bool | None:
    """Return the first flag that is there, a boolean or a word for one."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
    return None


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts; a single one, or a JSON text of several, counts as a list."""
    if isinstance(value, str):
        inside = parsed(value) if value[:1] in {"[", '"'} else value
        value = [inside] if isinstance(inside, str) else inside
    return tuple([text for text in value if isinstance(text, str)]) if isinstance(value, _LISTS) else ()


def plain(text: str) -> str:
    """Return a text without the quotes that a JSON dump put around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def document(value: Any) -> Mapping[str, Any] | None:
    """Return the mapping that a value is, or holds as JSON or as a Python repr; None when there is none."""
    found = parsed(value) if isinstance(value, str) else value
    return found if isinstance(found, Mapping) else None


def parsed(text: str) -> Any:
    """Return what a text of JSON, or of a Python repr, holds; None when it is neither, or too long."""
    if len(text) > _MOST_JSON:
        return None
    inner = text.strip(_JSON_SPACE)
    try:
        found, end = _DECODER.raw_decode(inner)  # json.loads looks for the space, for as long again
    except (ValueError, RecursionError):
        return _evaluated(text)
    return found if end == len(inner) else _evaluated(text)


def _evaluated(text: str) -> Any:
    # A usage needs no backslash, and Python's parser warns about odd ones.
    if len(text) > _MOST_REPR or "\\" in text or _ODD_NUMBER.search(text):
        return None
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
