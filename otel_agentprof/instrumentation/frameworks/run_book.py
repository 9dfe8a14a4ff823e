"""The open runs of a framework, by the ids that the framework itself gives them.

    run     start(id, AGENT, "planner") ............................. end(id)
    tool              start(id, TOOL, "search", parent=id) .. end(id)
    model                                      start_model(id) .. end_model(id, answer)

A framework's call of a model gets a span only where no instrumented client was seen in it: the client's own
span knows more, and two would be one too many.
"""

from __future__ import annotations

from itertools import islice
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode

from otel_agentprof import semconv
from otel_agentprof.instrumentation import current, figures
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.instrumentation.witness import WITNESS_KEY, Witness

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from opentelemetry.trace import Tracer

    from otel_agentprof.instrumentation.kinds import Kind
    from otel_agentprof.model.tokens import TokenUsage

_MOST_OPEN: Final = 10_000


class ModelAnswer(NamedTuple):
    """What a framework says of a finished call of a model.

    Attributes:
        model: The model that answered, or was asked.
        provider: ``gen_ai.provider.name``; None where the framework does not say.
        usage: Tokens by the convention of TokenUsage; None where the framework names none.
        response_id: The provider's id of the response.
        finish_reasons: In the provider's words.
        tool_call_ids: Calls that the agent is asked to run.
        first_chunk_ns: When the first piece of a stream came, since the epoch.
    """

    model: str | None = None
    provider: str | None = None
    usage: TokenUsage | None = None
    response_id: str | None = None
    finish_reasons: Sequence[str] = ()
    tool_call_ids: Sequence[str] = ()
    first_chunk_ns: int | None = None


class _ModelCall(NamedTuple):
    witness: Witness
    outer: Witness | None
    parent: Context
    token: object
    start_ns: int


class RunBook:
    """The open runs of one framework; every method may be called from any thread, and none raises."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._runs: dict[Hashable, OpenSpan] = {}
        self._model_calls: dict[Hashable, _ModelCall] = {}

    def start(
        self,
        key: Hashable,
        kind: Kind,
        name: str | None,
        *,
        parent: Hashable = None,
        facts: Mapping[str, Any] | None = None,
        is_current: bool = True,
    ) -> OpenSpan:
        """Start the span of a run.

        Args:
            key: The framework's id of the run.
            kind: What kind of work it is.
            name: What works: an agent, a tool.
            parent: Id of the run that it is a part of; the current span's context where that is not open.
            facts: More attributes.
            is_current: Whether it becomes the current span here, until its end: only where start and end
                happen in the same thread and task, with nothing of the user's between them but the run.
        """
        outer = self._runs.get(parent) if parent is not None else None
        context = None if outer is None else outer.context
        span = OpenSpan(kind.title(name), {**kind.facts(name), **(facts or {})}, self._tracer, parent=context)
        self._make_room()
        self._runs[key] = span
        if is_current:
            span.enter()
        return span

    def get(self, key: Hashable) -> OpenSpan | None:
        """Return the span of a run that is open."""
        return self._runs.get(key)

    def end(
        self, key: Hashable, error: BaseException | None = None, *, facts: Mapping[str, Any] | None = None
    ) -> None:
        """End a run, if it is open.

        Args:
            key: The framework's id of the run.
            error: What ended it, as :meth:`OpenSpan.end` takes it.
            facts: Attributes that are only known now.
        """
        span = self._runs.pop(key, None)
        if span is None:
            return
        for name, value in (facts or {}).items():
            span.set_attribute(name, value)
        span.leave()
        span.end(error)

    def fail(self, key: Hashable, error_type: str) -> None:
        """Say that an open run went wrong, where the framework tells of no exception."""
        if (span := self._runs.get(key)) is not None:
            _fail(span, error_type)

    def start_model(self, key: Hashable, *, parent: Hashable = None) -> None:
        """Note that the framework calls a model now, in this thread and task."""
        outer = self._runs.get(parent) if parent is not None else None
        now = context_api.get_current()
        context = (None if outer is None else outer.context) or now
        around: Any = now.get(WITNESS_KEY)
        witness = Witness()
        token = context_api.attach(Context({**now, WITNESS_KEY: witness}))
        self._model_calls[key] = _ModelCall(witness, around, context, token, time_ns())

    def end_model(
        self,
        key: Hashable,
        answer: ModelAnswer | None = None,
        error: BaseException | None = None,
        *,
        error_type: str | None = None,
        end_ns: int | None = None,
    ) -> None:
        """End a call of a model: a span of its own, unless an instrumented client was seen in it.

        Args:
            key: As in ``start_model``.
            answer: What the framework knows of it.
            error: What ended it.
            error_type: Where it went wrong and the framework tells of no exception.
            end_ns: When it was over, since the epoch; None for now.
        """
        call = self._model_calls.pop(key, None)
        if call is None:
            return
        current.leave(call.token)
        if call.outer is not None:
            call.outer.calls += 1  # a call within a call: one of them is enough
        if call.witness.calls:
            return
        told = answer or ModelAnswer()
        facts = _facts(told, call.start_ns)
        title = f"chat {told.model}" if told.model else "chat"
        span = OpenSpan(title, facts, self._tracer, parent=call.parent, start_ns=call.start_ns)
        if error_type is not None:
            _fail(span, error_type)
        span.end(error, end_ns=end_ns)

    def forget_model(self, key: Hashable) -> None:
        """Drop a call of a model without a span: there was none, or others told of it."""
        if (call := self._model_calls.pop(key, None)) is not None:
            current.leave(call.token)

    def close(self) -> None:
        """End all that is open: nobody will tell of its end any more."""
        for key in list(self._model_calls):
            self.forget_model(key)
        for key in list(self._runs):
            self.end(key, GeneratorExit())

    def _make_room(self) -> None:
        if len(self._runs) >= _MOST_OPEN:  # a framework that forgets to tell of ends
            for key in list(islice(self._runs, _MOST_OPEN // 10)):
                self.end(key, GeneratorExit())


def _fail(span: OpenSpan, error_type: str) -> None:
    span.set_attribute(semconv.ERROR_TYPE, error_type)
    span.guarded(span.span.set_status, StatusCode.ERROR)


def _facts(told: ModelAnswer, start_ns: int) -> dict[str, Any]:
    known: dict[str, Any] = {
        semconv.OPERATION_NAME: "chat",
        semconv.ROLE: "llm",
        semconv.REQUEST_MODEL: told.model,
        semconv.RESPONSE_MODEL: told.model,
        semconv.PROVIDER_NAME: told.provider,
        semconv.RESPONSE_ID: told.response_id,
        semconv.RESPONSE_FINISH_REASONS: tuple(told.finish_reasons),
        semconv.TOOL_CALL_IDS: tuple(told.tool_call_ids),
    }
    facts = {attribute: value for attribute, value in known.items() if value}
    if told.first_chunk_ns is not None:
        facts[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = (told.first_chunk_ns - start_ns) / 1e9
    if told.usage is not None:
        usage = figures.sound(told.usage)
        figures.write_usage(facts, usage, has_output=True)
        cost = (
            figures.price_of(usage, told.model, provider=told.provider, address=None, tier=None)
            if told.model
            else None
        )
        if cost is not None:
            figures.write_cost(facts, cost, is_mirrored=False)
    return facts
