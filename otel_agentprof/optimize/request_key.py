"""The key of a request: a hash of everything in it, by value, the same in every process.

    {"model": m, "messages": [...], "seed": 1}  ->  canonical JSON: sorted, no spaces  ->  SHA-256

What JSON has no word for is written by its value where it has one: objects of the clients, dataclasses,
enums, dates, bytes, sets. Anything else, such as an open file, gives no key: no answer is better than
somebody else's.
"""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.identity import identity_of
from otel_agentprof.model.json_writer import json_writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ABSENT: Final = frozenset({"NotGiven", "Omit", "Unset", "ellipsis"})  # what the clients have for "not given"
_BY_TEXT: Final = frozenset(
    {
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "decimal.Decimal",
        "fractions.Fraction",
        "pathlib.PosixPath",
        "pathlib._local.PosixPath",
        "uuid.UUID",
    }
)
LOCAL: Final = "local-"
_TAG: Final = "\0"
_CLASS_MARK: Final = (
    r'"\u0000":"class"'  # as JSON; no text of the user's reads like that, for quotes are escaped
)


def request_key(salt: Sequence[Any], arguments: Mapping[str, Any], *, is_local: bool = False) -> str | None:
    """Return the key of a request; None where something in it cannot be told by its value.

    A key of this process only, for something in the request is only known here, begins with :data:`LOCAL`.

    Args:
        salt: What tells requests apart that have the same arguments.
        arguments: By name; what stands for "not given" is left out.
        is_local: Whether the salt is only known in this process.
    """
    given = {name: value for name, value in arguments.items() if value.__class__.__name__ not in _ABSENT}
    try:
        text = "".join(_WRITE([salt, given], 0))
    except (TypeError, ValueError, RecursionError):
        return None
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{LOCAL}{digest}" if is_local or _CLASS_MARK in text else digest


def _stand_in(value: Any) -> Any:
    """Return what is written for an object that is not JSON's.

    Raises:
        TypeError: For what cannot be told by its value.
    """
    kind = value.__class__  # asked instead of the object, whose own __getattr__ might do anything
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, type):
        return {_TAG: "class", "": identity_of(value)}
    if isinstance(value, Enum):
        return {_TAG: name, "": value.value}
    if hasattr(kind, "__pydantic_fields_set__"):
        private = value.__pydantic_private__ or {}
        state = {**private, **value.__dict__, **(value.__pydantic_extra__ or {})}
    elif hasattr(kind, "__dataclass_fields__"):
        state = {field: getattr(value, field) for field in value.__dataclass_fields__}
    elif isinstance(value, bytes | bytearray):
        return {_TAG: "bytes", "": value.hex()}
    elif isinstance(value, set | frozenset):
        return {_TAG: "set", "": sorted("".join(_WRITE(item, 0)) for item in value)}
    elif name in _BY_TEXT:
        return {_TAG: name, "": str(value)}
    else:
        raise TypeError(f"a {name} cannot be told by its value")
    # What is left open is not sent.
    return {_TAG: name, "": {key: item for key, item in state.items() if item is not None}}


_WRITE: Final = json_writer(default=_stand_in)
