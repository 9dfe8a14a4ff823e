"""The tracer provider of a recorded program for as long as the program has none of its own.

    program asks for a tracer -> StandIn -> at each span: the program's provider, if it has set one by now,
                                            else one of ours, made at the first span

It is what OpenTelemetry's own proxy is, but spans are recorded before anybody sets a provider too.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable


class StandIn(trace.ProxyTracerProvider):
    """A provider that steps back when the program sets its own, also for tracers that it has given out.

    A ``ProxyTracerProvider`` by type, because programs ask for that type to learn that nothing is set.
    """

    def __init__(self, make: Callable[[], trace.TracerProvider]) -> None:
        """Use the provider that ``make`` returns until there is another one."""
        self._make = make
        self._ours: trace.TracerProvider | None = None
        self._lock = threading.Lock()

    @classmethod
    def install(cls, make: Callable[[], trace.TracerProvider]) -> StandIn:
        """Become the global provider in such a way that the program can still set its own, once."""
        stand_in = cls(make)
        # set_tracer_provider() works once per process, and that once belongs to the program.
        trace._TRACER_PROVIDER = stand_in  # noqa: SLF001 - see above
        return stand_in

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return a tracer that follows the provider of the moment."""
        return _FollowingTracer(self, args, kwargs)

    def provider(self) -> trace.TracerProvider:
        """Return the provider of the moment."""
        current = trace.get_tracer_provider()
        if current is not self:
            return current
        with self._lock:
            if self._ours is None:
                self._ours = self._make()
            return self._ours


class _FollowingTracer(trace.ProxyTracer):
    """OpenTelemetry's proxy, which looks its tracer up here at each span and each use as a decorator."""

    def __init__(self, stand_in: StandIn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(*args, **kwargs)
        self._stand_in = stand_in
        self._args = args
        self._kwargs = kwargs
        self._known: tuple[trace.TracerProvider, trace.Tracer] | None = None

    @property
    def _tracer(self) -> trace.Tracer:
        provider = self._stand_in.provider()
        known = self._known
        if known is None or known[0] is not provider:
            known = self._known = (provider, provider.get_tracer(*self._args, **self._kwargs))
        return known[1]
