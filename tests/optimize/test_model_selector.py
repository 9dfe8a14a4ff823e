"""``ModelSelector``: strong enough first, then price, ability, speed and trouble; and what it says of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pipelines import drop_in
from selecting import prices_and_no_new_listeners

import otel_agentprof as ap
from otel_agentprof.optimize import tiers
from otel_agentprof.optimize.observed import ObservedModels
from otel_agentprof.optimize.tiers import COMPLEXITIES, TIERS, ModelOption

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = {"simple": "gpt-4.1-nano", "medium": "gpt-4.1-mini", "complex": "gpt-4.1"}  # 0.1, 0.4 and 2 $/M in


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _with_prices_and_without_traces() -> Iterator[None]:
    with prices_and_no_new_listeners():
        yield


@pytest.fixture
def observed() -> ObservedModels:
    return ObservedModels(clock=Clock())


@pytest.fixture
def selector(observed: ObservedModels) -> ap.ModelSelector:
    return ap.ModelSelector(OWN, observed=observed)


@pytest.mark.parametrize("provider", TIERS)
def test_the_chapters_calls_give_three_models_within_its_factors(
    provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    selector = ap.ModelSelector(provider=provider, observed=ObservedModels())

    plain = [selector.select_model(complexity) for complexity in COMPLEXITIES]
    within = [
        selector.select_model(complexity, max_cost)
        for complexity, max_cost in zip(COMPLEXITIES, (0.1, 0.5, 1.0), strict=True)
    ]

    assert len(set(plain)) == 3
    assert within == plain
    assert caplog.records == []


@pytest.mark.parametrize("provider", TIERS)
def test_every_default_model_has_a_price_and_a_context(provider: str) -> None:
    selector = ap.ModelSelector(provider=provider, observed=ObservedModels())

    costs = [float(selector.choose(complexity).usd or 0) for complexity in COMPLEXITIES]

    assert 0 < costs[0] < costs[1] < costs[2]
    with pytest.raises(ap.AgentProfError, match=r"has room for .* tokens"):
        selector.select_model("complex", strict=True, input_tokens=10**8)


@pytest.mark.parametrize("word", ["hard", "Simple", "", None])
def test_an_unknown_complexity_is_refused_with_the_three(word: Any, selector: ap.ModelSelector) -> None:
    with pytest.raises(ValueError, match="must be simple, medium, complex, not"):
        selector.select_model(word)


def test_a_model_too_weak_is_never_chosen_and_the_warning_says_what_it_costs(
    selector: ap.ModelSelector, caplog: pytest.LogCaptureFixture
) -> None:
    assert selector.select_model("complex", 0.1) == "gpt-4.1"

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == (
        "no model for a complex task fits; gpt-4.1 is taken although it does not (costs 1 of the complex "
        "tier, 0.1 allowed); it has max_cost=1 or max_usd=0.0036 at these tokens"
    )


def test_strict_raises_and_names_what_would_fit(selector: ap.ModelSelector) -> None:
    with pytest.raises(ap.AgentProfError) as caught:
        selector.select_model("complex", 0.2, strict=True)
    with pytest.raises(ap.AgentProfError, match="no model would fit"):
        selector.select_model("complex", 0.0, strict=True)

    assert str(caught.value) == (
        "no model for a complex task fits (gpt-4.1: costs 1 of the complex tier, 0.2 allowed); only weaker "
        "models would fit: gpt-4.1-nano, gpt-4.1-mini. gpt-4.1 fits with max_cost=1 or max_usd=0.0036 at "
        "these tokens"
    )


def test_a_price_for_one_call_depends_on_its_length(selector: ap.ModelSelector) -> None:
    assert selector.select_model("simple", max_usd=0.001) == "gpt-4.1-nano"
    with pytest.raises(ap.AgentProfError, match=r"costs \$0.01\d* a call, \$0.001 allowed"):
        selector.select_model("simple", strict=True, max_usd=0.001, input_tokens=100_000)


def test_a_price_that_nobody_knows_is_not_taken_for_low() -> None:
    selector = ap.ModelSelector({**OWN, "simple": ("our-own", "gpt-4.1-nano")}, observed=ObservedModels())

    assert selector.select_model("simple") == "gpt-4.1-nano"
    assert selector.select_model("simple", 0.5) == "gpt-4.1-nano"
    choice = selector.choose("simple", max_usd=1)
    assert choice.rejected[0] == ("our-own", "no price is known, so max_usd cannot be held")


def test_without_any_price_the_own_tier_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    selector = ap.ModelSelector({"simple": "a", "medium": "b", "complex": "c"}, observed=ObservedModels())

    assert selector.select_model("medium", 0.5) == "b"
    assert caplog.messages[0].endswith("it has no known price")


def test_what_a_model_cannot_do_sends_the_task_to_one_that_can() -> None:
    weak = ModelOption("gpt-4.1-nano", has_tools=False, has_vision=False, context_tokens=8_000)
    selector = ap.ModelSelector({**OWN, "simple": weak}, observed=ObservedModels())

    chosen = {
        "plain": selector.select_model("simple"),
        "tools": selector.select_model("simple", tools=True),
        "vision": selector.select_model("simple", vision=True),
        "long": selector.select_model("simple", input_tokens=8_000),
    }

    assert chosen == {"plain": "gpt-4.1-nano", **dict.fromkeys(("tools", "vision", "long"), "gpt-4.1-mini")}


def test_a_model_that_has_been_slow_gives_way(selector: ap.ModelSelector, observed: ObservedModels) -> None:
    for milliseconds in (*[200] * 18, 900, 5_000):
        observed.note("gpt-4.1-nano", milliseconds * 10**6)

    record = observed.record("gpt-4.1-nano")

    assert (record.p50_ms, record.p95_ms, record.calls) == (200, 900, 20)
    assert selector.select_model("simple", max_latency_ms=900) == "gpt-4.1-nano"
    assert selector.select_model("simple", max_latency_ms=899) == "gpt-4.1-mini"


def test_a_model_in_trouble_gives_way_until_it_is_over() -> None:
    clock = Clock()
    observed = ObservedModels(clock=clock)
    selector = ap.ModelSelector(OWN, observed=observed)
    observed.note("gpt-4.1-nano", 10**6, error="rate_limit_exceeded")
    at_once = selector.choose("simple")
    clock.now += 30
    later = selector.choose("simple")
    for _ in range(5):
        observed.note("gpt-4.1-nano", 10**6, error="ERROR", status_code=500)
    failing = selector.choose("simple")

    assert (at_once.model, at_once.rejected) == (
        "gpt-4.1-mini",
        (("gpt-4.1-nano", "was rate limited 0 s ago"),),
    )
    assert later.model == "gpt-4.1-nano"
    assert failing.rejected == (("gpt-4.1-nano", "6 of its last 6 calls failed"),)


def test_trouble_everywhere_changes_nothing(
    selector: ap.ModelSelector, observed: ObservedModels, caplog: pytest.LogCaptureFixture
) -> None:
    for model in OWN.values():
        observed.note(model, 10**6, status_code=429, error="429")

    choice = selector.choose("medium")

    assert (choice.model, choice.reason) == (
        "gpt-4.1-mini",
        "all that fit are in trouble: the cheapest that is strong enough and fits",
    )
    assert caplog.records == []


class RateLimitError(Exception):
    status_code = 429


class APITimeoutError(Exception):
    pass


def test_a_rate_limit_and_a_timeout_lead_to_the_next_model(selector: ap.ModelSelector) -> None:
    asked: list[str] = []

    def call(model: str) -> str:
        asked.append(model)
        if len(asked) == 1:
            raise RateLimitError
        if len(asked) == 2:
            raise APITimeoutError
        return f"{model} says"

    async def acall(model: str) -> str:
        return call(model)

    sync = selector.call(call, "simple")
    first, asked[:] = list(asked), []
    with_coroutines = asyncio.run(selector.acall(acall, "simple"))

    assert sync == with_coroutines == "gpt-4.1 says"
    assert first == asked == ["gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1"]


@pytest.mark.parametrize("error", [ValueError("bad request"), RateLimitError()])
def test_other_errors_and_those_of_the_last_model_are_the_callers(
    error: Exception, selector: ap.ModelSelector
) -> None:
    asked: list[str] = []

    def call(model: str) -> str:
        asked.append(model)
        raise error

    async def acall(model: str) -> str:
        return call(model)

    with pytest.raises(type(error)) as caught:
        selector.call(call, "medium")
    with pytest.raises(type(error)):
        asyncio.run(selector.acall(acall, "medium"))

    count = 1 if isinstance(error, ValueError) else 2
    assert caught.value is error
    assert asked == ["gpt-4.1-mini", "gpt-4.1"][:count] * 2


def test_models_that_fit_are_tried_before_those_that_do_not(
    selector: ap.ModelSelector, observed: ObservedModels
) -> None:
    observed.note("gpt-4.1-mini", 10**6, status_code=429, error="429")

    assert selector.fallbacks("simple") == ("gpt-4.1-nano", "gpt-4.1", "gpt-4.1-mini")


def test_the_decision_stands_on_the_span(selector: ap.ModelSelector) -> None:
    pipeline = drop_in()

    with pipeline.tracer.start_as_current_span("choose"):
        selector.select_model("medium", 0.5)

    assert dict(pipeline.exported["choose"].attributes or {}) == {
        "agentprof.model_selector.model": "gpt-4.1-mini",
        "agentprof.model_selector.complexity": "medium",
        "agentprof.model_selector.reason": "the cheapest that is strong enough and fits",
        "agentprof.model_selector.estimated_usd": 0.00072,
        "agentprof.model_selector.rejected": (
            "gpt-4.1-nano: too weak for a medium task",
            "gpt-4.1: costs 1 of the complex tier, 0.5 allowed",
        ),
    }


def test_what_is_not_known_does_not_stand_on_the_span() -> None:
    pipeline = drop_in()
    unpriced = ap.ModelSelector({"simple": "a", "medium": "b", "complex": "c"}, observed=ObservedModels())

    with pipeline.tracer.start_as_current_span("choose"):
        unpriced.select_model("simple")

    assert set(pipeline.exported["choose"].attributes or {}) == {
        "agentprof.model_selector.model",
        "agentprof.model_selector.complexity",
        "agentprof.model_selector.reason",
    }


def test_it_learns_from_spans_whoever_makes_them(
    selector: ap.ModelSelector, observed: ObservedModels
) -> None:
    pipeline = drop_in()
    facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1", "gen_ai.response.model": "x"}

    for number in range(3):
        span = pipeline.tracer.start_span("chat", attributes=facts, start_time=10**18)
        if number == 2:
            span.set_attribute("error.type", "RateLimitError")
        span.end(10**18 + 250 * 10**6)
    pipeline.tracer.start_span("embed", attributes={**facts, "gen_ai.operation.name": "embeddings"}).end()
    pipeline.tracer.start_span("step").end()

    record = observed.record("gpt-4.1")
    assert (record.calls, record.failed, record.p50_ms, record.limited_s) == (3, 1, 250, 0)
    assert record.error_ratio == pytest.approx(1 / 3)
    assert observed.record("never").error_ratio == 0


def test_so_many_models_are_remembered_and_no_more(observed: ObservedModels) -> None:
    for number in range(300):
        observed.note(f"model-{number}", 1)

    assert observed.record("model-0").calls == 0
    assert observed.record("model-299").calls == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"simple": "a"}, "tiers must be simple, medium, complex, not 'simple'"),
        ({"simple": "a", "medium": (), "complex": "c"}, "the tier 'medium' has no model"),
    ],
)
def test_tiers_that_are_none_are_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ap.ModelSelector(given)


def test_an_unknown_vendor_is_refused() -> None:
    with pytest.raises(ValueError, match="provider must be one of openai, anthropic, or give tiers"):
        ap.ModelSelector(provider="acme")


def test_nothing_is_recorded_where_no_span_is() -> None:
    provider = TracerProvider(shutdown_on_exit=False)

    assert ap.ModelSelector().select_model("simple") == tiers.TIERS["openai"]["simple"][0].model
    provider.shutdown()


def test_in_a_tier_the_cheapest_is_taken_and_those_without_a_price_last(observed: ObservedModels) -> None:
    several = {**OWN, "simple": ["nobody-knows", "gpt-4o", "gpt-4o-mini", "nobody-either"]}
    selector = ap.ModelSelector(several, observed=observed)

    choice = selector.choose("simple")

    assert (choice.model, choice.reason) == (
        "gpt-4o-mini",
        "the cheapest that is strong enough and fits",
    )
    assert selector.fallbacks("simple")[:4] == ("gpt-4o-mini", "gpt-4o", "nobody-knows", "nobody-either")


def test_a_reason_does_not_call_cheap_what_has_no_price(observed: ObservedModels) -> None:
    selector = ap.ModelSelector({**OWN, "simple": ["nobody-knows", "nobody-either"]}, observed=observed)

    choice = selector.choose("simple")

    assert choice.model == "nobody-knows"
    assert choice.reason == "the first of its tier that fits; its price is not known"


def test_a_reason_tells_that_a_stronger_tier_would_have_been_cheaper(observed: ObservedModels) -> None:
    selector = ap.ModelSelector({**OWN, "simple": "gpt-4o"}, observed=observed)

    choice = selector.choose("simple")

    assert choice.model == "gpt-4o"
    assert choice.reason == "the cheapest that fits of the weakest tier that does"
