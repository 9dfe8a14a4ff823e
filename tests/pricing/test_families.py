"""The table of smaller siblings, held against the price table that is installed."""

from __future__ import annotations

import pytest

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage
from otel_agentprof.pricing.families import FAMILIES, cheaper

_VENDORS = {
    "gpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "claude": "anthropic",
    "gemini": "google",
    "mistral": "mistral",
    "grok": "x-ai",
    "command": "cohere",
    "nova": "aws.bedrock",
    "sonar": "perplexity",
    "deepseek": "deepseek",
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0])
def test_every_name_has_a_price_below_that_of_the_name_before_it(family: tuple[str, ...]) -> None:
    provider = _VENDORS[family[0].partition("-")[0]]
    prefix = "amazon." if provider == "aws.bedrock" else ""

    costs = [pricing.price(TokenUsage(1000, 100), prefix + name, provider=provider) for name in family]

    totals = [cost.total for cost in costs if cost is not None]
    assert len(totals) == len(family)
    assert totals == sorted(set(totals), reverse=True)


def test_no_name_stands_in_two_families() -> None:
    names = [name for family in FAMILIES for name in family]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("model", "siblings"),
    [
        ("gpt-4.1", ("gpt-4.1-mini", "gpt-4.1-nano")),
        ("gpt-4o-2024-08-06", ("gpt-4o-mini",)),
        ("GPT-4o", ("gpt-4o-mini",)),
        ("claude-opus-4-5-20251101", ("claude-sonnet-4-5", "claude-haiku-4-5")),
        ("claude-opus-4-5@20251101", ("claude-sonnet-4-5", "claude-haiku-4-5")),
        ("claude-3-opus-latest", ("claude-3-sonnet", "claude-3-haiku")),
        ("openai/gpt-4o", ("openai/gpt-4o-mini",)),
        ("eu.amazon.nova-lite-v1:0", ("eu.amazon.nova-micro",)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("us.anthropic.claude-haiku-4-5",)),
        ("gpt-4o-mini", ()),
        ("my-own-model", ()),
        ("", ()),
    ],
)
def test_siblings_are_named_as_the_seller_names_them(model: str, siblings: tuple[str, ...]) -> None:
    assert cheaper(model) == siblings
