"""What is worked out when it is first asked for, and then kept."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

_Found = TypeVar("_Found")


class lazy(cached_property[_Found]):  # noqa: N801 - a decorator, as the one that it stands for
    """``functools.cached_property``, without the lock that Python 3.11 takes for each value.

    Two threads that ask at once may both work it out: what is pure gives both the same.
    """


def _get(self: lazy[Any], instance: Any, owner: type[Any] | None = None) -> Any:  # noqa: ARG001 - as there
    if instance is None:
        return self
    value = instance.__dict__[self.attrname] = self.func(instance)
    return value  # it is found in the dict from then on


lazy.__get__ = _get  # type: ignore[method-assign,assignment]  # what is asked for and found stays as typed there
