"""A patched method: what a call of it does, and how it looks like the function that it replaces."""

from __future__ import annotations

import copy
import sys
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry import context as context_api

from otel_agentprof.errors import BudgetExceeded
from otel_agentprof.instrumentation import body, caching, current

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from otel_agentprof.instrumentation.call import Call
    from otel_agentprof.instrumentation.engine import Engine
    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec


class Slot:
    """Where every wrapper finds the engine of the moment; None while nothing is instrumented."""

    __slots__ = ("engine",)

    def __init__(self) -> None:
        self.engine: Engine | None = None


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


class _Binding(type(wrapt.BoundFunctionWrapper)):  # type: ignore[misc]  # `type`, where wrapt is compiled
    """Lets our bound methods be made as ``types.MethodType`` makes them: ``weakref.WeakMethod`` does so."""

    def __call__(cls, function: Any, owner: Any) -> Any:
        """Return a function bound to an object, through our wrapper where one stands in its class."""
        for kind in type(owner).__mro__:
            found = vars(kind).get(function.__name__)
            if isinstance(found, PatchedMethod) and found.__wrapped__ is function:
                return found.__get__(owner, type(owner))
        return function.__get__(owner, type(owner))  # no longer patched


class _BoundMethod(_AsItWas, wrapt.BoundFunctionWrapper, metaclass=_Binding):  # type: ignore[type-arg]  # generic for the checker only
    """What attribute access gives."""

    __slots__ = ()


class PatchedMethod(_AsItWas, wrapt.FunctionWrapper):  # type: ignore[type-arg]  # generic for the checker only
    """What stands in the class instead of the client's function."""

    __slots__ = ()
    # Past the ``__call__`` above: attribute access is to cost what it costs with wrapt's own class.
    __bound_function_wrapper__ = staticmethod(partial(type.__call__, _BoundMethod))  # type: ignore[assignment]  # wrapt calls it, no more


def second_net(slot: Slot, provider: ProviderSpec, spec: CallSpec, *, is_async: bool) -> Callable[..., Any]:
    """Return the wrapt wrapper for what lies below a patched method, for those who went around that one.

    What did not go around it is let through at once: nothing of ours is made for it twice.
    """
    caught = wrapper(slot, provider, spec, is_async=is_async)

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if slot.engine is None or slot.engine.is_at_work():
            return wrapped(*args, **kwargs)
        return caught(wrapped, instance, args, kwargs)

    return call


def wrapper(slot: Slot, provider: ProviderSpec, spec: CallSpec, *, is_async: bool) -> Callable[..., Any]:
    """Return the wrapt wrapper for one method."""
    if spec.tells_retries:
        return _telling(slot)
    if spec.deferred_request is not None:
        return _deferred(slot, provider, spec)
    if spec.is_entered:
        return _entered(slot, provider, spec)
    if spec.awaits is not None:
        return _either(spec.awaits, _sync(slot, provider, spec), _async(slot, provider, spec))
    return _async(slot, provider, spec) if is_async else _sync(slot, provider, spec)


def _either(
    awaits: Callable[[Any], bool], sync: Callable[..., Any], asynchronous: Callable[..., Any]
) -> Callable[..., Any]:
    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return (asynchronous if awaits(instance) else sync)(wrapped, instance, args, kwargs)

    return call


