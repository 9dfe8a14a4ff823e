r"""Answers as bytes and back: JSON and the names of the clients' own types, never code.

    digest of the rest, 16 digits \n
    {"of": ["openai.types.chat.chat_completion:ChatCompletion"], "at": ..., "ns": ...} \n
    0 {"id": ...} \n                 type and JSON of the answer, or of each item of a stream

What a file or a server gives back is not trusted: nothing is unpickled, and only models below a client's
``types`` are built, by the client's own function for that. An answer that has no such form, like an object of
your own, is held as a copy, in this process only.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof.model.caching import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

# Clients whose answers are pydantic models of their own, each with the same function to build them.
_CLIENTS: Final = frozenset({"anthropic", "groq", "openai", "together"})
_PLAIN: Final = ""  # the type of what is JSON by itself
_REQUEST_ID: Final = "_request_id"  # the clients' documented name
_NOTHING: Final[Mapping[str, str | None]] = {}
_DIGEST_SIZE: Final = 8
_TRUSTED_SLACK_S: Final = 60.0  # clocks of two machines differ; an entry from later than that is none
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class CorruptEntryError(ValueError):
    """Bytes that are no entry, or one that cannot be built any more."""


class Piece(NamedTuple):
    """A value as JSON.

    Attributes:
        of: Where its type is, as ``module:Class``; empty for plain JSON.
        text: The JSON.
        beside: What the client tells beside a whole answer: the id of its request.
    """

    of: str
    text: bytes
    beside: Mapping[str, str | None]


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
    if _is_plain(value):
        return Piece(_PLAIN, json.dumps(value, separators=(",", ":")).encode(), _NOTHING)
    kind = value.__class__
    module, name = kind.__module__, kind.__qualname__
    # What a client parsed into types of yours ("ParsedMessage[Answer]") would come back without them.
    if module.partition(".")[0] not in _CLIENTS or name.startswith("Parsed") or not name.isidentifier():
        return None
    path = f"{module}:{name}"
    try:
        _class_at(path)
        text = value.model_dump_json(by_alias=True, exclude_unset=True, warnings=False)
    except Exception:  # noqa: BLE001 - a model may be of any version and hold anything; it is not kept then
        return None
    told = value.__dict__
    beside = {_REQUEST_ID: told[_REQUEST_ID]} if _REQUEST_ID in told else _NOTHING
    return Piece(path, text.encode(), beside)


def _is_plain(value: Any) -> bool:
    kind = value.__class__
    if kind in _SCALARS:
        return True
    if kind is list:
        return all(map(_is_plain, value))
    return kind is dict and all(key.__class__ is str and _is_plain(item) for key, item in value.items())


def encode(
    pieces: list[Piece], *, is_stream: bool, duration_ns: int | None, stored_at: float, ttl_s: float | None
) -> bytes:
    """Return an entry as bytes.

    Args:
        pieces: The answer, or the items of a stream.
        is_stream: Whether it is a stream.
        duration_ns: How long the call took.
        stored_at: Seconds since the epoch.
        ttl_s: How long it holds; None for ever.
    """
    names: dict[str, int] = {}
    lines = [b""]
    for piece in pieces:
        if piece.of not in names:
            names[piece.of] = len(names)
        lines.append(b"%d %b" % (names[piece.of], piece.text))
    header: dict[str, Any] = {"of": list(names), "at": stored_at, "ns": duration_ns}
    if is_stream:
        header["stream"] = True
    elif pieces[0].beside:
        header["beside"] = pieces[0].beside[_REQUEST_ID]
    if ttl_s is not None:
        header["ttl"] = ttl_s
    lines[0] = json.dumps(header).encode()
    body = b"\n".join(lines)
    return b"%b\n%b" % (_digest(body), body)


def decode(data: bytes, now: float) -> Answer | None:
    """Return what an entry says, built anew; None for one whose time is over.

    Args:
        data: The entry.
        now: Seconds since the epoch.

    Raises:
        CorruptEntryError: For anything that :func:`encode` did not make, or that this client cannot build.
    """
    digest, _, body = data.partition(b"\n")
    if digest != _digest(body):
        raise CorruptEntryError("the entry is not what was written")
    try:
        head, *lines = body.split(b"\n")
        header = json.loads(head)
        if "ttl" in header and not -_TRUSTED_SLACK_S <= now - header["at"] < header["ttl"]:
            return None
        values = [_value(line, header["of"]) for line in lines]
        if "beside" in header:
            setattr(values[0], _REQUEST_ID, header["beside"])
        return Answer(tuple(values) if "stream" in header else values[0], header["ns"])
    except Exception as error:
        raise CorruptEntryError(f"the entry cannot be built: {type(error).__name__}") from error


def opened(held: Held) -> Answer | None:
    """Return what is held, as a new copy."""
    try:
        return Answer(copy.deepcopy(held.value), held.duration_ns)
    except Exception:  # noqa: BLE001 - as in hold
        return None


def hold(value: Any, duration_ns: int | None) -> Held | None:
    """Return a copy of an answer to hold; None for one that cannot be copied."""
    try:
        return Held(copy.deepcopy(value), len(repr(value)), duration_ns)
    except Exception:  # noqa: BLE001 - objects may refuse in any way
        return None


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST_SIZE).hexdigest().encode()


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
