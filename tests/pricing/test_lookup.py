from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, Inexact, localcontext
from time import time_ns
from typing import TYPE_CHECKING

from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
)

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage
from otel_agentprof.pricing import lookup, sellers, table

if TYPE_CHECKING:
    import pytest

YEAR_NS = 365 * 86_400 * 10**9


def test_a_long_prompt_is_paid_at_the_higher_rate_for_all_its_tokens() -> None:
    card = pricing.rate_card("gpt-5.4", provider="openai")

    assert card is not None
    at_the_limit = card.cost(TokenUsage(input=272_000))
    one_above = card.cost(TokenUsage(input=272_001))
    assert at_the_limit is not None
    assert at_the_limit.total == Decimal("0.68")
    assert one_above is not None
    assert one_above.total == Decimal("1.360005")


def test_a_tier_has_its_own_price_and_an_unknown_one_the_standard_price() -> None:
    usage = TokenUsage(input=1_000_000)
    at_ns = 1_795_000_000 * 10**9  # in November 2026

    totals = [
        pricing.price(usage, "gpt-4.1", provider="openai", tier=tier, at_ns=at_ns)
        for tier in (None, "default", "unheard-of", "priority", "batch")
    ]

    assert [cost and cost.total for cost in totals] == [2, 2, 2, Decimal("3.5"), 1]


def test_another_sellers_tiers_do_not_hold() -> None:
    usage = TokenUsage(input=1_000_000)

    plain = pricing.price(usage, "o3", provider="azure.ai.openai")
    batch = pricing.price(usage, "o3", provider="azure.ai.openai", tier="batch")

    assert plain is not None
    assert plain == batch


def test_what_is_billed_by_the_hour_has_no_price_per_token() -> None:
    assert pricing.rate_card("whisper-1", provider="openai") is None
    assert pricing.price(TokenUsage(input=5), "whisper-1", provider="openai") is None


def test_a_model_that_the_table_calls_free_costs_nothing() -> None:
    cost = pricing.price(TokenUsage(input=5, output=5), "moonshotai/kimi-k2.6:free", provider="openrouter")

    assert cost is not None
    assert cost.total == 0


def test_the_decimal_context_of_the_program_changes_no_price() -> None:
    usage = TokenUsage(input=123_457, output=98_765)
    plain = pricing.price(usage, "gpt-4o", provider="openai")
    lookup.configure(None)

    with localcontext() as context:
        context.prec = 2
        context.traps[Inexact] = True
        cost = pricing.price(usage, "gpt-4o", provider="openai")

    assert cost == plain


def test_times_beyond_the_calendar_have_a_price_too() -> None:
    for at_ns in (-(10**30), -1, 0, 10**30):
        assert pricing.price(TokenUsage(input=1), "gpt-4o", provider="openai", at_ns=at_ns) is not None


def test_answers_are_remembered_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_MAX_CARDS", 3)

    for number in range(10):
        assert pricing.rate_card(f"no-such-model-{number}", provider="openai") is None
    first = pricing.rate_card("gpt-4o", provider="openai")
    second = pricing.rate_card("gpt-4o", provider="openai")

    assert first is second
    assert len(lookup._CARDS) <= 3


def test_a_price_that_is_yet_to_come_does_not_answer_for_today(monkeypatch: pytest.MonkeyPatch) -> None:
    day = datetime.fromtimestamp(time_ns() // 10**9 + 10 * 86_400, UTC).date()
    prices = [
        ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(1))),
        ConditionalPrice(StartDateConstraint(day), prices=ModelPrice(input_mtok=Decimal(2))),
    ]
    info = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    seller = Provider(id="s", name="S", api_pattern="https://s", models=[info])
    monkeypatch.setattr(sellers, "find", lambda *_, **__: (seller, info))
    now_ns = time_ns()
    usage = TokenUsage(input=1_000_000)

    costs = [
        pricing.price(usage, "m", at_ns=at_ns) for at_ns in (now_ns + YEAR_NS, None, now_ns - YEAR_NS, None)
    ]

    assert [cost and cost.total for cost in costs] == [2, 1, 1, 1]


def test_a_table_that_is_late_leaves_a_call_unpriced_but_not_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as late:
        late.setattr(table, "_LOADER", _late_loader())
        before = pricing.rate_card("gpt-4o", provider="openai")
    after = pricing.rate_card("gpt-4o", provider="openai")

    assert before is None
    assert after is not None


def test_no_table_means_no_price_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = table.Loader()
    loader._done.set()
    monkeypatch.setattr(table, "_LOADER", loader)

    assert pricing.price_table() == ""
    assert pricing.rate_card("gpt-4o", provider="openai") is None


def _late_loader() -> table.Loader:
    loader = table.Loader()
    loader._is_loading = True
    loader._patience_s = 0.0
    return loader


def test_a_dated_snapshot_that_the_table_does_not_list_costs_what_its_undated_name_costs() -> None:
    assert pricing.wait()

    listed = pricing.rate_card("gpt-5-mini", provider="openai")

    assert listed is not None
    for snapshot in ("gpt-5-mini-2031-01-15", "gpt-5-mini-20310115", "gpt-5-mini@20310115"):
        card = pricing.rate_card(snapshot, provider="openai")
        assert card is not None
        assert card.bands == listed.bands
    assert pricing.rate_card("gpt-5-mini-2031", provider="openai") is None
