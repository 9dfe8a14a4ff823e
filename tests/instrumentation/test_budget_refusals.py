"""A budget that is used up stops every way to call every client, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
import wrapt
from providers.case import Case, all_cases
from providers.outcome import awaited, failure_of, read, with_client
from surfaces import SURFACES

import otel_agentprof as ap
from otel_agentprof import pricing
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Connect, Spans
    from loopback import Loopback
    from providers.case import Kind

CHAT = SURFACES[0]
_LEAVES = ("chat", "text_completion", "generate_content", "embeddings")
CASES = [case for case in all_cases() if case.operation in _LEAVES]


def _ways(case: Case) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield "call", case.call
    if case.stream is not None:
        yield "stream", case.stream
    yield from case.helpers.items()
    yield from case.stream_helpers.items()


EACH = [pytest.param(case, kind, id=f"{case}-{kind}") for case in CASES for kind in case.kinds]


@pytest.fixture
def used_up(pipeline: Spans) -> Iterator[Spans]:
    with ap.instrument(tracer_provider=pipeline.provider, budget=ap.Budget(tokens=0)):
        assert pricing.wait()
        yield pipeline
        engine = REGISTRY.slots["openai"].engine
        assert engine is not None
        assert engine.failures == {}


@pytest.mark.parametrize(("case", "kind"), EACH)
def test_a_refused_call_raises_and_sends_nothing_in_any_way(
    case: Case, kind: Kind, server: Loopback, used_up: Spans
) -> None:
    async def attempt(client: Any, way: Callable[[Any], Any]) -> BaseException | None:
        try:
            result = await awaited(way(client))
            await (
                read(result) if hasattr(result, "__next__") or hasattr(result, "__anext__") else awaited(0)
            )
        except ap.BudgetExceeded as error:
            return error
        return None

    async def work(client: Any) -> dict[str, BaseException | None]:
        return {name: await attempt(client, way) for name, way in _ways(case)}

    errors = with_client(case, server.url, work, kind=kind)

    assert {name: type(error) for name, error in errors.items()} == dict.fromkeys(errors, ap.BudgetExceeded)
    for error in errors.values():
        assert (error.name, error.limit, error.spent, error.reserved) == ("tokens", 0, 0, 0)
        assert error.__cause__ is None
    assert server.requests == []
    assert used_up.all() == ()


def test_a_refused_stream_refuses_again(server: Loopback, used_up: Spans) -> None:
    lazy = next(case for case in CASES if case.is_lazy and "sync" in case.kinds and case.stream is not None)

    async def work(client: Any) -> list[Exception]:
        assert lazy.stream is not None
        stream = lazy.stream(client)
        return [failure_of(lambda: next(stream)) for _ in range(2)]

    errors = with_client(lazy, server.url, work, kind="sync")

    assert [type(error) for error in errors] == [ap.BudgetExceeded] * 2


@pytest.mark.parametrize(("tokens", "sent"), [(0, 0), (2_000, 2)])
def test_a_call_that_others_trace_is_asked_about_and_charged_when_their_span_ends(
    tokens: int,
    sent: int,
    pipeline: Spans,
    server: Loopback,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracer = pipeline.provider.get_tracer("openinference.instrumentation.openai")
    facts: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1_000}

    def tracing(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        with tracer.start_as_current_span("chat", attributes=facts):
            return wrapped(*args, **kwargs)

    tracing.__module__ = "openinference.instrumentation.openai"
    monkeypatch.setattr(openai.OpenAI, "request", wrapt.FunctionWrapper(openai.OpenAI.request, tracing))
    client = connect(CHAT)

    with ap.instrument(tracer_provider=pipeline.provider, budget=ap.Budget(tokens=tokens, per="process")):
        for _ in range(sent):
            client.chat.completions.create(**CHAT.arguments)
        with pytest.raises(ap.BudgetExceeded) as caught:
            client.chat.completions.create(**CHAT.arguments)

    assert caught.value.spent == 1_000 * sent
    assert len(server.requests) == len(pipeline.all()) == sent
