"""The one engine behind every patched method (method.py): request in, span out, the user's own object back.

    open     the span starts, the request's facts are taken
    send     the client works; only now is the span current
    settle   a whole answer   -> attributes, cost, end
             a stream         -> a proxy that settles when it is over          (stream.py)
             a raw response   -> read from memory, or as the user reads it     (body.py)

Whatever happens, a call ends its span exactly once, and nothing of ours is raised into the program: every
way into our code is guarded here, and only here. ``BudgetExceeded`` alone passes, before anything is sent:
the user asked for it.
"""

from __future__ import annotations

import logging
import weakref
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from otel_agentprof import semconv
from otel_agentprof.errors import BudgetExceeded
from otel_agentprof.instrumentation import body, caching, foreign, metrics, nesting, planning, stream
from otel_agentprof.instrumentation.background import Owed
from otel_agentprof.instrumentation.call import Call
from otel_agentprof.instrumentation.framework import Attachment
from otel_agentprof.instrumentation.peer import PeerBook
from otel_agentprof.instrumentation.witness import WITNESS_KEY
from otel_agentprof.model.caching import CONTEXT_KEY
from otel_agentprof.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from otel_agentprof.instrumentation.peer import Peer
    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec
    from otel_agentprof.model.budget import SpendingLimit
    from otel_agentprof.model.caching import AnswerCache

