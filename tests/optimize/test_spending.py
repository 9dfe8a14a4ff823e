"""Budgets by themselves: what is refused as a value, time, bounds, forks, errors that travel."""

from __future__ import annotations

import os
import pickle
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, SpanKind, Status

import otel_agentprof as ap
from otel_agentprof.model import TokenUsage
from otel_agentprof.model.budget import Planned
from otel_agentprof.optimize import ledgers
from otel_agentprof.optimize.ledgers import Ledgers
from otel_agentprof.optimize.spending import Spending

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("tests")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def call(around: Any = None, **more: Any) -> Planned:
    return Planned("llm", "gpt-5-mini", "openai", None, [], 10, 1, around)._replace(**more)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "needs a limit: usd, tokens, llm_calls, seconds"),
        ({"usd": -1}, "usd must be a number >= 0"),
        ({"tokens": float("nan")}, "tokens must be a number >= 0"),
        ({"usd": "0.50"}, "usd must be a number >= 0, not '0.50'"),
        ({"llm_calls": True}, "llm_calls must be a number"),
        ({"seconds": float("inf")}, "seconds must be a number"),
        ({"usd": 1, "per": "thread"}, "per must be one of trace, agent, process"),
        ({"usd": 1, "action": "stop"}, "action must be raise, warn or a function"),
        ({"usd": 1, "warn_at": 0}, "warn_at must be a share"),
        ({"usd": 1, "output_tokens": -5}, "output_tokens must be a number >= 0"),
    ],
)
def test_what_cannot_be_a_budget_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ap.Budget(**values)


def test_time_is_counted_from_the_beginning_of_the_trace() -> None:
    clock = Clock()
    spending = Spending(ap.Budget(seconds=60), clock=clock)
    root: Any = TRACER.start_span("root")
    spending.started(root)
    clock.now += 59.9
    spending.settle(spending.admit(call(root)), None, None, "answered")
    clock.now += 0.2

    with pytest.raises(ap.BudgetExceeded, match=r"the budget of 60.0 s per trace .*: 60.1 s spent$"):
        spending.admit(call(root))


def test_time_of_an_agent_and_of_the_process() -> None:
    clock = Clock()
    per_agent = Spending(ap.Budget(seconds=5, per="agent"), clock=clock)
    per_process = Spending(ap.Budget(seconds=5, per="process"), clock=clock)
    clock.now += 100
    per_process.admit(call())  # its time begins with its first call
    agent: Any = TRACER.start_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"})
    per_agent.started(agent)
    per_process.started(agent)
    per_agent.admit(call(agent))
    clock.now += 5

    for spending in (per_agent, per_process):
        with pytest.raises(ap.BudgetExceeded, match=r"5.0 s spent"):
            spending.admit(call(agent))


def test_what_was_spent_in_a_trace_is_forgotten_with_its_root() -> None:
    spending = Spending(ap.Budget(llm_calls=1, seconds=60))
    root: Any = TRACER.start_span("root")
    spending.started(root)
    spending.settle(spending.admit(call(root)), None, None, "answered")
    with pytest.raises(ap.BudgetExceeded):
        spending.admit(call(root))
    root.end()
    spending.ended(root)

    spending.admit(call(root))


def test_a_trace_that_goes_on_here_began_with_its_first_request() -> None:
    held = Ledgers("trace", 0.0)
    held.start_root(1, 5.0)
    held.start_root(1, 9.0)  # another request of the same remote parent

    (ledger,) = held.of(1, (), 20.0)

    assert ledger.began == 5.0


def test_traces_that_never_end_take_no_more_room_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "_MOST_LEDGERS", 2)
    monkeypatch.setattr(ledgers, "_MOST_OPEN_SPANS", 2)
    held = Ledgers("trace", 0.0)
    lineage = ledgers.Lineage()
    first = held.of(1, (), 0.0)
    held.of(2, (), 0.0)

    kept = held.of(1, (), 0.0)
    held.of(3, (), 0.0)
    for number in (1, 2, 3):
        held.start_root(number, 0.0)
        lineage.start(number, ((number, 0.0),))

    assert kept == first == held.of(1, (), 0.0)  # the one that was used least recently is gone: 2
    assert [len(lineage.of(number)) for number in (1, 2, 3)] == [0, 1, 1]


