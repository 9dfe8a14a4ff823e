"""OTLP's AnyValue and lists of attributes, from JSON to plain Python values.

    {"key": "k", "value": {"intValue": "7"}}                          ->  "k": 7
    {"arrayValue": {"values": [{"stringValue": "a"}, {}]}}            ->  ("a", None)
    {"kvlistValue": {"values": [{"key": "a", "value": {...}}]}}       ->  {"a": ...}

Arrays become tuples, as the SDK holds them. 64-bit integers may be strings or numbers; NaN and the infinities
are strings in protojson.
"""

from __future__ import annotations

import base64
from sys import intern
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_MAX_DEPTH: Final = 48  # protobuf refuses 100 nested messages, and each level of an AnyValue is two
_INT64: Final = range(-(2**63), 2**63)
# What wrong types and values raise: a missing key, a string for an object, an infinity for an integer.
BAD_VALUE: Final = (TypeError, ValueError, KeyError, AttributeError, OverflowError)


def attributes_of(pairs: Json, losses: Losses) -> dict[str, Any]:
    """Return an OTLP list of keys and values as a dict; what cannot be read is left out and counted."""
    found: dict[str, Any] = {}
    if not pairs:
        return found
    if not isinstance(pairs, list):
        losses.add("bad_value")
        return found
    for pair in pairs:
        try:
            value = pair["value"]
            text = value.get("stringValue")
            # Every span repeats the same few keys: interned, a large file keeps one copy of each.
            found[intern(pair["key"])] = text if type(text) is str else value_of(value)
        except BAD_VALUE:
            losses.add("bad_value")
    return found


def value_of(raw: Json, depth: int = 0) -> Any:
    """Return one AnyValue as a Python value; an empty one is None. Raises one of BAD_VALUE."""
    if raw is None:
        return None
    for kind, content in raw.items():
        if content is not None:
            return content if kind == "stringValue" and type(content) is str else _READ[kind](content, depth)
    return None


def integer(content: Json) -> int:
    """Return a whole number that may be written as a number or as a string. Raises one of BAD_VALUE."""
    number = int(content)
    if isinstance(content, float) and number != content:
        raise ValueError(content)
    return number


def binary(content: str) -> bytes:
    """Return base64 text as bytes, padded or not, of either alphabet. Raises one of BAD_VALUE."""
    text = content.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _int64(content: Json, _depth: int) -> int:
    number = integer(content)
    if number not in _INT64:
        raise ValueError(content)
    return number


def _boolean(content: Json, _depth: int) -> bool:
    return {True: True, False: False, "true": True, "false": False}[content]


def _array(content: Json, depth: int) -> tuple[Any, ...]:
    depth += 1
    return tuple([value_of(value, depth) for value in _members(content, depth)])


def _map(content: Json, depth: int) -> dict[str, Any]:
    depth += 1
    return {str(pair["key"]): value_of(pair.get("value"), depth) for pair in _members(content, depth)}


def _members(content: Json, depth: int) -> list[Json]:
    if depth > _MAX_DEPTH:
        raise ValueError(depth)
    members = content.get("values") or []
    if not isinstance(members, list):
        raise TypeError(members)
    return members


def _text(content: Json, _depth: int) -> str:
    raise TypeError(content)


_READ: Final[Mapping[str, Callable[[Json, int], Any]]] = {
    "stringValue": _text,
    "intValue": _int64,
    "doubleValue": lambda content, _depth: float(content),
    "boolValue": _boolean,
    "bytesValue": lambda content, _depth: binary(content),
    "arrayValue": _array,
    "kvlistValue": _map,
}
