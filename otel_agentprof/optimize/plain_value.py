r"""Values that JSON has no word for as values that it has: no two that differ become the same.

Point(x=1)    {"\0": "shop.Point", "": {"x": 1}}
{1: "a"}      {"\0": "map", "": [[1, "a"]]}
b"a"          {"\0": "bytes", "": "61"}
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from otel_agentprof.model.identity import identity_of
from otel_agentprof.model.json_writer import json_writer

TAG: Final = "\0"
CLASS_MARK: Final = (
    r'"\u0000":"class"'  # as JSON; no text of the user's reads like that, for quotes are escaped
)
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_BASES: Final[tuple[type[Any], ...]] = (str, int, float, bytes, dict, list, tuple, set, frozenset, bytearray)
_BY_TEXT: Final = frozenset(
    {
        "datetime.date",
        "datetime.timedelta",
        "decimal.Decimal",
        "fractions.Fraction",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib._local.PosixPath",
        "pathlib._local.PurePosixPath",
        "uuid.UUID",
    }
)
_TIMES: Final = frozenset({"datetime.datetime", "datetime.time"})
_ZONES: Final = frozenset({"builtins.NoneType", "datetime.timezone", "zoneinfo.ZoneInfo"})
_IMMUTABLE: Final = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: a class that is made in C, which may hide anything
_WRITE: Final = json_writer()


class PlainValue:
    """How values are written; ``of`` raises TypeError or AttributeError for what has no value to tell."""

    def __init__(self, *, is_sent: bool) -> None:
        """Write values.

        Args:
            is_sent: Whether they are sent as JSON: a tuple is a list there, and what an object leaves open
                is left out.
        """
        self._is_sent = is_sent

    def of(self, value: Any) -> Any:
        """Return what is written for a value."""
        kind = value.__class__  # asked instead of the object, whose own __getattr__ might do anything
        if kind in _SCALARS:
            return value
        if kind is dict:
            return self._mapping(value)
        if kind is list or (kind is tuple and self._is_sent):
            return [self.of(item) for item in value]
        return self._built_in(kind, value) if isinstance(value, _BASES) else self._object(kind, value)

    def _mapping(self, value: dict[Any, Any]) -> Any:
        if all(name.__class__ is str for name in value) and TAG not in value:
            return {name: self.of(item) for name, item in value.items()}
        pairs = [[self.of(name), self.of(item)] for name, item in value.items()]
        return {TAG: "map", "": sorted(pairs, key=lambda pair: "".join(_WRITE(pair, 0)))}

    def _built_in(self, kind: type, value: Any) -> Any:
        """Return what is written for bytes, sets, and subclasses without a state of their own."""
        if isinstance(value, Enum):
            return self._tagged(kind, value.value)
        base = next(each for each in _BASES if isinstance(value, each))
        if kind is not base:
            if kind.__module__ == "collections" and kind.__name__ == "OrderedDict":
                return self._tagged(kind, list(value.items()))
            _refuse_state(kind, value, base)
        if base in (bytes, bytearray):
            plain: Any = bytes(value).hex()
        elif base in (set, frozenset):
            plain = sorted("".join(_WRITE(self.of(item), 0)) for item in value)
        elif base is tuple:
            plain = list(value)
        else:
            plain = base(value)
        return self._tagged(kind, plain)

    def _object(self, kind: type, value: Any) -> Any:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if isinstance(value, type):
            return {TAG: "class", "": identity_of(value)}
        if isinstance(value, Enum):
            return self._tagged(kind, value.value)
        if name in _BY_TEXT:
            return {TAG: name, "": str(value)}
        if name in _TIMES and _name_of(value.tzinfo) in _ZONES:
            return {TAG: name, "": repr(value)}  # its text does not name the zone
        return self._tagged(kind, self._state(kind, value))

    def _state(self, kind: type, value: Any) -> dict[str, Any]:
        if hasattr(kind, "__pydantic_fields_set__"):
            private = value.__pydantic_private__ or {}
            state = {**private, **value.__dict__, **(value.__pydantic_extra__ or {})}
            state[TAG] = sorted(  # what was never set is not sent, whatever its default
                name
                for name in value.__pydantic_fields_set__
                if not self._is_sent or state.get(name) is not None
            )
        elif "__dataclass_fields__" in vars(kind):
            _refuse_hidden(kind, value)
            state = {field: getattr(value, field) for field in value.__dataclass_fields__}
        else:
            raise TypeError(f"a {kind} cannot be told by its value")
        if self._is_sent:  # what is left open is not sent
            state = {key: item for key, item in state.items() if item is not None}
        return state

    def _tagged(self, kind: type, plain: Any) -> dict[str, Any]:
        """Return a value with its class: by name, but for classes that a function makes, by themselves."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        is_found = "<" not in name
        return {TAG: name if is_found else {TAG: "class", "": identity_of(kind)}, "": self.of(plain)}


def _name_of(value: Any) -> str:
    return f"{value.__class__.__module__}.{value.__class__.__qualname__}"


def _refuse_state(kind: type, value: Any, base: type) -> None:
    """Raise a TypeError for an object of a subclass of a built-in type that may know more than its base."""
    for each in kind.__mro__[: kind.__mro__.index(base)]:
        if each.__flags__ & _IMMUTABLE or _slots(each):
            raise TypeError(f"a {kind} may hold more than a {base}")
    if getattr(value, "__dict__", None):
        raise TypeError(f"a {kind} holds more than a {base}")


def _refuse_hidden(kind: type, value: Any) -> None:
    """Raise a TypeError for an object of a dataclass that holds more than its fields."""
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]  # it is a dataclass
    if not fields.keys() >= getattr(value, "__dict__", {}).keys():
        raise TypeError(f"a {kind} holds more than its fields")
    for each in kind.__mro__:
        if "__dataclass_fields__" not in vars(each) and _slots(each):
            raise TypeError(f"a {each} holds more than its fields")


def _slots(kind: type) -> bool:
    return bool(set(vars(kind).get("__slots__", ())) - {"__dict__", "__weakref__"})
