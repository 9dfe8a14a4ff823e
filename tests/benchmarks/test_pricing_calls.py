"""What a price costs the program: calls of Python and C functions, which no machine's load changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

MAX_CALLS = 8
USAGE = TokenUsage(
    input=300_000, output=900, cache_read=1_000, cache_write=500, reasoning=300, cache_write_1h=100
)


def calls_of(work: Callable[[], object]) -> int:
    seen: list[str] = []

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            seen.append(event)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return len(seen) - 2  # the lambda of the test, and the setprofile that ends it


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5.4", "openai"),  # two rates by length of the prompt
        ("claude-sonnet-4-5", "anthropic"),  # two rates for cache writes
        ("gpt-4o-audio-preview", "openai"),
        ("deepseek-chat", "deepseek"),  # by time of day: the one that needs the clock
    ],
)
def test_a_known_price_takes_eight_calls_at_most(model: str, provider: str) -> None:
    pricing.configure(None)

    def priced() -> object:
        return pricing.price(USAGE, model, provider=provider, server_address="localhost", tier="default")

    def by_card() -> object:
        card = pricing.rate_card(model, provider=provider)
        return card and card.cost(USAGE)

    assert priced() is not None
    assert by_card() is not None
    assert calls_of(lambda: priced) == 0
    assert calls_of(priced) <= MAX_CALLS
    assert calls_of(by_card) <= MAX_CALLS


def test_an_unknown_price_is_remembered_too() -> None:
    pricing.configure(None)
    pricing.price(USAGE, "nobody-sells-this", provider="openai")

    calls = calls_of(lambda: pricing.price(USAGE, "nobody-sells-this", provider="openai"))

    assert calls <= 2
