"""What a call costs in one sum is what its parts add up to, to the last zero."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage
from otel_agentprof.pricing import card

USAGES = [
    TokenUsage(),
    TokenUsage(input=3_000, output=200, cache_read=1_000),
    TokenUsage(input=3_000, output=200, cache_read=1_000, cache_write=500),
    TokenUsage(input=3_000, output=200, reasoning=150),
    TokenUsage(input=300_000, output=900, cache_read=1_000, cache_write=500, reasoning=300),
    TokenUsage(input=3_000, output=200, cache_write=500, cache_write_1h=100),
    TokenUsage(input=3_000, output=200, audio_input=100, audio_output=100),
    TokenUsage(input=3_000, output=1_290, cache_read=300, image_input=258, image_output=1_120, reasoning=90),
    TokenUsage(input=3_000, video_input=258, image_cache_read=-1),
    TokenUsage(input=10**13, output=10**13),
    TokenUsage(input=10, output=1, cache_read=20),  # more cached than sent
    TokenUsage(input=10, output=-1),
]
PRICES = {
    "plain": {"input": "0.0000025", "output": "0.00001", "cache_read": "0.00000125"},
    "finer for the cache": {"input": "0.000003", "output": "0.000015", "cache_write": "0.00000375"},
    "finer for thinking": {"input": "0.000003", "output": "0.000015", "reasoning": "0.0000151"},
    "for images": {
        "input": "0.0000003",
        "output": "0.0000025",
        "image_input": "0.0000004",
        "image_output": "0.00003",
    },
    "for videos": {"input": "0.0000003", "output": "0.0000025", "video_input": "0.000001"},
    "by the request": {"input": "0.000003", "output": "0.000015", "request": "0.00125"},
    "free": {"input": "0", "output": "0"},
    "odd": {"input": str(Decimal(1) / Decimal(3)), "output": "0.5"},
}


@pytest.mark.parametrize("prices", PRICES.values(), ids=list(PRICES))
@pytest.mark.parametrize("usage", USAGES, ids=str)
def test_a_sum_has_the_digits_of_the_total_of_the_parts(prices: dict[str, str], usage: TokenUsage) -> None:
    rates = {name: Decimal(price) for name, price in prices.items()}
    bands = [(-1, rates), (200_000, {name: 2 * price for name, price in rates.items()})]
    made = card.build(bands, model="m", provider="p", table="t")

    cost = made.cost(usage)

    assert repr(made.usd(usage)) == repr(cost and cost.total)


def test_a_sum_stays_exact_where_the_program_counts_coarsely() -> None:
    made = card.build(
        [(-1, {name: Decimal(price) for name, price in PRICES["plain"].items()})],
        model="m",
        provider="p",
        table="t",
    )

    with localcontext(prec=3):
        usd = made.usd(TokenUsage(input=1_234_567, output=1))

    assert usd == Decimal("3.0864275")


def test_a_sum_is_looked_up_as_a_price_is() -> None:
    usage = USAGES[1]

    for model in ("gpt-4o", "deepseek-chat", "nobody-sells-this"):
        for at_ns in (None, 10**18):
            cost = pricing.price(usage, model, at_ns=at_ns)
            total = pricing.total(usage, model, at_ns=at_ns)
            assert repr(total and total.total) == repr(cost and cost.total)
