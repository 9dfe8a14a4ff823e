"""Spans for the user's own code: ``agent``, ``tool`` and ``step``.

    @ap.agent("planner")          with ap.tool("search", call_id=call.id) as span:
    async def plan(): ...             span.set("hits", 3)

One object is both decorator and context manager, sync and async, and keeps no state that two runs share.
"""

from __future__ import annotations

import functools
import inspect
import json
from typing import TYPE_CHECKING, Any, TypeVar, overload

from otel_agentprof import semconv
from otel_agentprof.instrumentation import cached_tools, kinds, tracing
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.instrumentation.parameters import Parameters
from otel_agentprof.instrumentation.wrapping import wrap
from otel_agentprof.model import hand_over
from otel_agentprof.model.content_limits import within_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from otel_agentprof.model.caching import AnswerCache

    CallId = str | Callable[..., str | None] | None

_F = TypeVar("_F", bound="Callable[..., Any]")


@overload
def agent(name: _F) -> _F: ...
@overload
def agent(name: str | None = None, *, attributes: Mapping[str, Any] | None = None) -> Mark: ...
def agent(name: _F | str | None = None, *, attributes: Mapping[str, Any] | None = None) -> _F | Mark:
    """Mark an agent: a decorator, with or without parentheses, or a context manager, sync or async.

    Works on functions, coroutine functions, generators and async generators, methods and callable objects.
    The span covers one run, for a generator the whole iteration. What the code returns and raises is passed
    on untouched. An exception sets status ERROR and ``error.type``, and so does a cancelled task; an
    abandoned generator stays UNSET with ``agentprof.stream.complete`` false.

    Args:
        name: Name of the agent; None takes the function's.
        attributes: More attributes for each span.
    """
    return _mark(kinds.AGENT, name, attributes=attributes)


@overload
def tool(name: _F) -> _F: ...
@overload
def tool(
    name: str | None = None,
    *,
    call_id: CallId = None,
    call_id_from: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    cache: AnswerCache | bool | None = None,
) -> Mark: ...
def tool(
    name: _F | str | None = None,
    *,
    call_id: CallId = None,
    call_id_from: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    cache: AnswerCache | bool | None = None,
) -> _F | Mark:
    """Mark a tool: a decorator or a context manager, as :func:`agent` is.

    The id that the model gave its tool call joins the tool to the response that asked for it. Arguments and
    results go on the span only where content capture is asked for.

    Args:
        name: Name of the tool; None takes the function's.
        call_id: Id of the tool call, or a function that takes the tool's arguments and returns it.
        call_id_from: Name of the tool's parameter that holds the id; only for decorators.
        attributes: More attributes for each span.
        cache: A :class:`PromptCache` that keeps results: a call with equal arguments, the id apart, gets a
            copy without running. True: the cache of ``instrument(cache=...)`` or of the ``with`` block
            around the call, if there is one. Only for decorators.

    Raises:
        TypeError: When decorating a function that has no parameter ``call_id_from``, or a generator whose
            results shall be kept.
    """
    return _mark(
        kinds.TOOL, name, call_id=call_id, call_id_from=call_id_from, attributes=attributes, cache=cache
    )


@overload
def step(name: _F) -> _F: ...
@overload
def step(name: str | None = None, *, attributes: Mapping[str, Any] | None = None) -> Mark: ...
def step(name: _F | str | None = None, *, attributes: Mapping[str, Any] | None = None) -> _F | Mark:
    """Mark a step of your own, such as building a prompt; used as :func:`agent` is.

    Args:
        name: Name of the step; None takes the function's.
        attributes: More attributes for each span.
    """
    return _mark(kinds.STEP, name, attributes=attributes)


