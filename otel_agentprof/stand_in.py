"""The global tracer provider for as long as the program has none of its own.

    program asks for a tracer -> StandIn -> at each span: the program's provider, if it has set one by now,
                                            else one of ours, made at the first span

It is what OpenTelemetry's own proxy is, but spans are recorded before anybody sets a provider too.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)


class StandIn(trace.ProxyTracerProvider):
    """A provider that steps back when the program sets its own, also for tracers that it has given out.

    A ``ProxyTracerProvider`` by type, because programs ask for that type to learn that nothing is set.
    """

    def __init__(self, make: Callable[[], trace.TracerProvider]) -> None:
        """Use the provider that ``make`` returns until there is another one."""
        self._make = make
        self._ours: trace.TracerProvider | None = None
        self._before: trace.TracerProvider | None = None
        self._met: trace.TracerProvider | None = None
        self._on_set: Callable[[trace.TracerProvider], None] | None = None
        self._setter: Callable[..., None] | None = None
        self._lock = threading.Lock()

    def install(self, on_set: Callable[[trace.TracerProvider], None] | None = None) -> None:
        """Become the global provider in such a way that the program can still set its own, once.

        Args:
            on_set: Called with the provider that the program sets, before the program goes on.
        """
        # set_tracer_provider() works once per process, and that once belongs to the program.
        self._before, self._met, self._on_set = trace._TRACER_PROVIDER, None, on_set  # noqa: SLF001 - see above
        self._replace(self._before, self)
        if on_set is not None:
            self._watch_setting()

    def withdraw(self) -> None:
        """Be the global provider no more; what the program has set stays."""
        self._on_set = None
        self._replace(self, self._before)
        setter, self._setter = self._setter, None
        if setter is not None and getattr(trace._set_tracer_provider, "_self_of", None) is self:  # noqa: SLF001 - as in _watch_setting
            trace._set_tracer_provider = setter  # noqa: SLF001 - likewise

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return a tracer that follows the provider of the moment."""
        return _FollowingTracer(self, args, kwargs)

    def provider(self) -> trace.TracerProvider:
        """Return the provider of the moment."""
        current = trace.get_tracer_provider()
        if current is not self:
            if current is not self._met:
                self._meet(current)
            return current
        with self._lock:
            if self._ours is None:
                self._ours = self._make()
            return self._ours

    def _meet(self, current: trace.TracerProvider) -> None:
        self._met = current
        if self._on_set is not None and not isinstance(current, trace.ProxyTracerProvider):
            try:
                self._on_set(current)
            except Exception:
                # Whatever provider that is: the program must be able to set it.
                _LOGGER.warning("otel_agentprof cannot see the spans of %r", current, exc_info=True)

    def _replace(self, old: trace.TracerProvider | None, new: trace.TracerProvider | None) -> None:
        with trace._TRACER_PROVIDER_SET_ONCE._lock:  # noqa: SLF001 - another thread may be setting its own
            if trace._TRACER_PROVIDER is old:  # noqa: SLF001 - as in install()
                trace._TRACER_PROVIDER = new  # noqa: SLF001 - likewise

    def _watch_setting(self) -> None:
        """Hear of the program's provider when it is set: its next span may well be none of ours."""
        self._setter = setter = trace._set_tracer_provider  # noqa: SLF001 - all ways to set one go through it

        def set_and_tell(*args: Any, **kwargs: Any) -> None:
            setter(*args, **kwargs)
            if self._on_set is not None:
                self.provider()

        set_and_tell._self_of = self  # type: ignore[attr-defined]  # noqa: SLF001 - how withdraw() knows it
        trace._set_tracer_provider = set_and_tell  # noqa: SLF001 - as above


class _FollowingTracer(trace.ProxyTracer):
    """OpenTelemetry's proxy, which looks its tracer up here at each span and each use as a decorator."""

    def __init__(self, stand_in: StandIn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(*args, **kwargs)
        self._stand_in = stand_in
        self._args = args
        self._kwargs = kwargs
        self._known: tuple[trace.TracerProvider | None, trace.Tracer] | None = None

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        """Start a span of the tracer of the moment."""
        # As _tracer, without a call of it: this is in the way of every call of every client.
        known = self._known
        if known is None or known[0] is not trace._TRACER_PROVIDER:  # noqa: SLF001 - as in StandIn
            known = self._look()
        return known[1].start_span(*args, **kwargs)

    @property
    def _tracer(self) -> trace.Tracer:
        known = self._known
        if known is None or known[0] is not trace._TRACER_PROVIDER:  # noqa: SLF001 - as in StandIn
            known = self._look()
        return known[1]

    def _look(self) -> tuple[trace.TracerProvider | None, trace.Tracer]:
        current = trace._TRACER_PROVIDER  # noqa: SLF001 - first: should it change meanwhile, we look again
        tracer = self._stand_in.provider().get_tracer(*self._args, **self._kwargs)
        self._known = (current, tracer)
        return self._known
