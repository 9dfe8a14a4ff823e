"""A cache in front of a call: what may come from there, and how it looks when it does.

    open     ask       may this call be answered by a cache? then it has an Inquiry
    send     |find|    an answer: no request; the span says what was saved, and that nothing was billed
             |find|..the call..|keep|

A hit is a call like any other to the one who reads its answer; its tokens stand under names of their own.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import body, figures
from otel_agentprof.instrumentation.callers import Here
from otel_agentprof.instrumentation.recorder import recording
from otel_agentprof.instrumentation.spec import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from otel_agentprof.instrumentation.call import Call
    from otel_agentprof.instrumentation.engine import Engine
    from otel_agentprof.model.caching import Answer, AnswerCache, Lookup

_RAW_HEADER: Final = "X-Stainless-Raw-Response"  # how the clients ask themselves for a raw response
_NOT_IN_KEY: Final = frozenset({"timeout"})  # everything else may change the answer, headers too
_EXTRA_HEADERS: Final = "extra_headers"
_NUMBERS: Final = frozenset({int, float})
_SAVED: Final = {
    semconv.COST_TOTAL: semconv.CACHE_SAVED_USD,
    semconv.USAGE_INPUT_TOKENS: semconv.CACHE_SAVED_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS: semconv.CACHE_SAVED_OUTPUT_TOKENS,
    # Two spans with the id of one response would be taken for two views of one call.
    semconv.RESPONSE_ID: semconv.CACHE_RESPONSE_ID,
}
_NOT_OF_A_HIT: Final = (
    *figures.USAGE_ATTRIBUTES,
    *figures.COST_ATTRIBUTES,
    semconv.RESPONSE_ID,
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK,  # these times were of another call
    semconv.SERVER_QUEUE_TIME,
    semconv.SERVER_LOAD_TIME,
    semconv.SERVER_PROMPT_TIME,
    semconv.SERVER_COMPLETION_TIME,
)


def ask(cache: AnswerCache, call: Call, client: Any, arguments: Mapping[str, Any]) -> None:
    """Give a call its way through a cache, if it may have one."""
    provider, spec = call.provider, call.spec
    if spec.role not in semconv.LEAF_ROLES:
        return None
    if _EXTRA_HEADERS in arguments and _RAW_HEADER in (arguments[_EXTRA_HEADERS] or ()):
        return None
    streams = spec.streams or bool("stream" in arguments and arguments["stream"])
    if streams and provider.replay is None:
        return cache.skip("stream")
    if not cache.caches_sampled and _is_sampled(call, arguments):
        return cache.skip("sampled")
    for name in provider.stateful:
        if name in arguments and arguments[name]:
            return cache.skip("stateful")
    lookup = _lookup(cache, call, client, arguments, streams=streams)
    if lookup is not None:
        call.inquiry = inquiry = Inquiry(lookup, call, client, streams=streams)
        if "stream_options" in arguments and arguments["stream_options"].__class__ is dict:
            inquiry.needs_usage = bool(arguments["stream_options"].get("include_usage"))
    return None


def _lookup(
    cache: AnswerCache, call: Call, client: Any, arguments: Mapping[str, Any], *, streams: bool
) -> Lookup | None:
    provider = call.provider
    try:
        caller = provider.caller_of(client)
    except (AttributeError, LookupError, StopIteration, TypeError):
        # A function of the user's decides for whom it asks, or the client is of a version that nobody knows.
        cache.skip("not_by_value")
        return None
    is_local = caller.__class__ is Here
    told = [*caller] if is_local else caller
    salt = (provider.name, call.spec.operation, streams, call.peer.url, told)
    if not _NOT_IN_KEY.isdisjoint(arguments):
        arguments = {name: value for name, value in arguments.items() if name not in _NOT_IN_KEY}
    return cache.lookup(salt, arguments, is_local=is_local)


def _is_sampled(call: Call, arguments: Mapping[str, Any]) -> bool:
    """Return whether a request asks for a temperature above 0; one that names none does not."""
    facts = call.facts
    if call.is_over and call.spec.request_facts is not None:  # not traced: nobody has looked
        facts = {}
        call.spec.request_facts(arguments, facts)
    for asked in (facts, arguments):
        for name in (semconv.REQUEST_TEMPERATURE, "temperature"):
            if name in asked and asked[name].__class__ in _NUMBERS:
                return bool(asked[name] > 0)
    return False


class Inquiry:
    """A call's question to a cache.

    Attributes:
        found: The client's own kind of answer, after :meth:`find`; None where there is none.
        lookup: The way through the cache.
        needs_usage: Whether a stream is not whole before it has told its tokens.
    """

    __slots__ = (
        "_client",
        "_is_unseen",
        "_sent_ns",
        "_started_ns",
        "_was_ns",
        "call",
        "found",
        "lookup",
        "needs_usage",
        "streams",
    )

    def __init__(self, lookup: Lookup, call: Call, client: Any, *, streams: bool) -> None:
        self.lookup = lookup
        self.found: Any = None
        self.call = call
        self.streams = streams
        self.needs_usage = False
        self._client = client
        self._is_unseen = call.is_over  # not sampled: nobody reads its answer
        self._started_ns = self._sent_ns = perf_counter_ns()
        self._was_ns: int | None = None

    def find(self) -> None:
        """Look for the answer; where there is none, the request begins now."""
        if (answer := self.lookup.find()) is not None:
            self._take(answer, is_async=False)
        self.call.facts[semconv.CACHE_HIT] = False
        self._sent_ns = perf_counter_ns()

    async def afind(self) -> None:
        """Look for the answer, and let the event loop work meanwhile."""
        if (answer := await self.lookup.afind()) is not None:
            self._take(answer, is_async=True)
        self.call.facts[semconv.CACHE_HIT] = False
        self._sent_ns = perf_counter_ns()

    def _take(self, answer: Answer, *, is_async: bool) -> None:
        found, self._was_ns = answer
        replay = self.call.provider.replay
        if self.streams and replay is not None:
            found = replay(self._client, found, is_async)
        self.found = found

    def deliver(self, engine: Engine) -> Any:
        """Return the answer as if it had been sent for, and say so on the span."""
        self.call.hit = Hit(self._started_ns, self._was_ns)
        return engine.settle(self.call, self.found)

    def took_ns(self) -> int:
        """Return how long the request has taken by now."""
        return perf_counter_ns() - self._sent_ns

    def may_keep(self, result: Any) -> bool:
        """Return whether a result is an answer: neither raw nor an error that came as data."""
        if result is None or result.__class__.__name__ in body.RAW_CLASSES:
            return False
        reply = self.call.reply
        if self._is_unseen:
            reply = Reply()
            self.call.spec.read(reply, result)
        return reply.error is None

    def keep(self, result: Any) -> None:
        """Keep a whole answer."""
        if self.may_keep(result):
            self.lookup.keep(result, perf_counter_ns() - self._sent_ns)

    async def akeep(self, result: Any) -> None:
        """Keep a whole answer, and let the event loop work meanwhile."""
        if self.may_keep(result):
            await self.lookup.akeep(result, perf_counter_ns() - self._sent_ns)


def send(engine: Engine, inquiry: Inquiry, request: Callable[[], Any]) -> Any:
    """Return the answer to a call from its cache, else send the request and keep what comes."""
    try:
        engine.guard("cache", inquiry.find)
    except BaseException as error:
        engine.fail(inquiry.call, error)  # interrupted while it waited for an equal one
        raise
    if inquiry.found is not None:
        return inquiry.deliver(engine)
    try:
        result = request()
    except BaseException:
        engine.guard("cache", inquiry.lookup.drop)
        raise
    if inquiry.streams:
        return recording(engine, inquiry, result)
    engine.guard("cache", inquiry.keep, result)
    inquiry.lookup.drop()  # what was not kept
    return result


async def send_async(engine: Engine, inquiry: Inquiry, request: Callable[[], Awaitable[Any]]) -> Any:
    """Do as :func:`send`."""
    try:
        await engine.guard_async("cache", inquiry.afind)
    except BaseException as error:
        engine.fail(inquiry.call, error)
        raise
    if inquiry.found is not None:
        return inquiry.deliver(engine)
    try:
        result = await request()
        if inquiry.streams:
            return recording(engine, inquiry, result)
        await engine.guard_async("cache", inquiry.akeep, result)
    except BaseException:  # cancelled while it was kept, too
        engine.guard("cache", inquiry.lookup.drop)
        raise
    inquiry.lookup.drop()  # what was not kept
    return result


class Hit:
    """What a call would have cost that was answered by a cache."""

    __slots__ = ("_started_ns", "_was_ns")

    def __init__(self, started_ns: int, was_ns: int | None) -> None:
        self._started_ns = started_ns
        self._was_ns = was_ns

    def write(self, facts: dict[str, Any], *, is_mirrored: bool) -> None:
        """Turn what an answer says it cost into what was saved: nothing was billed again."""
        for attribute, saved in _SAVED.items():
            if attribute in facts:
                facts[saved] = facts[attribute]
        for attribute in _NOT_OF_A_HIT:
            facts.pop(attribute, None)
        facts[semconv.CACHE_HIT] = True
        if self._was_ns is not None:
            facts[semconv.CACHE_SAVED_NS] = max(0, self._was_ns - (perf_counter_ns() - self._started_ns))
        figures.write_total(facts, 0.0, "cache", is_mirrored=is_mirrored)
