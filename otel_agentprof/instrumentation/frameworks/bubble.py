"""A context of their own for generators of a framework, in whose bodies a span becomes current.

body      |==|..|==|..|==|      what is current in the body (=) stays there, and the consumer (.) sees
consumer     ..    ..           nothing of it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api

from otel_agentprof.instrumentation import current
from otel_agentprof.instrumentation.wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Bubble:
    """Has the shape of an open span, and is none."""

    __slots__ = ("_context", "_token")

    def __init__(self) -> None:
        self._context = context_api.get_current()
        self._token: object = None

    def enter(self) -> None:
        """Go on in the body's context."""
        self._token = context_api.attach(self._context)

    def leave(self) -> None:
        """Go back to the consumer's, and remember where the body stood."""
        token, self._token = self._token, None
        self._context = context_api.get_current()
        current.leave(token)

    def end(self, error: BaseException | None = None) -> None:
        """Do nothing: whatever was opened in the body ends there."""


class _Bubbles:
    """What :func:`wrap` does around each run."""

    @staticmethod
    def begin(_args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> Any:
        return Bubble()

    @staticmethod
    def finish(_span: Any, _result: Any) -> None:
        """Do nothing."""


def in_bubble(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return a generator function, sync or async, whose body leaks no context to who iterates over it."""
    return wrap(func, _Bubbles())
