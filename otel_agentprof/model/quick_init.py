"""A faster ``__init__`` for frozen dataclasses that are made many times.

    @quick_init
    @dataclass(frozen=True, slots=True)
    class Event: ...

A frozen dataclass sets each field through ``object.__setattr__``, which looks for the field by its name. Here
it is set through what that search would find (the slot; without slots the object's dict), in half the time.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import wraps
from typing import Any, Final, TypeVar

_Made = TypeVar("_Made", bound=type[Any])
_UNSET: Final = object()


def quick_init(made: _Made) -> _Made:
    """Give a frozen dataclass, with or without slots, an ``__init__`` that takes the same and sets the same.

    >>> from otel_agentprof.model import Event
    >>> Event("retry", 5)
    Event(name='retry', time_ns=5, attributes={})
    """
    has_slots = "__slots__" in vars(made)
    names: dict[str, Any] = {"unset": _UNSET}
    arguments, values = ["self"], []
    for one in sorted(fields(made), key=lambda one: bool(one.kw_only)):
        name, default = one.name, one.default
        if one.kw_only and "*" not in arguments:
            arguments.append("*")
        value = name
        if one.default_factory is not MISSING:
            default, value = _UNSET, f"make_{name}() if {name} is unset else {name}"
            names[f"make_{name}"] = one.default_factory
        names[f"default_{name}"] = default
        arguments.append(name if default is MISSING else f"{name}=default_{name}")
        if has_slots:
            names[f"set_{name}"] = getattr(made, name).__set__
        values.append((name, value))
    if has_slots:
        body = "; ".join([f"set_{name}(self, {value})" for name, value in values])
    else:
        body = f"self.__dict__.update({', '.join([f'{name}={value}' for name, value in values])})"
    exec(f"def init({', '.join(arguments)}): {body}", names)  # noqa: S102 - names of fields; dataclass does so
    made.__init__ = wraps(made.__init__)(names["init"])
    return made
