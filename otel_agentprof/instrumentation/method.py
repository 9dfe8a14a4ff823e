"""A patched method that behaves as the one it replaces: also when it is printed, copied or pickled."""

from __future__ import annotations

import copy
import sys
from functools import reduce
from typing import Any

import wrapt


class _AsItWas:
    """What wrapt's proxies do in a way of their own, done as a function or a bound method does it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self.__wrapped__)  # type: ignore[attr-defined]  # wrapt sets it

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        method: Any = self
        owner = getattr(method, "__self__", None)
        return method if owner is None else getattr(copy.deepcopy(owner, memo), method.__name__)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        method: Any = self
        owner = getattr(method, "__self__", None)
        if owner is None:
            path = method.__qualname__.split(".")[:-1]
            owner = reduce(getattr, path, sys.modules[method.__module__])
        return getattr, (owner, method.__name__)


class _BoundMethod(_AsItWas, wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # generic for the checker only
    """What attribute access gives."""

    __slots__ = ()


class PatchedMethod(_AsItWas, wrapt.FunctionWrapper):  # type: ignore[type-arg]  # generic for the checker only
    """What stands in the class instead of the client's function."""

    __slots__ = ()
    __bound_function_wrapper__ = _BoundMethod