class Mark:
    """What ``agent``, ``tool`` and ``step`` return: decorate with it, or enter it; as often as you like."""

    __slots__ = ("_attributes", "_cache", "_call_id", "_call_id_from", "_kind", "_name", "_open")

    def __init__(
        self,
        kind: kinds.Kind,
        name: str | None,
        *,
        call_id: CallId = None,
        call_id_from: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        cache: AnswerCache | bool | None = None,
    ) -> None:
        self._kind = kind
        self._name = name
        self._call_id = call_id
        self._call_id_from = call_id_from
        self._attributes = attributes
        self._cache = cache
        self._open: list[OpenSpan] = []

    def __call__(self, func: _F) -> _F:
        """Return the function, marked.

        Raises:
            TypeError: For a class, and for anything that cannot be called.
        """
        if isinstance(func, staticmethod | classmethod):
            return type(func)(self(func.__func__))
        if inspect.isclass(func) or not callable(func):
            raise TypeError(f"mark functions and methods, not {func!r}")
        wanted = self._call_id_from
        call_id = self._call_id if wanted is None else _from_parameter(func, wanted)
        name = self._name or _name_of(func)
        parameters = Parameters.of(func, without=wanted) if self._kind is kinds.TOOL else None
        work = _MarkedFunction(self, func, name, call_id, parameters)
        work.call_id_from = wanted
        if parameters is not None and self._cache is not None and self._cache is not False:
            func = cached_tools.cached(func, name, parameters, self._cache)  # type: ignore[assignment]  # of its kind
        marked = wrap(func, work)
        if parameters is not None:
            setattr(marked, hand_over.MARKED_TOOL, work)
        return marked  # type: ignore[return-value]  # wraps keeps the signature

    def __enter__(self) -> OpenSpan:
        span = self.start(self._name, _call_id_of(self._call_id, (), {}))
        span.enter()
        self._open.append(span)
        return span

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        span = self._entered()
        span.leave()
        span.end(error)

    async def __aenter__(self) -> OpenSpan:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def start(self, name: str | None, call_id: str | None) -> OpenSpan:
        """Return a started span of this kind that is not current yet."""
        kind = self._kind
        attributes = kind.facts(name)
        if call_id is not None:
            attributes[semconv.TOOL_CALL_ID] = call_id
        if self._attributes:
            attributes.update(self._attributes)
        return OpenSpan(kind.title(name), attributes)

    def _entered(self) -> OpenSpan:
        """Return, and forget, the span that this ``with`` block opened; other tasks may be in theirs."""
        for span in reversed(tuple(self._open)):
            if span.is_current:
                self._open.remove(span)
                return span
        return self._open.pop()  # the body left another context behind, or ends in one


class _MarkedFunction:
    """What is done around each run of one decorated function."""

    call_id_from: str | None = None

    def __init__(
        self,
        mark: Mark,
        func: Callable[..., Any],
        name: str,
        call_id: CallId,
        parameters: Parameters | None,
    ) -> None:
        self._mark = mark
        self._func = func
        self._name = name
        self._call_id = call_id
        self._parameters = parameters  # of a tool: what it is given counts

    def begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> OpenSpan:
        """Start the span of a run."""
        answered = hand_over.ANSWERED.get()
        is_told = answered is not None and answered.tool is self
        call_id = answered.call_id if is_told else _call_id_of(self._call_id, args, kwargs)  # type: ignore[union-attr]  # is_told
        span = self._mark.start(self._name, call_id)
        if self._parameters is not None and span.is_recording:
            span.fingerprint = self._parameters.fingerprint(self._name, args, kwargs)
            if tracing.captures_content():
                span.guarded(self._record_arguments, span, args, kwargs)
        return span

    def finish(self, span: OpenSpan, result: Any) -> None:
        """End the span of a run that returned."""
        if self._parameters is not None and span.is_recording and tracing.captures_content():
            span.guarded(_record, span, semconv.TOOL_CALL_RESULT, result)
        span.end()

    def _record_arguments(self, span: OpenSpan, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        given = inspect.signature(self._func).bind(*args, **kwargs).arguments
        named = {key: value for key, value in given.items() if key not in ("self", "cls")}
        _record(span, semconv.TOOL_CALL_ARGUMENTS, named)


def _record(span: OpenSpan, key: str, value: Any) -> None:
    try:
        text = json.dumps(value, default=repr, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # odd keys, a value that contains itself
        text = json.dumps(repr(value), ensure_ascii=False)
    span.set(key, within_limits(text))


def _mark(kind: kinds.Kind, name: _F | str | None, **options: Any) -> _F | Mark:
    if name is None or isinstance(name, str):
        return Mark(kind, name, **options)
    return Mark(kind, None, **options)(name)


def _name_of(func: Callable[..., Any]) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    return getattr(func, "__name__", None) or type(func).__name__


def _call_id_of(call_id: CallId, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    if not callable(call_id):
        return call_id
    try:
        found = call_id(*args, **kwargs)
    except Exception:  # noqa: BLE001 - a tool must run, whatever becomes of its id
        return None
    return None if found is None else str(found)


def _from_parameter(func: Callable[..., Any], parameter: str) -> Callable[..., str | None]:
    signature = inspect.signature(func)
    if parameter not in signature.parameters:
        raise TypeError(
            f"{_name_of(func)}{signature} has no parameter {parameter!r} to take the call id from"
        )

    def read(*args: object, **kwargs: object) -> str | None:
        call = signature.bind_partial(*args, **kwargs)
        call.apply_defaults()
        found = call.arguments[parameter]
        return None if found is None else str(found)

    return read
