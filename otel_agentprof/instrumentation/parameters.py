"""How a decorated function names its arguments: looked up once, so that a call costs next to nothing."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation import fingerprints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OWNERS: Final = frozenset({"self", "cls"})
_BY_POSITION: Final = frozenset({inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD})
_COLLECTING: Final = frozenset({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a function.

    Attributes:
        names: Those that may be given by position, in order.
        defaults: What the function takes for an argument that is not given.
        has_owner: Whether the first one is the object or class whose method this is.
        owner: The object that a bound method, or an object that can be called, brings with it.
        without: A parameter that differs from call to call and says nothing: the id of the call.
    """

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    has_owner: bool
    owner: Any
    without: str | None

    @classmethod
    def of(cls, func: Callable[..., Any], *, without: str | None) -> Parameters:
        """Return the parameters of a function; of one that hides them, nothing but what it is given."""
        owner = getattr(func, "__self__", None if inspect.isroutine(func) else func)
        try:
            found = inspect.signature(func).parameters.values()
        except (TypeError, ValueError):  # written in C, or an odd object
            return cls((), {}, has_owner=False, owner=owner, without=without)
        names = tuple(_name(each) for each in found if each.kind in _BY_POSITION)
        defaults = {
            _name(each): each.default
            for each in found
            if each.default is not each.empty and each.kind not in _COLLECTING
        }
        has_owner = not _OWNERS.isdisjoint(names[:1])
        return cls(names, defaults, has_owner=has_owner, owner=owner, without=without)

    def fingerprint(
        self, tool: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> fingerprints.Job | None:
        """Start on the fingerprint of a call; positions, names and defaults make no difference."""
        owner, given = self.given(args, kwargs)
        return fingerprints.of_tool(tool, owner, given)

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Return whose method is called, None for a function, and the arguments by name."""
        owner = self.owner
        given = {**self.defaults, **dict(zip(self.names, args, strict=False)), **kwargs}
        if len(args) > len(self.names):
            given["*"] = args[len(self.names) :]
        if self.has_owner and args:
            owner = given.pop(self.names[0])
        if self.without is not None:
            given.pop(self.without, None)
        return owner, given


def _name(parameter: inspect.Parameter) -> str:
    # The function may take a keyword of the same name beside a parameter that goes by position only.
    return f"/{parameter.name}" if parameter.kind is parameter.POSITIONAL_ONLY else parameter.name