def _telling(slot: Slot) -> Callable[..., Any]:
    def call(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "retries_taken" in kwargs and kwargs["retries_taken"] and slot.engine is not None:
            slot.engine.guard("retries", slot.engine.note_retries, kwargs["retries_taken"])
        return wrapped(*args, **kwargs)

    return call


def _sync(slot: Slot, provider: ProviderSpec, spec: CallSpec) -> Callable[..., Any]:
    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        engine = slot.engine
        is_lazy = spec.is_lazy and (spec.streams or kwargs.get("stream"))
        if engine is not None and is_lazy:
            if not engine.wants(spec, instance, args, kwargs):
                return wrapped(*args, **kwargs)
            begin = partial(engine.open, provider, spec, instance, args, kwargs)
            return engine.lazy(begin, _unsent(engine, begin, wrapped, args, kwargs))
        opened = None if engine is None else engine.open(provider, spec, instance, args, kwargs)
        if engine is None or opened is None:
            return wrapped(*args, **kwargs)
        return _send(engine, opened, wrapped, args, kwargs)

    return call


def _send(
    engine: Engine, call: Call, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if (inquiry := call.inquiry) is not None:
        call.inquiry = None
        return caching.send(engine, inquiry, partial(_send, engine, call, wrapped, args, kwargs))
    token = context_api.attach(call.context)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        current.leave(token)
        engine.fail(call, error)
        raise
    current.leave(token)
    return engine.settle(call, result)


def _async(slot: Slot, provider: ProviderSpec, spec: CallSpec) -> Callable[..., Any]:
    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        engine = slot.engine
        if engine is None or (spec.is_lazy and not engine.wants(spec, instance, args, kwargs)):
            return wrapped(*args, **kwargs)
        begin = partial(engine.open, provider, spec, instance, args, kwargs)
        request = _unsent(engine, begin, wrapped, args, kwargs)
        if spec.is_lazy and (spec.streams or kwargs.get("stream")):
            return _late_async(engine, begin, request)
        awaited: Any = _send_async(engine, begin, _Unsent(request))
        awaited.__qualname__ = getattr(request, "__qualname__", spec.operation)
        return awaited

    return call


def _unsent(
    engine: Engine,
    begin: Callable[[], Call | None],
    wrapped: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Return a request that is sent later; arguments that do not fit are refused now."""
    try:
        return wrapped(*args, **kwargs)
    except BaseException as error:
        if (opened := begin()) is not None:
            engine.fail(opened, error)
        raise


class _Unsent:
    """A request that is not awaited yet; thrown away with ours, it shall not be complained of twice."""

    __slots__ = ("request",)

    def __init__(self, request: Any) -> None:
        self.request = request

    def close(self) -> None:
        """Throw the request away."""
        if self.request is not None and hasattr(self.request, "close"):
            self.request.close()

    __del__ = close


async def _late_async(engine: Engine, begin: Callable[[], Call | None], request: Awaitable[Any]) -> Any:
    return engine.lazy(begin, await request)


async def _send_async(engine: Engine, begin: Callable[[], Call | None], unsent: _Unsent) -> Any:
    # One coroutine, not two: each is entered again whenever the request has waited for the network.
    try:
        call = begin()
    except BudgetExceeded:
        unsent.close()
        raise
    if call is not None and (inquiry := call.inquiry) is not None:
        call.inquiry = None
        try:
            return await caching.send_async(
                engine, inquiry, partial(_send_async, engine, lambda: call, unsent)
            )
        finally:
            unsent.close()  # where it was not sent
    request, unsent.request = unsent.request, None
    if call is None:
        return await request
    token = context_api.attach(call.context)
    try:
        result = await request
    except BaseException as error:
        # A coroutine that is thrown away is closed wherever the collector runs: there is nothing to detach.
        if not isinstance(error, GeneratorExit) or context_api.get_current() is call.context:
            current.leave(token)
        engine.fail(call, error)
        raise
    current.leave(token)
    is_raw = result.__class__.__name__ in body.RAW_CLASSES
    if is_raw and not call.is_over and body.is_in_memory(call, result):
        return await engine.settle_parsed(call, result)
    return engine.settle(call, result)


def _deferred(slot: Slot, provider: ProviderSpec, spec: CallSpec) -> Callable[..., Any]:
    """Wrap a helper that sends nothing until it is entered: put our wrapper around the request it keeps."""

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        helper = wrapped(*args, **kwargs)
        name = f"_{type(helper).__name__}{spec.deferred_request}"
        request = getattr(helper, name, None)
        if slot.engine is None or request is None:
            return helper

        setattr(helper, name, _Deferred(slot, provider, spec, instance, kwargs, request))
        return helper

    return call


class _Deferred:
    """The request of a helper, sent when it is called (sync) or awaited (async)."""

    __slots__ = ("_arguments", "_instance", "_provider", "_request", "_slot", "_spec")

    def __init__(
        self,
        slot: Slot,
        provider: ProviderSpec,
        spec: CallSpec,
        instance: Any,
        arguments: dict[str, Any],
        request: Any,
    ) -> None:
        self._slot, self._provider, self._spec = slot, provider, spec
        self._instance, self._arguments, self._request = instance, arguments, request

    def _begin(self, engine: Engine) -> Call | None:
        return engine.open(self._provider, self._spec, self._instance, (), self._arguments)

    def __call__(self) -> Any:
        engine = self._slot.engine
        opened = None if engine is None else self._begin(engine)
        if engine is None or opened is None:
            return self._request()
        return _send(engine, opened, self._request, (), {})

    def __await__(self) -> Generator[Any, Any, Any]:
        engine = self._slot.engine
        if engine is None:
            request: Generator[Any, Any, Any] = self._request.__await__()
            return request
        return _send_async(engine, partial(self._begin, engine), _Unsent(self._request)).__await__()


def _entered(slot: Slot, provider: ProviderSpec, spec: CallSpec) -> Callable[..., Any]:
    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        manager, engine = wrapped(*args, **kwargs), slot.engine
        if engine is None:
            return manager
        return _Entered(manager, engine, partial(engine.open, provider, spec, instance, args, kwargs))

    return call


class _Entered(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic for the checker only
    """A context manager that sends its request when it is entered."""

    def __init__(self, manager: Any, engine: Engine, begin: Callable[[], Call | None]) -> None:
        super().__init__(manager)
        self._self_engine = engine
        self._self_begin = begin

    def __enter__(self) -> Any:
        enter = self.__wrapped__.__enter__
        opened = self._self_begin()
        return enter() if opened is None else _send(self._self_engine, opened, enter, (), {})

    async def __aenter__(self) -> Any:
        return await _send_async(self._self_engine, self._self_begin, _Unsent(self.__wrapped__.__aenter__()))

    async def __aexit__(self, *error: object) -> Any:
        return await self.__wrapped__.__aexit__(*error)
