"""A copy of arguments as they are now, made in C: they may change as soon as the call is over.

Pickle copies builtin types without calling anything. For every other object it asks here, once: the clients'
message objects, dataclasses, enums and dates hand over their state. What cannot be told by its value, such
as a file or a connection, refuses the whole copy: no fingerprint is better than a wrong one.
"""

from __future__ import annotations

import pickle
from enum import Enum
from io import BytesIO
from typing import Any, Final, NamedTuple

from otel_agentprof.model.identity import identity_of

_PROTOCOL: Final = 5
_BY_TEXT: Final = frozenset(  # by name: most of these modules need not be imported at all
    {
        "builtins.complex",
        "builtins.range",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib.PureWindowsPath",
        "pathlib.WindowsPath",
        "pathlib._local.PosixPath",
        "pathlib._local.PurePosixPath",
        "pathlib._local.PureWindowsPath",
        "pathlib._local.WindowsPath",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    }
)
_BASES: Final[tuple[type[Any], ...]] = (str, int, float, bytes, dict, list, tuple, set, frozenset)


class State(NamedTuple):
    """What stands in a copy for an object that is not of a builtin type."""

    name: str
    state: Any


class _Copier(pickle.Pickler):
    """Copies what is sent: an object's fields."""

    keeps_private = False

    def reducer_override(self, value: Any) -> Any:
        """Return how to write an object; asked for everything but exact builtin types."""
        if value is State:
            return NotImplemented  # pickle's own way: by name
        kind = value.__class__
        name = f"{kind.__module__}.{kind.__qualname__}"
        return State, (name, _state(value, name, keeps_private=self.keeps_private))


class _PrivateCopier(_Copier):
    """Copies what a tool may look at: private fields too."""

    keeps_private = True


def copy_of(value: Any, *, keeps_private: bool = False) -> bytes:
    """Return a value as it is now, for :func:`restore`.

    Args:
        value: Plain data, and objects that can be told by their value.
        keeps_private: Whether what objects keep to themselves counts.

    Raises:
        Exception: For what cannot be copied; of any kind, for objects may fail in any way.
    """
    place = BytesIO()
    (_PrivateCopier if keeps_private else _Copier)(place, _PROTOCOL).dump(value)
    return place.getvalue()


def restore(data: bytes) -> Any:
    """Return what was copied; a State for each object."""
    return pickle.loads(data)  # noqa: S301 - our own copy, which never left this process


def _state(value: Any, name: str, *, keeps_private: bool) -> Any:
    if isinstance(value, type):
        return identity_of(value)
    if isinstance(value, Enum):
        return value.value
    kind = value.__class__  # asked instead of the object, whose own __getattr__ might do anything
    if hasattr(kind, "__pydantic_fields_set__"):
        state = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        private = value.__pydantic_private__ if keeps_private else None
        return {**state, "__private__": private} if private else state
    if hasattr(kind, "__dataclass_fields__"):
        return {field: getattr(value, field) for field in value.__dataclass_fields__}
    if name in _BY_TEXT:
        return str(value)
    for base in _BASES:
        if isinstance(value, base):
            more = getattr(value, "__dict__", None)
            return [base(value), more] if more else base(value)
    raise TypeError(f"a {name} cannot be told by its value")
