"""The one engine behind every patched method: request in, span out, the user's own object back.

    open     the span starts, the request's facts are taken
    send     the client works; only now is the span current
    settle   a whole answer   -> attributes, cost, end
             a stream         -> a proxy that settles when it is over          (stream.py)
             a raw response   -> read from memory, or as the user reads it     (body.py)

Whatever happens, a call ends its span exactly once, and nothing of ours is raised into the program: every
way into our code is guarded here, and only here.
"""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from otel_agentprof import semconv
from otel_agentprof.instrumentation import body, metrics, stream
from otel_agentprof.instrumentation.call import Call
from otel_agentprof.instrumentation.peer import PeerBook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

_LOGGER = logging.getLogger(__name__)
_SPAN_KEY: Final = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
_INNER_KEY: Final = "otel_agentprof.call"  # a client that is called by a client is the same call
_OPENLLMETRY_KEY: Final = "suppress_language_model_instrumentation"
_SILENCERS: Final = (
    _INNER_KEY,
    _OPENLLMETRY_KEY,
    "suppress_instrumentation",
    context_api._SUPPRESS_INSTRUMENTATION_KEY,  # noqa: SLF001 - has no public name
    "opentelemetry.genai.client.inference.context",  # an instrumentation on OTel's util-genai is at work
    "opentelemetry.genai.client.embedding.context",
)


class Slot:
    """Where every wrapper finds the engine of the moment; None while nothing is instrumented."""

    __slots__ = ("engine",)

    def __init__(self) -> None:
        self.engine: Engine | None = None