_LOGGER = logging.getLogger(__name__)
_REMOTE: Final = frozenset({"llm", "embedding", "retrieval"})


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
        budget: SpendingLimit | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        self.failures: dict[str, int] = {}
        self._tracer: Tracer = tracer_provider.get_tracer(semconv.SCOPE, version)
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._version = version
        self._captures_content = captures_content
        self._mirrors_cost = mirrors_cost
        self._budget = budget
        self._cache = cache
        self._metrics: tuple[MeterProvider, metrics.CallMetrics] | None = None
        self._peers = PeerBook()
        self._owed = Owed(settle=self._settle_untold, reopen=self._reopen)
        self._streams: weakref.WeakSet[Call] = weakref.WeakSet()

    @property
    def attachment(self) -> Attachment:
        """What the adapters of frameworks need."""
        return Attachment(self._tracer_provider, self._tracer, self._captures_content, self._meter_provider)

    def is_at_work(self) -> bool:
        """Return whether a client is being called already: what it calls itself is the same call."""
        return nesting.INNER_KEY in context_api.get_current()

    def wants(self, spec: CallSpec, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Return whether a call through one method is one of ours; where no more is known, it is."""
        if spec.route is None:
            return True
        try:
            return spec.route(instance, args, kwargs) is not None
        except Exception:
            self.failed("open")
            return False

    def open(
        self,
        provider: ProviderSpec,
        spec: CallSpec,
        instance: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Call | None:
        """Start the span of a call; None where no span is wanted or none could be made."""
        try:
            if spec.route is not None:  # first: what is none of ours shall cost next to nothing
                found = spec.route(instance, args, kwargs)
                if found is None:
                    return None
                spec, kwargs, args = *found, ()
            outer = context_api.get_current()
            if WITNESS_KEY in outer and spec.role in semconv.LEAF_ROLES:
                witness: Any = outer[WITNESS_KEY]
                witness.calls += 1
            if nesting.is_silenced(outer, provider, spec):
                return None
            if args:
                kwargs = {**dict(zip(spec.positional, args, strict=False)), **kwargs}
            client = provider.client_of(instance) if spec.client_of is None else spec.client_of(kwargs)
            if provider.transport is not None and self._is_traced(provider, client):
                self._leave_to_others(provider, spec, client, kwargs, outer)
                return None
            return self._start(provider, spec, instance, client, kwargs, outer)
        except BudgetExceeded:
            raise
        except Exception:
            self.failed("open")
            return None

    def _start(
        self,
        provider: ProviderSpec,
        spec: CallSpec,
        instance: Any,
        client: Any,
        arguments: Mapping[str, Any],
        outer: Context,
    ) -> Call:
        peer = self._peers.peer(provider, client)
        name, model = spec.operation, None
        if spec.model_of is not None:
            model = spec.model_of(instance, arguments)
        elif "model" in arguments:
            model = arguments["model"]
        facts = {semconv.OPERATION_NAME: spec.operation, **peer.attributes, semconv.ROLE: spec.role}
        if model.__class__ is str:
            if peer.stranger is not None and not provider.own_models.match(model):  # type: ignore[union-attr]  # a stranger stands beside them
                peer = peer.stranger
                facts.update(peer.attributes)
            facts[semconv.REQUEST_MODEL] = model
            name = f"{name} {model}"
        if spec.subject is not None and (subject := spec.subject(instance, arguments)):
            name = f"{spec.operation} {subject}"
            if spec.subject_key is not None:
                facts[spec.subject_key] = subject
        if spec.about is not None:
            facts.update(spec.about(instance, arguments))
        kind = SpanKind.CLIENT if spec.role in _REMOTE or spec.later is not None else SpanKind.INTERNAL
        claim = self._claim(spec, peer, model, arguments, outer) if self._budget is not None else None
        span = self._tracer.start_span(name, outer, kind, facts)
        call = Call(provider, spec, peer, span, nesting.inside(outer, span, provider, spec), facts)
        call.claim = claim
        self._take_request(call, arguments)
        cache = outer[CONTEXT_KEY] if CONTEXT_KEY in outer else self._cache
        if cache is not None:
            self.guard("cache", caching.ask, cache, call, client, arguments)
        return call

    def _take_request(self, call: Call, arguments: Mapping[str, Any]) -> None:
        if call.claim is not None and self._budget is not None:
            self.guard("budget", self._budget.opened, call.claim, call.span)
        elif not call.span.is_recording():
            call.is_over = True
            return
        self.guard("request", call.take_request, arguments, self._captures_content)

    def _claim(
        self, spec: CallSpec, peer: Peer, model: Any, arguments: Mapping[str, Any], outer: Context
    ) -> object:
        """Ask the budget for what a call is held to take; a failure of ours refuses nothing."""
        if self._budget is None or spec.role not in semconv.LEAF_ROLES:
            return None
        try:
            return self._budget.admit(planning.planned(spec, peer, model, arguments, outer))
        except BudgetExceeded:
            raise
        except Exception:
            self.failed("budget")
            return None

    def _leave_to_others(
        self,
        provider: ProviderSpec,
        spec: CallSpec,
        client: Any,
        arguments: Mapping[str, Any],
        outer: Context,
    ) -> None:
        """Make no span; a budget is asked all the same, and charged when the others' span ends."""
        if (budget := self._budget) is None:
            return
        peer, model = self._peers.peer(provider, client), arguments.get("model")
        claim = self._claim(spec, peer, model, arguments, outer)
        if claim is not None:
            budget.settle(claim, None, None, "elsewhere")

    def _is_traced(self, provider: ProviderSpec, client: Any) -> bool:
        """Return whether the client itself, or somebody beneath it, makes a span of each call."""
        request = client.request  # every call goes through it, and some tracers patch it
        if (type(request) is not MethodType or request.__module__ != provider.transport) and foreign.traces(
            request
        ):
            return True
        return provider.native_tracer is not None and self._traces_itself(client, provider.native_tracer)

    def _traces_itself(self, client: Any, native_tracer: str) -> bool:
        """Return whether a client makes spans of its own that reach the same provider as ours."""
        if getattr(client, native_tracer, None) is None:
            return False
        options = getattr(client, "_open_telemetry", None) or {}
        ours = self._tracer_provider
        theirs = options.get("tracer_provider") or trace.get_tracer_provider()
        return theirs is ours or (isinstance(ours, StandIn) and theirs is ours.provider())

    def settle(self, call: Call, result: Any) -> Any:
        """Take what the client gave back; return it, a stream behind a proxy of its own type."""
        if call.is_over:
            return result
        try:
            if result.__class__.__name__ in body.RAW_CLASSES:
                if body.is_in_memory(call, result):
                    call.take_answer(_parsed(result))
                else:
                    self._streams.add(call)
                    body.watch(self, call, result.http_response)
                    return result
            elif call.streams and (proxied := self._with_proxy(call, result)) is not None:
                self._streams.add(call)
                return proxied
            else:
                call.take_answer(result)
        except Exception:
            self.failed("settle")
        self.end(call)
        return result

    def _with_proxy(self, call: Call, result: Any) -> Any | None:
        """Return a stream behind its proxy, or the result with its stream behind one; None for no stream."""
        place = call.spec.stream_at
        if place is None:
            return stream.proxy(self, call, result)
        is_dict = isinstance(result, dict)
        proxy = stream.proxy(self, call, result[place] if is_dict else getattr(result, place))
        if proxy is None:
            return None
        call.spec.read(call.reply, result)
        if is_dict:
            result[place] = proxy
        else:
            setattr(result, place, proxy)
        return result

    def lazy(self, begin: Callable[[], Call | None], unsent: Any) -> Any:
        """Return a stream that has sent nothing yet behind a proxy: its call begins with the first item."""
        try:
            return stream.lazy_proxy(self, begin, unsent)
        except Exception:
            self.failed("settle")
            return unsent

    def watch(self, call: Call) -> None:
        """End a call's span at the latest when the program ends."""
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
        call.is_over = True  # claimed: another thread may be closing the same stream
        if isinstance(error, GeneratorExit):
            is_complete = False
        else:
            self.guard("fail", call.take_error, error)
        self._finish(call, is_complete=is_complete)

    def end(self, call: Call, *, is_complete: bool = True) -> None:
        """End the span of a call, once; ``is_complete`` is False for a stream that was left."""
        if call.is_over:
            return
        call.is_over = True
        self._finish(call, is_complete=is_complete)

    def _finish(self, call: Call, *, is_complete: bool) -> None:
        try:
            is_measured = call.claim is None or call.span.is_recording()
            if call.spec.later is not None and call.hit is None:
                self.guard("later", self._owed.note if call.spec.later == "asked" else self._owed.pay, call)
            call.end(is_complete=is_complete, mirrors_cost=self._mirrors_cost)
            if is_measured and (measures := self._current_metrics()) is not None:
                call.measure(measures)
        except Exception:
            self.failed("end")
        if call.claim is not None and self._budget is not None:
            facts = call.facts
            usd = facts[semconv.COST_TOTAL] if semconv.COST_TOTAL in facts else None
            outcome = "failed" if semconv.ERROR_TYPE in facts else "answered"
            if call.hit is not None:
                outcome = "cached"
            self.guard("budget", self._budget.settle, call.claim, call.usage, usd, outcome)

    def _settle_untold(self, claim: object) -> None:
        if self._budget is not None:
            self._budget.settle(claim, None, None, "answered")

    def _reopen(self, claim: object, span: Any) -> None:
        if self._budget is not None:
            self._budget.opened(claim, span)

    def abandon_streams(self) -> None:
        """End the spans of all streams that are still open: nobody will read them any more."""
        references = self._streams.data  # type: ignore[attr-defined]  # not in typeshed
        for reference in list(references):  # taken in one step: other threads may be adding to it
            if (call := reference()) is not None:
                self.end(call, is_complete=False)

    def note_retries(self, count: int) -> None:
        """Note that the call whose request is being sent was tried again so often."""
        context = context_api.get_current()
        if nesting.INNER_KEY in context:
            trace.get_current_span(context).set_attribute(semconv.RETRY_COUNT, count)

    def guard(self, place: str, work: Callable[..., Any], *args: Any) -> Any:
        """Do some work of ours and return what it gives; what goes wrong in it stays here: None."""
        try:
            return work(*args)
        except Exception:
            self.failed(place)
            return None

    async def guard_async(self, place: str, work: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Do as :meth:`guard`, for work that is awaited."""
        try:
            await work(*args)
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


def _parsed(raw: Any) -> Any:
    try:
        return raw.parse()  # cached: the user's own parse() gives the same object
    except Exception:  # a body that cannot be parsed is the user's to meet, at their own parse()
        return None
