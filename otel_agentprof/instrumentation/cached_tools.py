"""Tools whose results are kept: equal calls run once, each call has its span all the same.

    @ap.tool(cache=PromptCache(ttl_s=600))
    def search(query: str) -> list[str]: ...

``cache=True`` stands for the cache that is in front of the clients at the time of a call.
"""

from __future__ import annotations

import functools
import inspect
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import context as context_api
from opentelemetry import trace

from otel_agentprof import semconv
from otel_agentprof.instrumentation import tracing
from otel_agentprof.instrumentation.open_span import OpenSpan, is_suppressed
from otel_agentprof.instrumentation.wrapping import body_of
from otel_agentprof.model.caching import CONTEXT_KEY
from otel_agentprof.model.identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.instrumentation.parameters import Parameters
    from otel_agentprof.model.caching import Answer, AnswerCache, Lookup


def cached(
    func: Callable[..., Any], name: str, parameters: Parameters, cache: AnswerCache | Literal[True]
) -> Callable[..., Any]:
    """Return a function that runs only for arguments whose result is not kept.

    Args:
        func: The tool.
        name: Its name.
        parameters: How it names its arguments.
        cache: Where results are kept; True for the cache that is in front of the clients at the time of a
            call, if there is one.

    Raises:
        TypeError: For a generator: what it gives cannot be given again.
    """
    body = body_of(func)
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise TypeError(f"{name} is a generator; a cache keeps results of functions and coroutine functions")
    kept = _KeptResults(func, name, parameters, cache)
    call = _async_call(func, kept) if inspect.iscoroutinefunction(body) else _call(func, kept)
    return functools.update_wrapper(call, func)


def _call(func: Callable[..., Any], kept: _KeptResults) -> Callable[..., Any]:
    def call(*args: object, **kwargs: object) -> Any:
        lookup = OpenSpan.guarded(kept.lookup, args, kwargs)
        if lookup is None:
            return func(*args, **kwargs)
        start_ns = perf_counter_ns()
        answer = OpenSpan.guarded(lookup.find)
        _tell(answer, start_ns)
        if answer is not None:
            return answer.value
        try:
            result = func(*args, **kwargs)
            OpenSpan.guarded(lookup.keep, result, perf_counter_ns() - start_ns)
            return result
        finally:
            OpenSpan.guarded(lookup.drop)

    return call


def _async_call(func: Callable[..., Any], kept: _KeptResults) -> Callable[..., Any]:
    async def call(*args: object, **kwargs: object) -> Any:
        lookup = OpenSpan.guarded(kept.lookup, args, kwargs)
        if lookup is None:
            return await func(*args, **kwargs)
        start_ns = perf_counter_ns()
        answer = await OpenSpan.guarded_async(lookup.afind)
        _tell(answer, start_ns)
        if answer is not None:
            return answer.value
        try:
            result = await func(*args, **kwargs)
            await OpenSpan.guarded_async(lookup.akeep, result, perf_counter_ns() - start_ns)
            return result
        finally:
            OpenSpan.guarded(lookup.drop)

    return call


class _KeptResults:
    """What the calls of one tool share."""

    __slots__ = ("_cache", "_made", "_parameters", "_salt")

    def __init__(
        self, func: Callable[..., Any], name: str, parameters: Parameters, cache: AnswerCache | Literal[True]
    ) -> None:
        path = getattr(func, "__qualname__", "<")
        self._salt = ["tool", name, getattr(func, "__module__", ""), path]
        # Two functions that are made in one place, such as closures and lambdas, have one path.
        self._made = func if "<" in path else None
        self._parameters = parameters
        self._cache = cache

    def lookup(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Lookup | None:
        """Return the way of a call through the cache; None where it can have none."""
        cache = self._cache if self._cache is not True else _in_front()
        if cache is None:
            return None
        owner, given = self._parameters.given(args, kwargs)
        # What an object, or a closure, is like is only known by itself.
        known = [each for each in (owner, self._made) if each is not None]
        if not known:
            return cache.lookup(self._salt, given, is_sent=False)
        try:
            salt = [*self._salt, *map(identity_of, known)]
        except TypeError:
            cache.skip("not_by_value")
            return None
        return cache.lookup(salt, given, is_local=True, is_sent=False)


def _in_front() -> AnswerCache | None:
    """Return the cache that is in front of the clients here and now."""
    context = context_api.get_current()
    found: Any = context[CONTEXT_KEY] if CONTEXT_KEY in context else tracing.cache()
    return found  # type: ignore[no-any-return]  # nothing else is put there


def _tell(answer: Answer | None, start_ns: int) -> None:
    """Say on the tool's span whether its result came from the cache."""
    if is_suppressed():  # there is no span of ours: the current one is the caller's
        return
    span = trace.get_current_span()
    OpenSpan.guarded(span.set_attribute, semconv.CACHE_HIT, answer is not None)
    if answer is not None and answer.duration_ns is not None:
        saved_ns = max(0, answer.duration_ns - (perf_counter_ns() - start_ns))
        OpenSpan.guarded(span.set_attribute, semconv.CACHE_SAVED_NS, saved_ns)
