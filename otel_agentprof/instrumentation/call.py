"""One call of a client: what its request said, what came back, what it cost. Ends its span once."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Status, StatusCode

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content, figures, fingerprints
from otel_agentprof.instrumentation.spec import Reply
from otel_agentprof.instrumentation.streamed import StreamedText
from otel_agentprof.model import hand_over

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from otel_agentprof.instrumentation.caching import Hit, Inquiry
    from otel_agentprof.instrumentation.metrics import CallMetrics
    from otel_agentprof.instrumentation.peer import Peer
    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec
    from otel_agentprof.model.tokens import TokenUsage

_SCALARS: Final = frozenset({str, int, float, bool})


class Call:
    """One request and its answer.

    Attributes:
        claim: What a budget has reserved for the call; None where there is no budget.
        context: The caller's context with this call's span in it; current only while the request is sent.
        opening: Attributes that the span started with.
        facts: Attributes gathered on the way; written in one go before the span ends.
        hit: What a cache saved, where the answer came from one.
        inquiry: The question to a cache before the request is sent; None where there is none.
        is_over: Whether the span has ended (or never records).
        is_reading: Whether an item of a stream is being waited for.
        pace: How fast the user's reader takes a stream, where it says so.
        streams: Whether a stream was asked for.
    """

    __slots__ = (
        "__weakref__",
        "captures_content",
        "claim",
        "context",
        "facts",
        "fingerprint",
        "first_chunk_s",
        "hit",
        "idle_s",
        "inquiry",
        "is_over",
        "is_reading",
        "opening",
        "pace",
        "paused",
        "peer",
        "provider",
        "reply",
        "span",
        "spec",
        "started",
        "streams",
        "usage",
    )

    def __init__(
        self,
        provider: ProviderSpec,
        spec: CallSpec,
        peer: Peer,
        span: Span,
        context: Context,
        opening: Mapping[str, Any],
    ) -> None:
        self.provider = provider
        self.spec = spec
        self.peer = peer
        self.span = span
        self.context = context
        self.opening = opening
        self.claim: object = None
        self.facts: dict[str, Any] = {**spec.constants}
        self.fingerprint: fingerprints.Job | None = None
        self.reply = Reply()
        self.usage: TokenUsage | None = None
        self.captures_content = False
        self.first_chunk_s: float | None = None
        self.hit: Hit | None = None
        self.inquiry: Inquiry | None = None
        self.idle_s = 0.0
        self.is_over = False
        self.is_reading = False
        self.streams = spec.streams
        self.paused: float | None = None
        self.pace: hand_over.Pace | None = None
        self.started = perf_counter()

    @property
    def sends_on(self) -> bool:
        """Whether more calls may be made beneath this one while its stream is read: an agent's loop."""
        return self.spec.role == "agent"

    def take_request(self, arguments: Mapping[str, Any], captures_content: bool) -> None:  # noqa: FBT001 - through the guard
        """Note what the request says, now: the caller may change its lists as soon as the call is over."""
        facts = self.facts
        if self.spec.has_fingerprint:
            self._take_fingerprint(arguments)
        for argument, attribute in self.spec.request.items():
            if argument in arguments and arguments[argument].__class__ in _SCALARS:
                facts[attribute] = arguments[argument]
        if self.streams:
            facts[semconv.REQUEST_STREAM] = True
        elif "stream" in arguments:
            if arguments["stream"]:
                facts[semconv.REQUEST_STREAM] = self.streams = True
            else:
                facts.pop(semconv.REQUEST_STREAM, None)  # absent means "not streaming"
        if self.streams and (pace := hand_over.PACE.get()) is not None and not pace.is_told:
            self.pace = pace
            pace.is_told = True
        if self.spec.request_facts is not None:
            self.spec.request_facts(arguments, facts)
        if captures_content:
            self.captures_content = True
            self.reply.output = StreamedText() if self.streams else None
            self._take_content(arguments)

    def _take_fingerprint(self, arguments: Mapping[str, Any]) -> None:
        place, key = self.peer.address, self.spec.subject_key
        if key is not None and key in self.opening:  # the same question to another collection is another one
            place = f"{place} {self.opening[key]}"
        self.fingerprint = fingerprints.of_request(self.provider, self.spec, place, arguments)

    def _take_content(self, arguments: Mapping[str, Any]) -> None:
        if self.spec.read_content is None:
            return
        asked = self.spec.read_content(arguments)
        self.facts[semconv.INPUT_MESSAGES] = content.dump(asked.input)
        if asked.system:
            self.facts[semconv.SYSTEM_INSTRUCTIONS] = content.dump(asked.system)
        if asked.tools:
            self.facts[semconv.TOOL_DEFINITIONS] = content.dump(asked.tools)

    def take_answer(self, answer: Any) -> None:
        """Note what a whole answer says; a body that was no JSON comes as text and says nothing."""
        if answer is None or answer.__class__ is str:
            return
        self.spec.read(self.reply, answer)
        if self.peer.read_more is not None:
            self.peer.read_more(self.reply, answer)
        if self.captures_content and self.spec.read_output is not None:
            self.facts[semconv.OUTPUT_MESSAGES] = content.dump(self.spec.read_output(answer))

    def pause(self) -> None:
        """Note that the headers of a stream are here, and nobody waits for its first item yet."""
        self.paused = perf_counter()

    def resume(self) -> None:
        """Note that its first item is waited for: the time in between is the user's, not the server's."""
        if self.paused is not None:
            self.idle_s = perf_counter() - self.paused
            self.paused = None

    def take_chunk(self, chunk: Any) -> None:
        """Note what one item of a stream says."""
        if self.first_chunk_s is None:
            self.first_chunk_s = perf_counter() - self.started - self.idle_s
        if self.spec.read_chunk is not None:
            self.spec.read_chunk(self.reply, chunk)
        if self.peer.read_more is not None:
            self.peer.read_more(self.reply, chunk)

    def end(self, *, is_complete: bool, mirrors_cost: bool) -> None:
        """Write everything that is known and end the span, whatever goes wrong in the writing."""
        try:
            self._gather(is_complete=is_complete, mirrors_cost=mirrors_cost)
            if self.hit is not None:
                self.hit.write(self.facts, is_mirrored=mirrors_cost)
        finally:
            self.span.set_attributes(self.facts)
            self.span.end()

    def _gather(self, *, is_complete: bool, mirrors_cost: bool) -> None:
        facts, reply = self.facts, self.reply
        if self.fingerprint is not None:
            facts.update(self.fingerprint.take())
        for attribute, value in (
            (semconv.RESPONSE_ID, reply.id),
            (semconv.RESPONSE_MODEL, reply.model),
            (semconv.RESPONSE_FINISH_REASONS, reply.finish_reasons),
            (semconv.TOOL_CALL_IDS, reply.tool_call_ids),
            (self.provider.service_tier, reply.service_tier),
        ):
            if value and attribute is not None:
                facts[attribute] = value
        if reply.more is not None:
            facts.update(reply.more)
        if self.pace is not None:
            facts.update(self.pace.facts())
        if self.first_chunk_s is not None:
            facts[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk_s
        if not is_complete and not reply.is_final:
            facts[semconv.STREAM_COMPLETE] = False
        if reply.error is not None and semconv.ERROR_TYPE not in facts:
            facts[semconv.ERROR_TYPE] = reply.error
            self.span.set_status(Status(StatusCode.ERROR, reply.error))
        self._take_usage(is_complete=is_complete)
        self._take_cost(mirrors_cost=mirrors_cost)
        if reply.output is not None:
            facts[semconv.OUTPUT_MESSAGES] = content.dump(reply.output.messages())

    def measure(self, measures: CallMetrics) -> None:
        """Record the call in the histograms; not one that a cache answered, for the provider had no part."""
        if self.hit is not None:
            return
        duration_s = perf_counter() - self.started
        measures.record({**self.opening, **self.facts}, duration_s, self.usage, self.context)

    def take_error(self, error: BaseException) -> None:
        """Note how a call failed: the provider's own code, else the class of the exception."""
        code, status = _code_and_status(error, self.provider)
        kind = type(error)
        is_builtin = kind.__module__ == "builtins"
        name = kind.__qualname__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}"
        self.facts[semconv.ERROR_TYPE] = code if isinstance(code, str) and code else name
        if status is not None:
            self.facts[semconv.HTTP_RESPONSE_STATUS_CODE] = status
        if count := _retries_before(error):
            self.facts[semconv.RETRY_COUNT] = count
        if self.provider.error_facts is not None:
            self.facts.update(self.provider.error_facts(error))
        self.span.set_status(Status(StatusCode.ERROR, kind.__qualname__))
        if self.captures_content:  # the text of an error often repeats the request; and it may be hard to get
            self.span.set_status(Status(StatusCode.ERROR, f"{kind.__qualname__}: {error}"))

    def _take_usage(self, *, is_complete: bool) -> None:
        if self.reply.usage is not None:
            self.usage = usage = figures.sound(self.reply.usage)
            has_output = self.spec.role == "llm" and (is_complete or usage.output > 0)
            figures.write_usage(self.facts, usage, has_output=has_output)

    def _take_cost(self, *, mirrors_cost: bool) -> None:
        opening, peer, reply, usage = self.opening, self.peer, self.reply, self.usage
        if reply.cost_usd is not None:
            figures.write_total(self.facts, reply.cost_usd, "provider", is_mirrored=mirrors_cost)
            return
        asked = opening[semconv.REQUEST_MODEL] if semconv.REQUEST_MODEL in opening else None
        if usage is None or not (reply.model or asked):
            return
        billed = usage if reply.billed is None else reply.billed
        cost = figures.price_of(
            billed,
            reply.model,
            asked=asked,
            provider=peer.provider,
            address=peer.address,
            tier=reply.service_tier,
        )
        if cost is not None:
            figures.write_cost(self.facts, cost, is_mirrored=mirrors_cost)
        elif reply.reckoned_usd:  # zero is what a library says that knows no price
            name = self.provider.name
            figures.write_total(self.facts, reply.reckoned_usd, name, is_mirrored=mirrors_cost)


def _code_and_status(error: BaseException, provider: ProviderSpec) -> tuple[Any, int | None]:
    if provider.read_error is not None:
        return provider.read_error(error)
    code = getattr(error, provider.error_code, None) or _code_in(
        getattr(error, "body", None), provider.error_code
    )
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and status > 0:  # -1: Ollama's word for an error inside a stream
            return code, status
    return code, None


def _retries_before(error: BaseException) -> int:
    """Return how often a Stainless client tried again: the last request, which its error keeps, says so."""
    request = error.__dict__.get("request")  # as an attribute it raises where there is none (httpx)
    headers = getattr(request, "headers", None)
    count = headers.get("x-stainless-retry-count", "") if isinstance(headers, Mapping) else ""
    return int(count) if count.isdecimal() else 0


def _code_in(body: Any, name: str) -> Any:
    """Return the provider's error code from an error's body, where older clients leave it."""
    if body.__class__ is dict and "error" in body:
        body = body["error"]
    return body[name] if body.__class__ is dict and name in body else None
