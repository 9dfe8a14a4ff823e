"""What findings promise against what comes of it: an agent runs, a finding is followed, the agent runs again.

The real ``openai`` client talks to a model with known manners, tools sleep. Time has to agree within 5 % (and
20 ms: a sleep is never shorter than asked, and longer on a busy machine; three tries, of which one has to
hold), money to the last digit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pipelines import owning
from served_model import Said, serve

import otel_agentprof as ap
from otel_agentprof import pricing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Agent = Callable[["Kit"], Awaitable[None]]

_TRIES = 3
_PAGES = ("short", "long", "long", "short", "short", "long", "long", "short", "short")
_SECONDS = {"search": 0.25, "lookup": 0.15, "news": 0.2, "slow": 0.9, "short": 0.1, "long": 0.3}
_MANNERS = {
    "plan": Said(0.15, (1_200, 60), calls=("search", "lookup", "news")),
    "write": Said(0.2, (3_000, 400)),
    "flaky": Said(0.15, (1_000, 50), refusals=1),
    "steady": Said(0.15, (1_000, 50)),
    "classify": Said(0.1, (300, 4)),
}


@dataclass
class Kit:
    """What agents are made of here: a client, and tools that sleep."""

    client: Any
    seconds: Mapping[str, float]
    tools: dict[str, Any] = field(default_factory=dict)

    async def ask(self, prompt: str, *, model: str = "gpt-4o", history: list[Any] | None = None) -> Any:
        """Return the model's message."""
        messages = [*(history or ()), {"role": "user", "content": prompt}]
        response = await self.client.chat.completions.create(model=model, messages=messages)
        return response.choices[0].message

    async def use(self, name: str, call_id: str | None = None, page: object = None) -> Any:
        """Run a tool."""
        return await self.tool(name)(call_id, page)

    def tool(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return a tool; it keeps its results where a cache is in front of the clients."""

        async def run(call_id: str | None, page: object = None) -> str:
            await asyncio.sleep(self.seconds.get(str(page), self.seconds[name]))
            return f"found {page}"

        if name not in self.tools:
            self.tools[name] = ap.tool(name, call_id_from="call_id", cache=True)(run)
        found: Callable[..., Awaitable[Any]] = self.tools[name]
        return found


@dataclass(frozen=True)
class Experiment:
    """A finding, the agent that has it and the agent that follows it: another one, or one with a cache."""

    rule: str
    before: Agent
    after: Agent
    settings: dict[str, Any] = field(default_factory=dict)
    manners: Mapping[str, Said] = field(default_factory=lambda: _MANNERS)
    seconds: tuple[Mapping[str, float], Mapping[str, float]] = (_SECONDS, _SECONDS)
    cache: bool = False


async def _one_by_one(kit: Kit) -> None:
    plan = await kit.ask("plan")
    for call in plan.tool_calls:
        await kit.use(call.function.name, call.id)
    await kit.ask("write")


async def _at_once(kit: Kit) -> None:
    plan = await kit.ask("plan")
    await asyncio.gather(*(kit.use(call.function.name, call.id) for call in plan.tool_calls))
    await kit.ask("write")


async def _at_once_by_us(kit: Kit) -> None:
    plan = await kit.ask("plan")
    await ap.arun_tool_calls(plan, {name: kit.tool(name) for name in ("search", "lookup", "news")})
    await kit.ask("write")


def _rounds(count: int) -> Agent:
    async def agent(kit: Kit) -> None:
        for number in range(count):
            await kit.ask("write")
            await kit.use("lookup", page=number)

    return agent


def _asking(times: int) -> Agent:
    async def agent(kit: Kit) -> None:
        for page in range(3):
            if page < times:
                await kit.ask("write")
            await kit.use("lookup", page=page)

    return agent


def _looking_up(times: int) -> Agent:
    async def agent(kit: Kit) -> None:
        await kit.ask("plan")
        for _ in range(times):
            await kit.use("search", page="agents")

    return agent


def _at_most(limit: int, pages: int = 9) -> Agent:
    async def agent(kit: Kit) -> None:
        places = asyncio.Semaphore(limit)

        async def one(page: int) -> None:
            async with places:
                await kit.use("lookup", page=page)

        await kit.ask("plan")
        await asyncio.gather(*map(one, range(pages)))

    return agent


async def _fan_out(kit: Kit) -> None:
    await kit.ask("plan")
    await asyncio.gather(*(kit.use("search", page=page) for page in (1, 2, 3, "slow")))


async def _in_batches(kit: Kit) -> None:
    for start in range(0, len(_PAGES), 3):
        await asyncio.gather(*(kit.use("lookup", page=name) for name in _PAGES[start : start + 3]))


async def _in_a_window(kit: Kit) -> None:
    places = asyncio.Semaphore(3)

    async def one(name: str) -> None:
        async with places:
            await kit.use("lookup", page=name)

    await asyncio.gather(*map(one, _PAGES))


async def _in_our_window(kit: Kit) -> None:
    def look_up(item: str) -> Awaitable[str]:
        return kit.use("lookup", page=item)

    await ap.ParallelExecutor().execute_with_batching(_PAGES, look_up, batch_size=3)


def _retried_by_us(prompt: str) -> Agent:
    executor = ap.ParallelExecutor(retry=ap.Retry(base_s=0.3))

    async def agent(kit: Kit) -> None:
        await executor.execute_parallel([(kit.ask, {"prompt": prompt})], raises=True)
        await kit.ask("write")

    return agent


def _persistent(prompt: str) -> Agent:
    async def agent(kit: Kit) -> None:
        for _ in range(2):
            try:
                await kit.ask(prompt)
                break
            except openai.InternalServerError:
                await asyncio.sleep(0.2)
        await kit.ask("write")

    return agent


def _classifying(model: str) -> Agent:
    async def agent(kit: Kit) -> None:
        for _ in range(3):
            await kit.ask("classify", model=model)

    return agent


EXPERIMENTS = {
    "tools of one turn together": Experiment("sequential_group", _one_by_one, _at_once),
    "tools of one turn by run_tool_calls": Experiment("sequential_group", _one_by_one, _at_once_by_us),
    "a faster tool": Experiment(
        "slow_tool",
        _at_once,
        _at_once,
        {"slow_tool_ms": 180},
        seconds=({**_SECONDS, "search": 0.4}, {**_SECONDS, "search": 0.18}),
    ),
    "fewer rounds": Experiment("too_many_iterations", _rounds(5), _rounds(3), {"max_iterations": 3}),
    "equal requests once": Experiment("repeated_call", _asking(3), _asking(1)),
    "equal tool calls once": Experiment("repeated_call", _looking_up(3), _looking_up(1)),
    "a cache for equal requests": Experiment("repeated_call", _asking(3), _asking(3), cache=True),
    "a cache for equal tool calls": Experiment("repeated_call", _looking_up(3), _looking_up(3), cache=True),
    "more places": Experiment("unused_concurrency", _at_most(2), _at_most(4)),
    "a window, not batches": Experiment("unused_concurrency", _in_batches, _in_a_window),
    "a window by execute_with_batching": Experiment("unused_concurrency", _in_batches, _in_our_window),
    "no straggler": Experiment(
        "head_of_line", _fan_out, _fan_out, seconds=(_SECONDS, {**_SECONDS, "slow": 0.25})
    ),
    "no second attempt": Experiment("retry_waste", _persistent("flaky"), _persistent("steady")),
    "no second attempt of an executor": Experiment(
        "retry_waste", _retried_by_us("flaky"), _retried_by_us("steady")
    ),
    "a smaller model": Experiment("oversized_model", _classifying("gpt-4o"), _classifying("gpt-4o-mini")),
}


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_what_a_finding_promises_comes_true(
    experiment: Experiment, record_property: Callable[[str, object], None]
) -> None:
    assert pricing.wait()
    tried = []

    for _ in range(_TRIES):
        before = _report(experiment, experiment.before, experiment.seconds[0])
        cache = ap.PromptCache() if experiment.cache else None
        after = _report(experiment, experiment.after, experiment.seconds[1], cache)
        found = next(one for one in before.findings if one.rule == experiment.rule)  # the first: the largest
        assert before.cost_usd is not None
        assert after.cost_usd == before.cost_usd - (found.saving_usd or Decimal(0))
        predicted_ms = (before.duration_ns - (found.saving_ns or 0)) / 1e6
        tried.append((before.duration_ns / 1e6, predicted_ms, after.duration_ns / 1e6))
        if tried[-1][2] == pytest.approx(predicted_ms, rel=0.05, abs=20):
            record_property("before_predicted_measured_ms", tried[-1])
            record_property("before_after_usd", (str(before.cost_usd), str(after.cost_usd)))
            return

    pytest.fail(f"before, predicted and measured, in ms: {tried}")


def test_hits_are_calls_that_cost_nothing_and_leave_nothing_to_say() -> None:
    assert pricing.wait()
    experiment, cache = EXPERIMENTS["a cache for equal requests"], ap.PromptCache()

    without = _report(experiment, experiment.before, _SECONDS).to_dict()
    with_hits = _report(experiment, experiment.after, _SECONDS, cache).to_dict()

    assert cache.hits == 2
    assert with_hits["by_role"]["llm"]["count"] == without["by_role"]["llm"]["count"] == 3
    assert with_hits["tokens"]["input"] == without["tokens"]["input"] / 3
    assert with_hits["cost"]["unpriced_models"] == []
    assert with_hits["data_quality"] == without["data_quality"]
    assert [found["rule"] for found in without["findings"]].count("repeated_call") == 1
    assert [found["rule"] for found in with_hits["findings"]].count("repeated_call") == 0


def _report(
    experiment: Experiment, agent: Agent, seconds: Mapping[str, float], cache: ap.PromptCache | None = None
) -> ap.Report:
    """Run an agent and return its report."""
    pipeline = owning(**experiment.settings)

    async def run(url: str) -> None:
        http = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http, max_retries=0) as client:
            kit = Kit(client, seconds)
            async with ap.agent("researcher"):
                await agent(kit)

    with serve(experiment.manners) as url, ap.instrument(tracer_provider=pipeline.provider, cache=cache):
        asyncio.run(run(url))
        pipeline.flush()
    (report,) = pipeline.reports
    return report
