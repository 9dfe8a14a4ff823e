"""Prompts and answers in the conventions' shape. Nothing here runs unless content is asked for.

A message is ``{"role": ..., "parts": [{"type": "text", "content": ...}, ...]}``. Common messages take the
short way; anything else is kept as a part of an unknown type, which readers must tolerate.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation.spec import Record
from otel_agentprof.model.content_limits import left_out, within_limits

if TYPE_CHECKING:
    from collections.abc import Callable


_BYTES: Final = (bytes, bytearray)
_TEXTS: Final = frozenset({"text", "reasoning"})


def dump(value: object) -> str:
    """Return JSON for any value, within limits; what JSON has no word for is written as its text."""
    return within_limits(json.dumps(value, ensure_ascii=False, default=plain))


def parsed(body: Any) -> Any:
    """Return what a JSON text says, None for what is none; anything but a text as it is."""
    if body.__class__ is not str:
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


def add_texts(facts: dict[str, Any], attribute: str, value: Any) -> None:
    """Set an attribute that is a list of strings from one string or a list of them."""
    if value.__class__ is str:
        facts[attribute] = (value,)
    elif value.__class__ in (list, tuple):
        facts[attribute] = tuple([text for text in value if text.__class__ is str])


def record(details: Any) -> Any:
    """Return details with attributes: what a version of a client has no model for comes as a dict."""
    return Record(details) if details.__class__ is dict else details


def text(role: str, body: Any) -> dict[str, Any]:
    """Return a message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": body}]}


def items_of(value: Any) -> list[Any]:
    """Return the items of a list or tuple, none of anything else."""
    # A generator is left alone: reading it would take it away from the client.
    return list(value) if isinstance(value, list | tuple) else []


def spoken(parts: list[Any]) -> list[Any]:
    """Return the parts of an answer without texts that say nothing."""
    return [
        part
        for part in parts
        if part.__class__ is not dict or part.get("type") not in _TEXTS or part.get("content")
    ]


def document(data: Any, shape: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Return what a JSON text says, each object in a shape of its own if asked; None where it is no JSON."""
    if data.__class__ in _BYTES:
        data = str(data, "utf-8", "replace")
    if data.__class__ is not str:
        return None  # a file, say: reading it would take it away from the client
    try:
        return json.loads(data) if shape is None else _decoder(shape).decode(data)
    except ValueError:
        return None


@functools.cache
def _decoder(shape: Callable[[dict[str, Any]], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(object_hook=shape)


def plain(value: Any) -> Any:
    """Return a client's own object as plain data."""
    if value.__class__ in _BYTES:
        return left_out("data", len(value))
    dump_model = getattr(value, "model_dump", None)
    if dump_model is not None:
        return dump_model(mode="json", exclude_none=True)
    return value if isinstance(value, dict | list | str | int | float | None) else str(value)
