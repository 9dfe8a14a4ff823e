"""What a call is held to take: the length of any prompt, prices by its length, answers so far."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage
from otel_agentprof.model.budget import Planned
from otel_agentprof.optimize import estimates
from otel_agentprof.optimize.estimates import Outputs, characters, estimate
from otel_agentprof.pricing import card

PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 50_000


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (["Paris"], 5),
        ([[{"role": "user", "content": "Paris"}, {"role": "user", "content": "Rome"}]], 9),
        ([[{"role": "user", "content": [{"type": "text", "text": "Paris"}]}]], 4 + 4 + 5),
        ([[{"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}]}]], 9 + 2),
        ([[SimpleNamespace(role="user", content="Paris")]], 4 + 5),
        ([["Paris", "Rome"]], 9),
        ([(1, 2, 3)], 12),
        ([b"\x89PNG" * 1_000], 4_000),
        ([[{"content": [{"image_url": {"url": PICTURE}}, {"text": "What is it?"}]}]], 4_000 + 11),
        (["a long text of words " * 1_000], 21_000),
        ([None, 1.5, object()], 0),
        ([], 0),
    ],
)
def test_the_length_of_a_prompt(prompt: list[Any], expected: int) -> None:
    assert characters(prompt) == expected


def test_a_prompt_that_contains_itself_comes_to_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert characters([endless]) == 0


@pytest.mark.parametrize(("length", "model"), [(4_000, "gpt-5-mini"), (1_200_000, "gemini-2.5-pro")])
def test_money_is_what_the_table_says_for_prompts_of_that_length(length: int, model: str) -> None:
    assert pricing.wait()
    provider = "openai" if model.startswith("gpt") else "gcp.gemini"
    planned = Planned("llm", model, provider, None, ["x " * (length // 2)], 1_000, 1, None)
    told = pricing.price(TokenUsage(length // 4, 1_000), model, provider=provider)

    (units, tokens, calls), likely = estimate(planned, Outputs(), None, has_money=True)

    assert told is not None
    assert units == int(told.total * 10**12) + 1
    assert (tokens, calls) == (length // 4 + 1_000, 1)
    assert likely == (units, tokens, calls)


def test_a_guess_is_reserved_and_not_asked_for() -> None:
    planned = Planned("llm", None, None, None, ["x" * 40], None, 1, None)

    certain, likely = estimate(planned, Outputs(), None, has_money=True)

    assert certain == (0, 10, 1)
    assert likely == (0, 510, 1)


def test_means_of_so_many_models_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_MOST_MODELS", 1)
    outputs = Outputs()
    for model, tokens in (("a", 10), ("b", 20), ("a", 20)):
        outputs.note(model, tokens)

    assert outputs.means == {"a": 15}


def test_thoughts_that_cost_more_than_the_answer_are_reckoned_with() -> None:
    prices = {"input": Decimal("0.000001"), "output": Decimal("0.000002"), "reasoning": Decimal("0.000003")}
    rates = card.build([(-1, prices)], model="m", provider="", table="own")

    assert estimates._figures(rates, 0, 1_000, 1) == (3_000_000_001, 1_000, 1)
