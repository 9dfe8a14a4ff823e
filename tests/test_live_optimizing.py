"""Budgets and the choice of models in an agent, before and after: what was promised and what came of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pipelines import owning
from selecting import prices_and_no_new_listeners
from served_model import Said, serve

import otel_agentprof as ap
from otel_agentprof.optimize.observed import ObservedModels

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Ask = Callable[[str, str], Awaitable[Any]]

LONG = "read " * 801  # 1,001 tokens by its length
_MANNERS = {
    LONG: Said(0.01, (1_000, 50)),
    "classify": Said(0.01, (300, 4)),
    "write": Said(0.01, (3_000, 400)),
    "again": Said(0.01, (1_000, 50), calls=("search",)),
}
_TIERS = {"simple": "gpt-4o-mini", "medium": "gpt-4.1", "complex": "gpt-4o"}


@pytest.fixture(autouse=True)
def _with_prices() -> Iterator[None]:
    with prices_and_no_new_listeners():
        yield


def _report(agent: Callable[[Ask], Awaitable[object]], budget: ap.Budget | None = None) -> ap.Report:
    """Run an agent and return its report."""
    pipeline = owning()

    async def run(url: str) -> None:
        http = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http, max_retries=0) as client:

            async def ask(model: str, prompt: str) -> Any:
                return await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": prompt}], max_tokens=400
                )

            async with ap.agent("researcher"):
                await agent(ask)

    with serve(_MANNERS) as url, ap.instrument(tracer_provider=pipeline.provider, budget=budget):
        asyncio.run(run(url))
        pipeline.flush()
    (report,) = pipeline.reports
    return report


def _letters(model_of: Callable[[str], str]) -> Callable[[Ask], Awaitable[None]]:
    async def agent(ask: Ask) -> None:
        for _ in range(3):
            await ask(model_of("simple"), "classify")
        await ask(model_of("complex"), "write")

    return agent


def test_the_models_that_the_selector_takes_save_what_the_report_said(
    record_property: Callable[[str, object], None],
) -> None:
    selector = ap.ModelSelector(_TIERS, observed=ObservedModels())

    before = _report(_letters(lambda _: "gpt-4o"))
    predicted = sum((swap.saving_usd for swap in ap.suggest(before)), Decimal(0))
    after = _report(_letters(selector.select_model))

    assert before.cost_usd is not None
    assert after.cost_usd is not None
    assert [swap.cheaper for swap in ap.suggest(before)] == ["gpt-4o-mini"] * 3
    assert before.cost_usd - after.cost_usd == predicted > 0
    assert ap.suggest(after) == ()
    record_property("before_predicted_after_usd", (str(before.cost_usd), str(predicted), str(after.cost_usd)))


def test_an_agent_that_goes_in_circles_is_stopped_at_its_budget(
    record_property: Callable[[str, object], None],
) -> None:
    stopped: list[ap.BudgetExceeded] = []

    async def endless(ask: Ask) -> None:
        for _ in range(100):
            await ask("gpt-4o", "again")

    async def careful(ask: Ask) -> None:
        try:
            await endless(ask)
        except ap.BudgetExceeded as error:
            stopped.append(error)

    report = _report(careful, ap.Budget(usd=0.05))

    assert report.cost_usd is not None
    assert report.cost_usd == stopped[0].spent <= Decimal("0.05")
    assert report.by_role["llm"].count == 16  # $0.0030 each; one more needs $0.0040 to be on the safe side
    record_property("limit_spent_calls", ("0.05", str(report.cost_usd), report.by_role["llm"].count))


@pytest.mark.parametrize(("prompt", "estimate"), [(LONG, 1_401), ("again", 402)], ids=["good", "far too low"])
def test_many_at_once_go_beyond_a_budget_by_no_more_than_each_beyond_its_estimate(
    prompt: str, estimate: int, record_property: Callable[[str, object], None]
) -> None:
    refused: list[object] = []

    async def fan_out(ask: Ask) -> None:
        results = await asyncio.gather(*(ask("gpt-4o", prompt) for _ in range(40)), return_exceptions=True)
        refused.extend(result for result in results if isinstance(result, ap.BudgetExceeded))

    report = _report(fan_out, ap.Budget(tokens=10_000))

    calls, taken = report.by_role["llm"].count, 1_050
    assert calls == 40 - len(refused) == 10_000 // estimate
    assert report.usage.total - 10_000 <= calls * (taken - estimate)
    record_property("limit_spent_calls", (10_000, report.usage.total, calls))
