"""Sums of tokens and of money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from otel_agentprof.model import Cost, TokenUsage
from otel_agentprof.model.cost import billed_models


def test_the_parts_of_usage_add_up_field_by_field() -> None:
    one = TokenUsage(input=10, output=5, cache_read=4)

    both = one.plus(TokenUsage(input=1, reasoning=2))

    assert both == TokenUsage(input=11, output=5, cache_read=4, reasoning=2)
    assert both.total == 16


def test_what_is_left_of_usage_is_never_less_than_nothing_and_holds_its_parts() -> None:
    whole = TokenUsage(input=100, output=10, cache_read=90, cache_write=5, reasoning=9, cache_write_1h=5)

    left = whole.minus(TokenUsage(input=80, output=8, cache_read=10, reasoning=20))

    assert left == TokenUsage(input=20, output=2, cache_read=20, cache_write=0, reasoning=0)


def test_the_parts_of_a_cost_add_up_exactly() -> None:
    cost = Cost(*(Decimal("0.1"),) * 5)

    assert cost.total == Decimal("0.5")


@pytest.mark.parametrize(
    ("provider", "asked", "answered", "names"),
    [
        ("openai", "gpt-5", "gpt-5-2026-08-07", ("gpt-5-2026-08-07",)),
        ("openai", "gpt-5", None, ("gpt-5",)),
        (None, None, None, ()),
        ("aws.bedrock", "us.claude", "claude", ("us.claude", "claude")),
        ("aws.bedrock", "claude", "claude", ("claude",)),
        ("aws.bedrock", ["no", "text"], "claude", ("claude",)),
        ("aws.bedrock", None, "claude", ("claude",)),
        (None, "us.claude", "claude", ("claude",)),
    ],
)
def test_the_model_that_answered_is_billed_and_at_bedrock_the_one_asked_for(
    provider: str | None, asked: object, answered: str | None, names: tuple[str, ...]
) -> None:
    assert billed_models(provider, asked, answered) == names
