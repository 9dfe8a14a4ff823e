"""One stretch of a program and its report: ``with profile("research task") as run``."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from otel_agentprof import api
from otel_agentprof.errors import AgentProfError
from otel_agentprof.instrumentation.tools import step

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from otel_agentprof.processor import Watch
    from otel_agentprof.report.report import Report

_F = TypeVar("_F", bound="Callable[..., Any]")
_REPORT_TIMEOUT_S = 30.0


class profile:  # noqa: N801 - reads as a verb where it is used: `with ap.profile(...) as run`
    """Profile a stretch of your program: a context manager or a decorator, sync or async.

        with otel_agentprof.profile("research task") as run:
            ...
        print(run.report.duration_ns)

    Clients are instrumented for as long as it runs if they are not already. Needs no provider, no exporter
    and no server.
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._watch: Watch | None = None
        self._step: Any = None
        self._report: Report | None = None

    @property
    def report(self) -> Report | None:
        """The report of the last run; None while it runs, and where it was disabled or not sampled."""
        if self._report is None and self._watch is not None and self._step is None:
            self._report = self._watch.report(_REPORT_TIMEOUT_S)
            self._watch = None
        return self._report

    def __enter__(self) -> profile:
        if self._step is not None:
            raise AgentProfError("this profile is already running; make one for each run")
        self._report = self._watch = None
        processor = api.begin_profile()
        self._step = step(self._name or "profile")
        span = self._step.__enter__().span
        if processor is not None and span.is_recording():
            self._watch = processor.watch(span.get_span_context())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        running, self._step = self._step, None
        try:
            running.__exit__(kind, error, traceback)
        finally:
            api.end_profile()

    async def __aenter__(self) -> profile:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, func: _F) -> _F:
        """Return the function, profiled at each call; :attr:`report` is that of the last call that ended."""
        name = self._name or func.__qualname__

        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def profiled(*args: Any, **kwargs: Any) -> Any:
                with profile(name) as run:
                    result = await func(*args, **kwargs)
                self._take(run)
                return result

        else:

            @functools.wraps(func)
            def profiled(*args: Any, **kwargs: Any) -> Any:
                with profile(name) as run:
                    result = func(*args, **kwargs)
                self._take(run)
                return result

        return profiled  # type: ignore[return-value]  # the same signature, by functools.wraps

    def _take(self, run: profile) -> None:
        self._watch, self._report = run._watch, None
