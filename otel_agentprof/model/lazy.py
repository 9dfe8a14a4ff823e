"""What is worked out when it is first asked for, and then kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

_Found = TypeVar("_Found")


class lazy(cached_property[_Found]):  # noqa: N801 - a decorator, as the one that it stands for
    """``functools.cached_property``, without the lock that Python 3.11 takes for each value.

    Two threads that ask at once may both work it out: what is pure gives both the same.
    """

    if not TYPE_CHECKING:  # what is asked for and found is as there

        def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
            """Return the value of an instance; it stands in its dict from then on, and is found there."""
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value
