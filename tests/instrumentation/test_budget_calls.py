"""A budget over the real client: what is charged and reserved, who is stopped, and what the trace says."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from loopback import WIRE, Answer
from opentelemetry.sdk.trace import TracerProvider, sampling
from pipelines import owning
from surfaces import SURFACES

import otel_agentprof as ap
from otel_agentprof import pricing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Connect
    from loopback import Loopback
    from pipelines import Pipeline

CHAT = SURFACES[0]
TOKENS = 1_285  # of the served answer
USD = Decimal("0.0002396")  # of gpt-5-mini for it: 176 fresh, 1,024 cached, 85 out


@contextmanager
def budgeted(provider: TracerProvider | None = None, **budget: Any) -> Iterator[Pipeline]:
    pipeline = owning(provider)
    with ap.instrument(tracer_provider=pipeline.provider, budget=ap.Budget(**budget)):
        assert pricing.wait()
        yield pipeline
        pipeline.flush()


def calls_until_refused(ask: Callable[[], object], most: int = 30) -> tuple[int, ap.BudgetExceeded]:
    for count in range(most):
        try:
            ask()
        except ap.BudgetExceeded as error:
            return count, error
    raise AssertionError("nothing was refused")


@pytest.fixture
def ask(connect: Connect) -> Callable[..., Any]:
    client = connect(CHAT)
    return lambda **more: client.chat.completions.create(**{**CHAT.arguments, **more})


@pytest.mark.parametrize(
    ("limits", "count", "name"),
    [
        ({"llm_calls": 3}, 3, "llm_calls"),
        ({"tokens": 3 * TOKENS + 5}, 3, "tokens"),
        ({"usd": 3 * USD}, 3, "usd"),
        ({"usd": 1.0, "tokens": 10**6, "llm_calls": 2}, 2, "llm_calls"),
    ],
)
def test_calls_one_after_another_are_counted_exactly(
    limits: dict[str, Any], count: int, name: str, server: Loopback, ask: Callable[..., Any]
) -> None:
    with budgeted(**limits), ap.agent("planner") as span:
        made, error = calls_until_refused(ask)

    spent = {"llm_calls": count, "tokens": count * TOKENS, "usd": count * USD}
    assert (made, len(server.requests), error.name) == (count, count, name)
    assert (error.spent, error.reserved) == (spent[name], 0)
    assert error.limit == limits[name]
    assert error.scope == "trace"
    assert error.scope_id == f"{span.span.get_span_context().trace_id:032x}"


def test_what_is_allowed_to_the_answer_is_never_overspent(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(tokens=4_000), ap.agent("planner"):
        _, error = calls_until_refused(
            lambda: ask(messages=[{"role": "user", "content": "x " * 2_400}], max_tokens=85)
        )

    assert error.spent <= error.limit
    assert float(error.spent) + float(error.requested) > error.limit
    assert error.requested == 1_200 + 85


def test_the_trace_tells_of_it_and_the_refused_call_is_no_call(
    server: Loopback, ask: Callable[..., Any]
) -> None:
    @ap.agent("planner")
    def plan() -> None:
        for _ in range(9):
            ask()

    with budgeted(llm_calls=5) as pipeline, pytest.raises(ap.BudgetExceeded):
        plan()

    (report,) = pipeline.reports
    planner = pipeline.exported["invoke_agent planner"]
    events = [(event.name, dict(event.attributes or {})) for event in planner.events]
    shared = {"agentprof.budget.name": "llm_calls", "agentprof.budget.scope": "trace"}
    figures = {"agentprof.budget.limit": 5, "agentprof.budget.reserved": 0, "agentprof.budget.requested": 1}
    assert events[:2] == [
        ("agentprof.budget.warning", {**shared, **figures, "agentprof.budget.spent": 4}),
        ("agentprof.budget.exceeded", {**shared, **figures, "agentprof.budget.spent": 5}),
    ]
    assert (planner.attributes or {})["error.type"] == "otel_agentprof.errors.BudgetExceeded"
    assert report.by_role["llm"].count == 5


def test_threads_at_once_cannot_all_slip_through(server: Loopback, ask: Callable[..., Any]) -> None:
    server.gate.clear()
    refused: list[ap.BudgetExceeded] = []
    all_decided = threading.Event()

    def work() -> None:
        try:
            ask(max_tokens=85)
        except ap.BudgetExceeded as error:
            refused.append(error)
            if len(refused) == 12:
                all_decided.set()

    with budgeted(llm_calls=4, per="process"):
        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        assert all_decided.wait(30)  # while none of the four has an answer yet
        server.gate.set()
        for thread in threads:
            thread.join()

    assert len(server.requests) == 4
    assert {(error.spent, error.reserved) for error in refused} == {(0, 4)}


async def test_tasks_at_once_overspend_by_what_each_takes_beyond_its_estimate(server: Loopback) -> None:
    allowed = 20
    estimate = 5 + allowed  # the prompt's 18 characters / 4
    with budgeted(tokens=4 * estimate), ap.agent("planner"):
        async with CHAT.make(server.url, is_async=True) as client:
            asked = (client.chat.completions.create(**CHAT.arguments, max_tokens=allowed) for _ in range(16))
            results = await asyncio.gather(*asked, return_exceptions=True)

        sent = [result for result in results if not isinstance(result, ap.BudgetExceeded)]
        with pytest.raises(ap.BudgetExceeded) as caught:
            async with CHAT.make(server.url, is_async=True) as client:
                await client.chat.completions.create(**CHAT.arguments)

    assert len(sent) == len(server.requests) == 4
    assert float(caught.value.spent) - float(caught.value.limit) == 4 * (TOKENS - estimate)


def test_a_stream_is_charged_when_it_is_over(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(llm_calls=1), ap.agent("planner"):
        stream = ask(stream=True)
        with pytest.raises(ap.BudgetExceeded) as while_reading:
            ask()
        list(stream)
        with pytest.raises(ap.BudgetExceeded) as afterwards:
            ask()

    assert (while_reading.value.spent, while_reading.value.reserved) == (0, 1)
    assert (afterwards.value.spent, afterwards.value.reserved) == (1, 0)


@pytest.mark.parametrize("reads", ["all", "one item"])
def test_a_stream_that_tells_no_tokens_is_charged_by_estimate(
    reads: str, server: Loopback, ask: Callable[..., Any]
) -> None:
    events = (WIRE / "openai_chat_stream.sse").read_bytes().split(b"\n\n")
    untold = b"\n\n".join(event for event in events if b'"usage":{' not in event.replace(b" ", b""))
    server.script.append(Answer(untold, content_type="text/event-stream"))

    with budgeted(tokens=200), ap.agent("planner"):
        stream = ask(stream=True, max_tokens=100)
        next(stream)
        list(stream) if reads == "all" else stream.close()
        with pytest.raises(ap.BudgetExceeded) as caught:
            ask(max_tokens=100)

    assert (caught.value.spent, caught.value.reserved) == (105, 0)


def test_what_failed_is_a_call_without_tokens(server: Loopback, connect: Connect) -> None:
    client = connect(CHAT, max_retries=0)
    server.script += [Answer(b'{"error": {"message": "busy"}}', 503)] * 2

    with budgeted(llm_calls=2, tokens=10_000), ap.agent("planner"):
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(**CHAT.arguments)
        with pytest.raises(ap.BudgetExceeded) as caught:
            client.chat.completions.create(**CHAT.arguments)

    assert (caught.value.name, caught.value.spent) == ("llm_calls", 2)


def test_earlier_answers_tell_what_the_next_will_take(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(tokens=TOKENS + 89), ap.agent("planner"):
        ask()
        with pytest.raises(ap.BudgetExceeded) as caught:
            ask()

    assert caught.value.requested == 5 + 86  # the mean of 85, rounded up


def test_what_an_answer_usually_has_can_be_said(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(tokens=TOKENS + 50, output_tokens=40), ap.agent("planner"):
        ask(max_tokens=32_000)
        ask(max_tokens=32_000)
        with pytest.raises(ap.BudgetExceeded):
            ask(max_tokens=32_000)


def test_several_answers_are_reserved_several_times(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(tokens=100), ap.agent("planner"), pytest.raises(ap.BudgetExceeded) as caught:
        ask(max_tokens=50, n=3)

    assert caught.value.requested == 5 + 150


def test_embeddings_are_tokens_and_no_llm_calls(server: Loopback, connect: Connect) -> None:
    surface = next(surface for surface in SURFACES if surface.operation == "embeddings")
    client = connect(surface)

    with budgeted(llm_calls=0, tokens=20, per="process"):
        client.embeddings.create(**surface.arguments)
        with pytest.raises(ap.BudgetExceeded) as caught:
            client.embeddings.create(model="text-embedding-3-small", input=["Paris " * 10])

    assert (caught.value.name, caught.value.spent) == ("tokens", 12)


def test_each_trace_has_its_own_budget(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(llm_calls=2):
        counts = []
        for _ in range(3):
            with ap.agent("planner"), ap.step("think"):
                counts.append(calls_until_refused(ask)[0])

    assert counts == [2, 2, 2]


def test_each_agent_has_its_own_and_its_sub_agents_are_in_it(
    server: Loopback, ask: Callable[..., Any]
) -> None:
    with budgeted(llm_calls=3, per="agent"), ap.step("whole task"):
        with ap.agent("orchestrator") as outer:
            with ap.agent("first") as inner, ap.tool("search"):
                first, stopped_inside = calls_until_refused(ask)
            with ap.agent("second"):
                second, stopped_outside = calls_until_refused(ask)
        with ap.agent("third"):
            third, _ = calls_until_refused(ask)
        alone, of_trace = calls_until_refused(ask)

    ids = {
        name: f"{span.span.get_span_context().span_id:016x}" for name, span in (("in", inner), ("out", outer))
    }
    assert (first, second, third, alone) == (3, 0, 3, 3)
    assert stopped_inside.scope_id == ids["out"]  # the outermost that is used up
    assert stopped_outside.scope_id == ids["out"]
    assert ids["in"] != ids["out"]
    assert of_trace.scope == "trace"


def test_the_process_has_one_budget(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(llm_calls=4, per="process"):
        ask()
        with ap.agent("planner"):
            ask()
        with ap.agent("writer"):
            made, error = calls_until_refused(ask)

    assert (made, error.scope, error.scope_id) == (2, "process", None)


def test_a_call_outside_any_span_is_a_trace_of_its_own_and_that_is_said_once(
    server: Loopback, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with budgeted(llm_calls=1):
        for _ in range(3):
            ask()

    (record,) = caplog.records
    assert 'per="process"' in record.message


def test_calls_that_are_not_sampled_are_charged_too(server: Loopback, ask: Callable[..., Any]) -> None:
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF)

    with budgeted(provider, llm_calls=2) as pipeline, ap.agent("planner"):
        made, _ = calls_until_refused(ask)

    assert made == 2
    assert pipeline.names == []


def test_a_warning_lets_the_calls_through(
    server: Loopback, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with budgeted(llm_calls=1, action="warn"), ap.agent("planner"):
        for _ in range(3):
            ask()

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == (
        "the budget of 1 LLM calls per trace does not allow this call: 1 LLM calls spent, "
        "1 LLM calls wanted by this call; it is sent nevertheless"
    )
    assert len(server.requests) == 3


def test_a_function_decides(server: Loopback, ask: Callable[..., Any]) -> None:
    seen: list[ap.BudgetExceeded] = []

    def decide(exceeded: ap.BudgetExceeded) -> None:
        seen.append(exceeded)
        if exceeded.spent == 2:
            raise exceeded
        if exceeded.spent == 3:
            raise RuntimeError("enough")

    with budgeted(llm_calls=1, action=decide), ap.agent("planner"):
        ask()
        ask()
        with pytest.raises(ap.BudgetExceeded) as passed_on:
            ask()
        seen[-1].spent = 0
    with budgeted(llm_calls=3, action=decide), ap.agent("planner"):
        made, wrapped = calls_until_refused(ask)

    assert passed_on.value is seen[1]
    assert made == 3
    assert str(wrapped.__cause__) == "enough"


def test_a_model_without_a_price_is_said_once_and_counted_otherwise(
    server: Loopback, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = (WIRE / "openai_chat.json").read_bytes().replace(b"gpt-5-mini", b"our-own")
    server.script += [Answer(answer)] * 3

    with budgeted(usd=0.000001, llm_calls=3), ap.agent("planner"):
        made, error = calls_until_refused(lambda: ask(model="our-own"))

    (record,) = caplog.records
    assert record.message.startswith("no price is known for our-own: its calls are not in the budget")
    assert (made, error.name) == (3, "llm_calls")


def test_what_others_show_is_charged_once(server: Loopback, ask: Callable[..., Any]) -> None:
    def told(pipeline: Pipeline, tokens: int, name: str = "chat") -> Any:
        facts = {
            "gen_ai.operation.name": name,
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-5-mini",
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.usage.output_tokens": 0,
        }
        return pipeline.tracer.start_as_current_span("their call", attributes=facts)

    with budgeted(tokens=5_000) as pipeline, ap.agent("planner"):
        with told(pipeline, 1_000):  # a framework's own client
            pass
        with told(pipeline, TOKENS):  # a framework over the client that we see
            ask()
        with told(pipeline, 500), told(pipeline, 500):  # two tracers, one above the other
            pass
        with told(pipeline, 9_000, "invoke_agent"):  # a sum, no call
            pass
        with pytest.raises(ap.BudgetExceeded) as caught:
            ask(max_tokens=5_000)

    assert caught.value.spent == 1_000 + TOKENS + 500


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_from_a_cache_takes_nothing(
    server: Loopback, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture, *, streams: bool
) -> None:
    def read(**more: Any) -> None:
        answer = (
            ask(stream=streams, stream_options={"include_usage": True}, **more) if streams else ask(**more)
        )
        list(answer)

    with budgeted(llm_calls=2, usd=1), ap.PromptCache().enabled(), ap.agent("planner"):
        for _ in range(5):
            read()
        read(seed=1)
        with pytest.raises(ap.BudgetExceeded) as caught:
            read()  # a budget that is used up is asked before the cache

    assert len(server.requests) == 2
    assert (caught.value.spent, caught.value.reserved) == (2, 0)
    assert caplog.records == []


def test_nothing_is_held_after_uninstrument(server: Loopback, ask: Callable[..., Any]) -> None:
    with budgeted(llm_calls=0), pytest.raises(ap.BudgetExceeded):
        ask()

    with ap.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)):
        ask()

    assert len(server.requests) == 1


def test_a_disabled_sdk_holds_no_budget_and_says_so(
    server: Loopback,
    ask: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    with ap.instrument(budget=ap.Budget(llm_calls=0)):
        ask()

    assert caplog.messages == ["the budget is not held: OTEL_SDK_DISABLED is true"]


def test_a_budget_that_comes_too_late_is_not_held_and_that_is_said(
    server: Loopback, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with ap.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False)):
        ap.instrument(budget=ap.Budget(llm_calls=0))
        ask()

    assert caplog.messages == ["the budget is not held: instrument() was called before, without it"]


def test_a_budget_that_fails_lets_the_call_through(
    server: Loopback, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        def __len__(self) -> int:
            raise RuntimeError("no length")

    with budgeted(llm_calls=5), ap.agent("planner"):
        with pytest.raises(TypeError):  # the client cannot send it either
            ask(messages=Odd())
        ask()

    assert len(server.requests) == 1


class DropsAgents(sampling.Sampler):
    """Keeps every span but those of agents."""

    def should_sample(self, *_: Any, attributes: Any = None, **__: Any) -> sampling.SamplingResult:
        is_kept = (attributes or {}).get("agentprof.role") != "agent"
        return sampling.SamplingResult(
            sampling.Decision.RECORD_AND_SAMPLE if is_kept else sampling.Decision.DROP
        )

    def get_description(self) -> str:
        return "no agents"


@pytest.mark.parametrize(
    "sampler", [sampling.ALWAYS_OFF, DropsAgents(), sampling.ALWAYS_ON], ids=lambda one: one.get_description()
)
def test_each_agent_has_its_budget_whether_its_span_is_kept_or_not(
    sampler: sampling.Sampler, ask: Callable[..., Any]
) -> None:
    counts = []

    with budgeted(TracerProvider(sampler=sampler), llm_calls=2, per="agent"), ap.profile("all"):
        for name in ("a", "b", "c"):
            with ap.agent(name), ap.step("inside"):
                counts.append(calls_until_refused(ask)[0])
        with ap.agent("outer"):
            with ap.agent("inner"):
                ask()
            with ap.agent("inner"):
                counts.append(calls_until_refused(ask)[0])

    assert counts == [2, 2, 2, 1]


def test_calls_that_nobody_sees_in_an_agent_are_each_alone(ask: Callable[..., Any]) -> None:
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF)

    theirs = provider.get_tracer("theirs").start_as_current_span("invoke_agent")
    with budgeted(provider, llm_calls=1, per="agent"), theirs:
        answers = [ask() for _ in range(3)]

    assert len(answers) == 3