def test_news_that_nobody_asks_for_is_worked_off() -> None:
    spending = Spending(ap.Budget(llm_calls=10**6, seconds=60))
    roots: list[Any] = [TRACER.start_span("root") for _ in range(1_500)]

    for root in roots:
        spending.started(root)
        spending.ended(root)

    assert len(spending._news) <= 1_001


def test_a_claim_is_settled_once() -> None:
    spending = Spending(ap.Budget(tokens=100))
    root: Any = TRACER.start_span("root")
    claim = spending.admit(call(root))
    for _ in range(2):
        spending.settle(claim, TokenUsage(40, 20), None, "answered")

    with pytest.raises(ap.BudgetExceeded) as caught:
        spending.admit(call(root, max_output=60))

    assert (caught.value.spent, caught.value.reserved) == (60, 0)


def test_a_settling_inside_the_lock_waits_its_turn() -> None:
    spending = Spending(ap.Budget(llm_calls=2, per="process"))
    claim = spending.admit(call())
    with spending._lock:  # as a finaliser does that runs in the middle of admit()
        spending.settle(claim, TokenUsage(1, 1), None, "answered")

    spending.admit(call())
    with pytest.raises(ap.BudgetExceeded) as caught:
        spending.admit(call())

    assert (caught.value.spent, caught.value.reserved) == (1, 1)


CHAT_FACTS: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 30,
}


def test_calls_that_only_their_spans_show_are_charged_to_the_agent_around(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spending = Spending(ap.Budget(tokens=50, usd=1, per="agent"))
    agent: Any = TRACER.start_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"})
    theirs: Any = TRACER.start_span("chat", trace.set_span_in_context(agent), attributes=CHAT_FACTS)
    alone: Any = TRACER.start_span("chat", attributes=CHAT_FACTS)
    for span in (agent, theirs, alone):
        spending.started(span)
    for span in (theirs, alone):
        span.end()
        spending.ended(span)

    with pytest.raises(ap.BudgetExceeded) as caught:
        spending.admit(call(agent, max_output=21))

    assert (caught.value.spent, caught.value.scope) == (30, "agent")
    assert [record.message[:29] for record in caplog.records] == ["no price is known for m: its "]


def test_spans_of_another_sdk_and_spans_without_ids_do_no_harm() -> None:
    class OtherSpan:
        attributes = {"gen_ai.operation.name": "invoke_agent"}  # noqa: RUF012 - as an SDK has it
        name, kind, start_time, end_time, events, links = "agent", SpanKind.INTERNAL, 1, None, (), ()
        context = parent = SpanContext(trace_id=7, span_id=8, is_remote=True)
        instrumentation_scope, status, resource = None, Status(), Resource({})

    spending = Spending(ap.Budget(llm_calls=1, per="agent"))
    other: Any = OtherSpan()
    unknown: Any = ReadableSpan("nothing known")
    for span in (other, unknown):
        spending.started(span)
        spending.ended(span)

    assert spending._lineage.agents == {}


def test_spans_that_show_calls_once_more_are_remembered_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("otel_agentprof.optimize.spending._MOST_REMEMBERED", 2)
    spending = Spending(ap.Budget(tokens=10**6))
    parents: list[Any] = [TRACER.start_span("framework") for _ in range(3)]

    for parent in parents:
        span: Any = TRACER.start_span("chat")
        spending.opened(spending.admit(call(parent)), span)

    assert list(spending._around) == [parent.get_span_context().span_id for parent in parents[1:]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_begins_anew() -> None:
    spending = Spending(ap.Budget(llm_calls=1, per="process"))
    spending.admit(call())
    spending._lock.acquire()  # another thread holds it at the moment of the fork

    child = os.fork()
    if child == 0:
        spending.admit(call())
        os._exit(7)
    _, status = os.waitpid(child, 0)
    spending._lock.release()

    assert os.waitstatus_to_exitcode(status) == 7
    with pytest.raises(ap.BudgetExceeded):
        spending.admit(call())


def test_a_refusal_can_be_sent_to_another_process() -> None:
    refusal = ap.BudgetExceeded(
        "usd", Decimal("0.5"), Decimal("0.4812"), Decimal("0.01"), Decimal("0.0000615"), "trace", "ab"
    )

    copy = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own

    assert copy.__dict__ == refusal.__dict__
    assert str(copy) == (
        "the budget of $0.50 per trace does not allow this call: $0.4812 spent, $0.01 reserved by calls "
        "under way, $0.000062 wanted by this call"
    )
    assert isinstance(copy, ap.AgentProfError)
