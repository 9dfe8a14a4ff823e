"""Sums of tokens and of money."""

from __future__ import annotations

from decimal import Decimal

from otel_agentprof.model import Cost, TokenUsage


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
