"""The open runs of a framework, by the ids that the framework itself gives them.

    run     start(id, AGENT, "planner") ............................. end(id)
    tool              start(id, TOOL, "search", parent=id) .. end(id)
    model                                      start_model(id) .. end_model(id, answer)

A framework's call of a model gets a span only where no instrumented client was seen in it: the client's own
span knows more, and two would be one too many.
"""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from itertools import islice
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentprof import semconv
from otel_agentprof.instrumentation import current, figures
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.instrumentation.witness import WITNESS_KEY, Witness

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from opentelemetry.trace import Tracer

    from otel_agentprof.instrumentation.kinds import Kind
    from otel_agentprof.model.tokens import TokenUsage

Operation = Literal["chat", "embeddings"]
_MOST_OPEN: Final = 10_000
_INSIDE_KEY: Final = "otel_agentprof.runs"  # in a context: the runs whose bodies it belongs to
_SCOPE_KEY: Final = "otel_agentprof.models"  # in a context: the scope of all calls of models that begin in it


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


class ModelScope:
    """The context that a call of a model runs in, or several that a framework begins and ends together."""

    __slots__ = ("_lingers", "_outer_calls", "_token", "around", "is_shared", "keys", "outer", "witness")

    def __init__(self, around: Context, *, is_shared: bool = False) -> None:
        self.around = around
        outer: Any = around.get(WITNESS_KEY)
        self.outer: Witness | None = outer
        self._outer_calls = 0 if outer is None else outer.calls
        self._lingers = False
        self.witness = Witness()
        self.is_shared = is_shared
        self.keys: list[Hashable] = []
        inner = {key: value for key, value in around.items() if key != _SCOPE_KEY}
        inner[WITNESS_KEY] = self.witness
        if is_shared:
            inner[_SCOPE_KEY] = self
        self._token: object = context_api.attach(Context(inner))

    @property
    def has_seen_a_client(self) -> bool:
        """Whether an instrumented client was called."""
        if self.witness.calls:
            return True
        # A stream within a stream: only the outer witness was still there when both were read.
        outer = self.outer if self._lingers else None
        return outer is not None and outer.calls > self._outer_calls

    def leave(self) -> None:
        """Make the context current again that was before, once."""
        token, self._token = self._token, None
        if token is not None:
            current.leave(token)
        elif self._lingers and context_api.get_value(WITNESS_KEY) is self.witness:
            here = {**context_api.get_current(), WITNESS_KEY: self.outer}
            context_api.attach(Context({key: value for key, value in here.items() if value is not None}))

    def linger(self) -> None:
        """Make the context current again that was before, but for the witness, until the next ``leave``."""
        self.leave()
        self._lingers = True
        context_api.attach(context_api.set_value(WITNESS_KEY, self.witness))

    def tell_outer(self) -> None:
        """Count as a call that the model around made: one of them is enough."""
        if self.outer is not None:
            self.outer.calls += 1


@dataclass(slots=True)
class _ModelCall:
    scope: ModelScope
    asked: ModelAnswer
    operation: Operation
    start_ns: int
    first_chunk_ns: int | None = None
    answered: tuple[int, bool] | None = None  # when it was over, and whether a client had told of it by then

    def leave(self) -> None:
        if not self.scope.is_shared:
            self.scope.leave()


