"""A span of ours between its start and its end, and the one place where its failures stay.

    start ---- enter ....body.... leave ---- (consumer) ---- enter ....body.... leave ---- end

The span is current only between ``enter`` and ``leave``; a generator goes through them once per item.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, set_span_in_context

from otel_agentprof import semconv
from otel_agentprof.instrumentation import current, error_text, tracing
from otel_agentprof.instrumentation.nesting import with_agent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from opentelemetry.trace import Span, Tracer

    from otel_agentprof.instrumentation.fingerprints import Job

_LOGGER = logging.getLogger(__name__)
_SUPPRESSED: Final = context_api._SUPPRESS_INSTRUMENTATION_KEY  # noqa: SLF001 - its only public reader costs 5 calls
_told: set[str] = set()


class OpenSpan:
    """The handle of a span that is still open: what ``with ap.tool("search") as span`` gives.

    Nothing here ever raises: a failure of the tracer or of one of its processors is logged, once per kind.

    Attributes:
        fingerprint: What will tell this call from others; None where nothing shall.
        span: The OpenTelemetry span; one that records nothing when there is no provider or no sampling.
    """

    __slots__ = ("_context", "_is_open", "_token", "fingerprint", "span")

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, Any],
        tracer: Tracer | None = None,
        *,
        parent: Context | None = None,
        start_ns: int | None = None,
        span_kind: SpanKind = SpanKind.INTERNAL,
    ) -> None:
        """Start a span.

        Args:
            name: Its name.
            attributes: What samplers may see: everything that is known at the start.
            tracer: Where it comes from; None for :func:`tracing.tracer`.
            parent: The context that it starts in; None for the current one.
            start_ns: When it started, since the epoch; None for now.
            span_kind: CLIENT where the work is done elsewhere, SERVER where it is done for somebody else.
        """
        self.span: Span = INVALID_SPAN
        self._context: Context | None = None
        self._token: object = None
        self._is_open = True
        self.fingerprint: Job | None = None
        try:
            context = context_api.get_current() if parent is None else parent
            if not context.get(_SUPPRESSED):
                self.span = (tracer or tracing.tracer()).start_span(
                    name,
                    context,
                    kind=span_kind,
                    attributes=attributes,
                    start_time=start_ns,
                    record_exception=False,
                    set_status_on_exception=False,
                )
            # A context of its own also where nothing is recorded: ``is_current`` goes by identity.
            hides_caller = self.span is not INVALID_SPAN
            if semconv.ROLE in attributes and attributes[semconv.ROLE] == "agent":
                context = with_agent(self.span, context)
            self._context = set_span_in_context(self.span, context) if hides_caller else Context(context)
        except Exception as failure:  # noqa: BLE001 - the user's work must run, traced or not
            _tell("start a span", failure)

    @property
    def context(self) -> Context | None:
        """The context of the work; None where none could be made."""
        return self._context

    @property
    def is_recording(self) -> bool:
        """Whether anything that is set will be kept."""
        return self.span.is_recording()

    @property
    def span_id(self) -> str | None:
        """The id as lower-case hex; None where nothing is recorded."""
        return f"{self.span.get_span_context().span_id:016x}" if self.span.is_recording() else None

    @property
    def is_open(self) -> bool:
        """Whether the span has not ended."""
        return self._is_open

    @property
    def is_current(self) -> bool:
        """Whether the span is the innermost one here and now."""
        return self._token is not None and context_api.get_current() is self._context

    def enter(self) -> None:
        """Make the span current."""
        if self._context is not None:
            self._token = context_api.attach(self._context)

    def leave(self) -> None:
        """Make the caller's span current again, and remember where the body stood for the next ``enter``."""
        token, self._token = self._token, None
        if token is None:
            return
        # The body may have opened spans of its own that are still open at its yield.
        self._context = context_api.get_current()
        current.leave(token)

    def end(self, error: BaseException | None = None, *, end_ns: int | None = None) -> None:
        """End the span, once; later calls do nothing.

        Args:
            error: What ended the work. An exception means status ERROR, ``error.type`` and an exception
                event, with its text where :mod:`error_text` or content capture allows it; cancellation and
                Ctrl-C are errors without the event. ``GeneratorExit`` means that
                nobody wanted the rest: status UNSET and ``agentprof.stream.complete`` false.
                ``SystemExit`` with code 0 is no error.
            end_ns: When it ended, since the epoch; None for now.
        """
        if not self._is_open:
            return
        self._is_open = False
        if self.fingerprint is not None:
            self.guarded(self.span.set_attributes, self.fingerprint.take())
        if error is not None:
            self.guarded(_describe, self.span, error)
        self.guarded(self.span.end, end_ns)

    def fail(self, error_type: str) -> None:
        """Say that the work failed where no exception tells of it: a tool whose result is an error."""
        self.set_attribute(semconv.ERROR_TYPE, error_type)
        self.guarded(self.span.set_status, StatusCode.ERROR)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute."""
        self.guarded(self.span.set_attribute, key, value)

    set = set_attribute

    def set_call_id(self, call_id: str | None) -> None:
        """Say which of the model's tool calls this is; None leaves it open."""
        if call_id is not None:
            self.set_attribute(semconv.TOOL_CALL_ID, str(call_id))

    @staticmethod
    def guarded(work: Callable[..., Any], *args: object) -> Any:
        """Do some work of ours and return what it gives; what goes wrong is logged once, and gives None."""
        try:
            return work(*args)
        except Exception as failure:  # noqa: BLE001 - the user's work must run, traced or not
            _tell("write or end a span", failure)
            return None

    @staticmethod
    async def guarded_async(work: Callable[..., Awaitable[Any]], *args: object) -> Any:
        """Do as :meth:`guarded`, for work that is awaited."""
        try:
            return await work(*args)
        except Exception as failure:  # noqa: BLE001 - likewise
            _tell("use a cache", failure)
            return None


def is_suppressed() -> bool:
    """Return whether no span shall be made here and now."""
    return bool(context_api.get_current().get(_SUPPRESSED))


def _describe(span: Span, error: BaseException) -> None:
    if not span.is_recording() or (isinstance(error, SystemExit) and not error.code):
        return
    if isinstance(error, GeneratorExit):
        span.set_attribute(semconv.STREAM_COMPLETE, False)  # noqa: FBT003 - OpenTelemetry takes it by position
        return
    span.set_attribute(semconv.ERROR_TYPE, tracing.error_type(error))
    has_event = isinstance(error, Exception)
    if not tracing.captures_content() and not OpenSpan.guarded(error_text.may_be_told, error):
        span.set_status(StatusCode.ERROR, type(error).__name__)
        if has_event:
            span.add_event("exception", _without_text(error))
        return
    span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {_text(error)}")
    if has_event:
        span.record_exception(error)


def _without_text(error: BaseException) -> dict[str, str]:
    stack = OpenSpan.guarded(error_text.stack_trace, error)
    facts = {"exception.type": tracing.error_type(error)}
    return facts if stack is None else {**facts, "exception.stacktrace": stack}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception may not be able to describe itself
        return "(no message)"


def _tell(what: str, failure: Exception) -> None:
    if what not in _told:
        _told.add(what)
        _LOGGER.warning(
            "could not %s; your program goes on, later cases are not told", what, exc_info=failure
        )