class Engine:
    """What all calls of one ``instrument()`` share.

    Attributes:
        failures: How often something of ours failed, per place.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider,
        *,
        version: str,
        meter_provider: MeterProvider | None = None,
        captures_content: bool = False,
        mirrors_cost: bool = True,
    ) -> None:
        self.failures: dict[str, int] = {}
        self._tracer: Tracer = tracer_provider.get_tracer(semconv.SCOPE, version)
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._version = version
        self._captures_content = captures_content
        self._mirrors_cost = mirrors_cost
        self._metrics: tuple[MeterProvider, metrics.CallMetrics] | None = None
        self._peers = PeerBook()
        self._streams: weakref.WeakSet[Call] = weakref.WeakSet()

    def open(
        self, provider: ProviderSpec, spec: CallSpec, instance: Any, arguments: Mapping[str, Any]
    ) -> Call | None:
        """Start the span of a call; None where no span is wanted or none could be made."""
        try:
            outer = context_api.get_current()
            for key in _SILENCERS:
                if key in outer and outer[key]:
                    return None
            client = instance._client  # noqa: SLF001 - where resources of these clients keep it
            if provider.native_tracer is not None and self._traces_itself(client, provider.native_tracer):
                return None
            return self._start(provider, spec, client, arguments, outer)
        except Exception:
            self.failed("open")
            return None

    def _start(
        self,
        provider: ProviderSpec,
        spec: CallSpec,
        client: Any,
        arguments: Mapping[str, Any],
        outer: Context,
    ) -> Call:
        peer = self._peers.peer(provider, client)
        facts = {semconv.OPERATION_NAME: spec.operation, **peer.attributes, semconv.ROLE: spec.role}
        name = spec.operation
        if "model" in arguments and arguments["model"].__class__ is str:
            facts[semconv.REQUEST_MODEL] = arguments["model"]
            name = f"{name} {arguments['model']}"
        span = self._tracer.start_span(name, outer, SpanKind.CLIENT, facts)
        inner = Context({**outer, _SPAN_KEY: span, _INNER_KEY: True, _OPENLLMETRY_KEY: True})
        call = Call(provider, spec, peer, span, inner, facts)
        if span.is_recording():
            call.take_request(arguments, captures_content=self._captures_content)
        else:
            call.is_over = True
        return call

    def _traces_itself(self, client: Any, native_tracer: str) -> bool:
        """Return whether a client makes spans of its own that reach the same provider as ours."""
        if getattr(client, native_tracer, None) is None:
            return False
        options = getattr(client, "_open_telemetry", None) or {}
        return (options.get("tracer_provider") or trace.get_tracer_provider()) is self._tracer_provider

    def settle(self, call: Call, result: Any) -> Any:
        """Take what the client gave back; return it, a stream behind a proxy of its own type."""
        if call.is_over:
            return result
        try:
            if call.raw is not None:
                self._settle_raw(call, result)
                return result
            if call.streams and (proxy := stream.proxy(self, call, result)) is not None:
                self._streams.add(call)
                return proxy
            call.take_answer(result)
        except Exception:
            self.failed("settle")
        self.end(call)
        return result

    def _settle_raw(self, call: Call, result: Any) -> None:
        if call.raw == "whole" and not call.streams:
            call.take_answer(_parsed(result))
            self.end(call)
        else:
            body.watch(self, call, result.http_response)
            self._streams.add(call)

    async def settle_parsed(self, call: Call, result: Any) -> Any:
        """Settle a raw response whose ``parse`` may be a coroutine; its body is in memory already."""
        parsed = _parsed(result)
        if hasattr(parsed, "__await__"):
            try:
                parsed = await parsed
            except Exception:  # as in _parsed
                parsed = None
        self.guard("answer", call.take_answer, parsed)
        self.end(call)
        return result

    def chunk(self, call: Call, item: Any) -> None:
        """Take one item of a stream."""
        try:
            call.take_chunk(item)
        except Exception:
            self.failed("chunk")

    def fail(self, call: Call, error: BaseException, *, is_complete: bool = True) -> None:
        """End a call that raised; one that was merely thrown away (``GeneratorExit``) did not fail."""
        if call.is_over:
            return
        if isinstance(error, GeneratorExit):
            self.end(call, is_complete=False)
            return
        try:
            call.take_error(error)
        except Exception:
            self.failed("fail")
        self.end(call, is_complete=is_complete)

    def end(self, call: Call, *, is_complete: bool = True) -> None:
        """End the span of a call, once; ``is_complete`` is False for a stream that was left."""
        if call.is_over:
            return
        call.is_over = True
        try:
            call.end(
                is_complete=is_complete, mirrors_cost=self._mirrors_cost, measures=self._current_metrics()
            )
        except Exception:
            self.failed("end")

    def abandon_streams(self) -> None:
        """End the spans of all streams that are still open: nobody will read them any more."""
        for call in list(self._streams):
            self.end(call, is_complete=False)

    def guard(self, place: str, work: Callable[..., object], *args: Any) -> None:
        """Do some work of ours; what goes wrong in it stays here."""
        try:
            work(*args)
        except Exception:
            self.failed(place)

    def failed(self, place: str) -> None:
        """Count a failure of ours, and tell of the first one per place."""
        count = self.failures.get(place, 0)
        self.failures[place] = count + 1
        if count == 0:
            _LOGGER.warning("otel_agentprof failed in %s; the program goes on", place, exc_info=True)

    def _current_metrics(self) -> metrics.CallMetrics | None:
        provider = self._meter_provider or metrics.current_provider()
        if not metrics.is_configured(provider):
            return None
        if self._metrics is None or self._metrics[0] is not provider:
            self._metrics = (provider, metrics.CallMetrics(provider, self._version))
        return self._metrics[1]


def wrapper(slot: Slot, provider: ProviderSpec, spec: CallSpec, *, is_async: bool) -> Callable[..., Any]:
    """Return the wrapt wrapper for one method."""
    if spec.deferred_request is not None:
        return _deferred(slot, provider, spec)
    return _async(slot, provider, spec) if is_async else _sync(slot, provider, spec)


def _sync(slot: Slot, provider: ProviderSpec, spec: CallSpec) -> Callable[..., Any]:
    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        engine = slot.engine
        opened = None if engine is None else engine.open(provider, spec, instance, kwargs)
        if engine is None or opened is None:
            return wrapped(*args, **kwargs)
        return _send(engine, opened, wrapped, args, kwargs)

    return call


def _send(
    engine: Engine, call: Call, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    token = context_api.attach(call.context)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        context_api.detach(token)
        engine.fail(call, error)
        raise
    context_api.detach(token)
    return engine.settle(call, result)


def _async(slot: Slot, provider: ProviderSpec, spec: CallSpec) -> Callable[..., Any]:
    async def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        engine = slot.engine
        opened = None if engine is None else engine.open(provider, spec, instance, kwargs)
        if engine is None or opened is None:
            return await wrapped(*args, **kwargs)
        return await _send_async(engine, opened, wrapped(*args, **kwargs))

    return call


async def _send_async(engine: Engine, call: Call, request: Awaitable[Any]) -> Any:
    token = context_api.attach(call.context)
    try:
        result = await request
    except BaseException as error:
        # A coroutine that is thrown away is closed wherever the collector runs: there is nothing to detach.
        if not isinstance(error, GeneratorExit) or context_api.get_current() is call.context:
            context_api.detach(token)
        engine.fail(call, error)
        raise
    context_api.detach(token)
    if call.raw == "whole" and not call.streams and not call.is_over:
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

    def _open(self) -> tuple[Engine | None, Call | None]:
        engine = self._slot.engine
        if engine is None:
            return None, None
        return engine, engine.open(self._provider, self._spec, self._instance, self._arguments)

    def __call__(self) -> Any:
        engine, opened = self._open()
        if engine is None or opened is None:
            return self._request()
        return _send(engine, opened, self._request, (), {})

    def __await__(self) -> Generator[Any, Any, Any]:
        engine, opened = self._open()
        if engine is None or opened is None:
            request: Generator[Any, Any, Any] = self._request.__await__()
            return request
        return _send_async(engine, opened, self._request).__await__()


def _parsed(raw: Any) -> Any:
    try:
        return raw.parse()  # cached: the user's own parse() gives the same object
    except Exception:  # a body that cannot be parsed is the user's to meet, at their own parse()
        return None
