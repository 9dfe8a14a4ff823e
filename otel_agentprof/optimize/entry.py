r"""Answers as bytes and back: JSON and the names of the clients' own types, never code.

    {"ns": 810000000, "of": ["openai.types.chat.chat_completion:ChatCompletion"]} \n
    0 {"id": ...}                    type and JSON of the answer; for a stream a line for each item

What a file or a server gives back is not trusted: nothing is unpickled, and only models below a client's
``types`` are built, by the client's own function for that. An answer that has no such form, like an object of
your own, is held as a copy, in this process only.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from otel_agentprof.model.caching import Answer

# Clients whose answers are pydantic models of their own, each with the same function to build them.
_CLIENTS: Final = frozenset({"anthropic", "groq", "openai", "together"})
_PLAIN: Final = ""  # the type of what is JSON by itself
_REQUEST_ID: Final = "_request_id"  # the clients' documented name
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class CorruptEntryError(ValueError):
    """Bytes that are no entry, or an entry that cannot be built any more."""


class Piece:
    """A value as JSON.

    Attributes:
        of: Where its type is, as ``module:Class``; empty for plain JSON.
        text: The JSON.
        beside: JSON of what the client tells beside a whole answer, the id of its request; None for nothing.
    """

    __slots__ = ("beside", "of", "text")

    def __init__(self, of: str, text: bytes, beside: str | None = None) -> None:
        self.of, self.text, self.beside = of, text, beside


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that has no form as bytes: a copy of it.

    Attributes:
        value: Copied again for everybody who asks.
        size: About how many bytes it takes.
        duration_ns: How long the call took.
    """

    value: Any
    size: int
    duration_ns: int | None


def piece_of(value: Any) -> Piece | None:
    """Return a value as JSON; None for one that would not come back as it was."""
    kind = value.__class__
    try:
        if kind in _PLAIN_CLASSES:
            text = json.dumps(value, separators=(",", ":"))
            return Piece(_PLAIN, text.encode()) if _is_plain(value) else None
        path = _paths[kind] if kind in _paths else _path_of(kind)
        if path is None:
            return None
        written = kind.__pydantic_serializer__.to_json(
            value, by_alias=True, exclude_unset=True, warnings=False
        )
    except Exception:  # noqa: BLE001 - values may be anything, in any version; this one is not kept then
        return None
    told = value.__dict__
    if _REQUEST_ID not in told:
        return Piece(path, written)
    request_id = told[_REQUEST_ID]
    return Piece(path, written, "null" if request_id is None else json.dumps(request_id))


def _is_plain(value: Any) -> bool:
    kind = value.__class__
    if kind in _SCALARS:
        return True
    if kind is list:
        return all(map(_is_plain, value))
    return kind is dict and all(key.__class__ is str and _is_plain(item) for key, item in value.items())


_PLAIN_CLASSES: Final = _SCALARS | {list, dict}
_paths: Final[dict[type, str | None]] = {}  # there are as many as clients have models


def _path_of(kind: type) -> str | None:
    """Return where a client's own model is; None for any other class."""
    module, name = kind.__module__, kind.__qualname__
    path = None
    # What a client parsed into types of yours ("ParsedMessage[Answer]") would come back without them.
    if module.partition(".")[0] in _CLIENTS and name.isidentifier() and not name.startswith("Parsed"):
        path = f"{module}:{name}"
        path = path if _class_at(path) is kind else None
        _paths[kind] = path
    return path


def hold(value: Any, duration_ns: int | None) -> Held | None:
    """Return a copy of an answer to hold; None for one that cannot be copied."""
    try:
        return Held(copy.deepcopy(value), len(repr(value)), duration_ns)
    except Exception:  # noqa: BLE001 - objects may refuse in any way
        return None


def encode(pieces: list[Piece], *, is_stream: bool, duration_ns: int | None) -> bytes:
    """Return an entry as bytes.

    Args:
        pieces: The answer, or the items of a stream.
        is_stream: Whether it is a stream.
        duration_ns: How long the call took.
    """
    names: dict[str, int] = {}
    lines = [b""]
    for piece in pieces:
        if piece.of not in names:
            names[piece.of] = len(names)
        lines.append(b"%d %b" % (names[piece.of], piece.text))
    took = "null" if duration_ns is None else duration_ns
    more = ',"stream":true' if is_stream else ""
    if not is_stream and pieces[0].beside is not None:
        more = f',"beside":{pieces[0].beside}'
    # Written by hand: a JSON encoder makes six calls. Names of modules and classes need no quoting.
    lines[0] = f'{{"ns":{took}{more},"of":["{_BETWEEN.join(names)}"]}}'.encode()
    return b"\n".join(lines)


_BETWEEN: Final = '","'


def decode(kept: bytes | Held) -> Answer:
    """Return what an entry says, built anew, or a new copy of what is held.

    Raises:
        CorruptEntryError: For bytes that :func:`encode` did not make, and what cannot be built or copied.
    """
    try:
        if isinstance(kept, Held):
            return Answer(copy.deepcopy(kept.value), kept.duration_ns)
        head, *lines = kept.split(b"\n")
        header = json.loads(head)
        values = [_value(line, header["of"]) for line in lines]
        if "beside" in header:
            setattr(values[0], _REQUEST_ID, header["beside"])
        return Answer(tuple(values) if "stream" in header else values[0], header["ns"])
    except Exception as error:
        raise CorruptEntryError(f"the entry cannot be built: {type(error).__name__}") from error


def _value(line: bytes, names: list[str]) -> Any:
    index, _, text = line.partition(b" ")
    path, value = names[int(index)], json.loads(text)
    if path == _PLAIN:
        return value
    client = import_module(f"{path.partition('.')[0]}._models")
    return client.construct_type(value=value, type_=_class_at(path))


@lru_cache(maxsize=1024)
def _class_at(path: str) -> type:
    """Return a client's own model; whoever wrote the path shall get nothing else.

    Raises:
        CorruptEntryError: For any other path.
    """
    module, _, name = path.partition(":")
    client = module.partition(".")[0]
    if client in _CLIENTS and module.startswith(f"{client}.types."):
        found = vars(import_module(module)).get(name)
        if isinstance(found, type) and issubclass(found, import_module(client).BaseModel):
            return found
    raise CorruptEntryError(f"{path} is no model of a client")