class RunBook:
    """The open runs of one framework; every method may be called from any thread, and none raises."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._runs: dict[Hashable, OpenSpan] = {}
        self._hidden: dict[Hashable, Hashable] = {}
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
            parent: Id of the run that it is a part of. The current span where that is not open, and where
                it is inside that run already: the user's own spans come between.
            facts: More attributes.
            is_current: Whether it becomes the current span here, until its end: only where start and end
                happen in the same thread and task, with nothing of the user's between them but the run.
        """
        context = self._context_in(parent)
        inside: Any = context.get(_INSIDE_KEY, ())
        context = Context({**context, _INSIDE_KEY: (*inside, key)})
        span = OpenSpan(kind.title(name), {**kind.facts(name), **(facts or {})}, self._tracer, parent=context)
        self._make_room()
        self._runs[key] = span
        if is_current:
            span.enter()
        return span

    def hide(self, key: Hashable, *, parent: Hashable = None) -> None:
        """Start a run that nobody wants to see: what is in it counts as its parent's."""
        self._make_room()
        self._hidden[key] = self._hidden.get(parent, parent)

    def get(self, key: Hashable) -> OpenSpan | None:
        """Return the span of a run that is open; its parent's where the run is hidden."""
        return self._runs.get(self._hidden.get(key, key))

    def enter(self, key: Hashable) -> None:
        """Make the span of an open run current, in a context that will be thrown away: nothing leaves it."""
        here = context_api.get_current()
        context = self._context_in(key)
        if context is not here:
            context_api.attach(context)

    def _context_in(self, key: Hashable) -> Context:
        """Return the current context where it is inside a run's body, else the run's own."""
        here = context_api.get_current()
        key = self._hidden.get(key, key)
        span = None if key is None else self._runs.get(key)
        inside: Any = here.get(_INSIDE_KEY, ())
        if span is None or span.context is None or key in inside:
            return here
        return span.context

    def end(
        self, key: Hashable, error: BaseException | None = None, *, facts: Mapping[str, Any] | None = None
    ) -> None:
        """End a run, if it is open.

        Args:
            key: The framework's id of the run.
            error: What ended it, as :meth:`OpenSpan.end` takes it.
            facts: Attributes that are only known now.
        """
        self._hidden.pop(key, None)
        span = self._runs.pop(key, None)
        if span is None:
            return
        for name, value in (facts or {}).items():
            span.set_attribute(name, value)
        span.leave()
        span.end(error)
        if error is not None:
            self._end_inside(key, error)

    def hand_over(self, key: Hashable) -> OpenSpan | None:
        """Leave a run whose work is still to come; whoever takes its span ends it."""
        span = self._runs.pop(key, None)
        if span is not None:
            span.leave()
        return span

    def _end_inside(self, key: Hashable, error: BaseException) -> None:
        """End what was going on in a run that was stopped: of cancelled work frameworks often tell no end."""
        reason = error if isinstance(error, GeneratorExit) else CancelledError()
        for inner, span in list(self._runs.items()):
            inside: Any = () if span.context is None else span.context.get(_INSIDE_KEY)
            if key in inside and self._runs.pop(inner, None) is not None:
                span.end(reason)

    def fail(self, key: Hashable, error_type: str) -> None:
        """Say that an open run went wrong, where the framework tells of no exception."""
        if (span := self._runs.get(key)) is not None:
            span.fail(error_type)

    def start_models(self, *, parent: Hashable = None) -> ModelScope:
        """Have all calls of models that begin here, until ``end_models``, seen by one witness.

        For a framework that begins several before any ends, or tells of them in tasks of their own, where
        nothing can be made current.
        """
        return ModelScope(self._context_in(parent), is_shared=True)

    def end_models(self, scope: ModelScope) -> None:
        """Put the context back, where ``start_models`` was called; calls without an end are forgotten."""
        scope.leave()
        for key in scope.keys:
            self._model_calls.pop(key, None)

    def start_model(
        self,
        key: Hashable,
        *,
        parent: Hashable = None,
        asked: ModelAnswer | None = None,
        operation: Operation = "chat",
    ) -> None:
        """Note that the framework calls a model now, in this thread and task.

        Args:
            key: The framework's id of the call.
            parent: Id of the run that it is a part of, as in ``start``.
            asked: What is known already: the model, the provider.
            operation: ``gen_ai.operation.name``.
        """
        shared: Any = context_api.get_value(_SCOPE_KEY)
        self._make_room()
        scope = shared or ModelScope(self._context_in(parent))
        scope.keys.append(key)
        self._model_calls[key] = _ModelCall(scope, asked or ModelAnswer(), operation, time_ns())

    def wait_for_reader(self, key: Hashable) -> None:
        """Put the context back while nobody reads a model's stream: its call may begin only then."""
        if (call := self._model_calls.get(key)) is not None:
            call.scope.linger()

    def is_calling(self, key: Hashable) -> bool:
        """Return whether a call of a model has begun and not ended."""
        return key in self._model_calls

    def first_chunk(self, key: Hashable) -> None:
        """Note a chunk of a model's stream: its consumer may get control now, so the context is put back."""
        call = self._model_calls.get(key)
        if call is not None and call.first_chunk_ns is None:
            call.first_chunk_ns = time_ns()
            call.leave()

    def model_answered(self, key: Hashable) -> None:
        """Note that a call of a model is over, though its end is told later: what follows is not in it."""
        call = self._model_calls.get(key)
        if call is not None and call.answered is None:
            call.answered = (time_ns(), call.scope.has_seen_a_client)

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
        call.leave()
        end_ns, is_told_by_client = call.answered or (end_ns, call.scope.has_seen_a_client)
        call.scope.tell_outer()
        if is_told_by_client:
            return
        facts = _facts(call, answer or ModelAnswer())
        title = " ".join(filter(None, (call.operation, facts.get(semconv.REQUEST_MODEL))))
        span = OpenSpan(title, facts, self._tracer, parent=call.scope.around, start_ns=call.start_ns)
        if error_type is not None:
            span.fail(error_type)
        span.end(error, end_ns=end_ns)

    def forget_model(self, key: Hashable) -> None:
        """Drop a call of a model without a span: there was none, or others told of it."""
        if (call := self._model_calls.pop(key, None)) is not None:
            call.leave()

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
        for forgotten in (self._hidden, self._model_calls):
            if len(forgotten) >= _MOST_OPEN:
                for key in list(islice(forgotten, _MOST_OPEN // 10)):
                    forgotten.pop(key, None)


def _facts(call: _ModelCall, told: ModelAnswer) -> dict[str, Any]:
    provider = told.provider or call.asked.provider
    first_chunk_ns = told.first_chunk_ns or call.first_chunk_ns
    known: dict[str, Any] = {
        semconv.OPERATION_NAME: call.operation,
        semconv.ROLE: "llm" if call.operation == "chat" else "embedding",
        semconv.REQUEST_MODEL: call.asked.model or told.model,
        semconv.RESPONSE_MODEL: told.model,
        semconv.PROVIDER_NAME: provider,
        semconv.RESPONSE_ID: told.response_id,
        semconv.RESPONSE_FINISH_REASONS: tuple(told.finish_reasons),
        semconv.TOOL_CALL_IDS: tuple(told.tool_call_ids),
    }
    facts = {attribute: value for attribute, value in known.items() if value}
    if first_chunk_ns is not None:
        facts[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = (first_chunk_ns - call.start_ns) / 1e9
    if told.usage is not None:
        usage = figures.sound(told.usage)
        figures.write_usage(facts, usage, has_output=call.operation == "chat")
        cost = figures.price_of(
            usage, told.model, asked=call.asked.model, provider=provider, address=None, tier=None
        )
        if cost is not None:
            figures.write_cost(facts, cost, is_mirrored=False)
    return facts
