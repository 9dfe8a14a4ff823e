"""The spans that this room makes, of the provider that ``instrument()`` was given, else of the global one."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, StatusCode

from otel_agentprof import __version__, semconv
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.trace import Span, TracerProvider

_LOGGER = logging.getLogger(__name__)
_STEP: Final = {semconv.ROLE: "step"}


class _Choice:
    """Where spans go, and whether they may hold content; None as the process says."""

    provider: TracerProvider | None = None
    captures_content: bool | None = None
    has_told: bool = False


def use(provider: TracerProvider | None, *, capture_content: bool | None = None) -> None:
    """Take spans from this provider from now on; None follows the global one and the environment."""
    _Choice.provider = provider
    _Choice.captures_content = capture_content
    _Choice.has_told = False


def captures_content() -> bool:
    """Return whether what tools and models say may go on spans."""
    chosen = _Choice.captures_content
    return Config.from_env().capture_content if chosen is None else chosen


def start(name: str, attributes: Mapping[str, Any], *, start_ns: int | None = None) -> Span:
    """Return a span below the current one; one that records nothing where none could be made."""
    provider = _Choice.provider or trace.get_tracer_provider()
    try:
        tracer = provider.get_tracer(semconv.SCOPE, __version__)
        return tracer.start_span(name, attributes=attributes, start_time=start_ns)
    except Exception as failure:  # noqa: BLE001 - the user's work must run, traced or not
        _tell(failure)
        return INVALID_SPAN


def finish(
    span: Span,
    error: BaseException | None = None,
    attributes: Mapping[str, Any] | None = None,
    *,
    end_ns: int | None = None,
) -> None:
    """End a span; of an error its type is told, and its text where content is asked for."""
    try:
        if attributes:
            span.set_attributes(attributes)
        if error is not None:
            kind = _error_type(error)
            text = f"{type(error).__name__}: {error}" if captures_content() else type(error).__name__
            span.set_attribute(semconv.ERROR_TYPE, kind)
            span.add_event("exception", {"exception.type": kind})
            span.set_status(StatusCode.ERROR, text)
        span.end(end_ns)
    except Exception as failure:  # noqa: BLE001 - as in start()
        _tell(failure)


@contextmanager
def inside(span: Span) -> Iterator[None]:
    """Make a span current; it goes on afterwards."""
    if span is INVALID_SPAN:  # it would hide the caller's
        yield
        return
    with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield


@contextmanager
def step(name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
    """Make a step's span around a block."""
    span = start(name, {**_STEP, **attributes})
    try:
        with inside(span):
            yield span
    except BaseException as error:
        finish(span, error)
        raise
    finish(span)


def note(name: str, error: BaseException, attributes: Mapping[str, Any]) -> None:
    """Add an event about an error to the current span."""
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(name, {semconv.ERROR_TYPE: _error_type(error), **attributes})


def _error_type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _tell(failure: Exception) -> None:
    if not _Choice.has_told:
        _Choice.has_told = True
        _LOGGER.warning(
            "could not make a span; your program goes on, later cases are not told", exc_info=failure
        )
