from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof import model, pricing
from otel_agentprof.profilers import TokenProfiler, TokenUsage


def usd(prompt: int, completion: int, name: str) -> float:
    cost = pricing.price(model.TokenUsage(prompt, completion), name)
    assert cost is not None
    return float(cost.total)


def test_a_record_has_the_chapters_fields() -> None:
    tokens = TokenProfiler()

    record = tokens.record("planning:step", 1500, 200, "gpt-4o", user="u1")

    assert tokens.usage_records == [record]
    assert (record.operation, record.prompt_tokens, record.completion_tokens, record.model) == (
        "planning:step",
        1500,
        200,
        "gpt-4o",
    )
    assert (record.metadata, record.total_tokens) == ({"user": "u1"}, 1700)
    assert record.estimated_cost == usd(1500, 200, "gpt-4o") > 0
    moment = datetime.fromisoformat(record.timestamp)
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    with pytest.raises(FrozenInstanceError):
        record.prompt_tokens = 3  # type: ignore[misc]


@pytest.mark.parametrize("count", [-1, 1.0, "3", None, True])
def test_a_count_that_is_no_count_is_refused(count: int) -> None:
    tokens = TokenProfiler()

    with pytest.raises(ValueError, match="prompt_tokens of 'x' must be an integer >= 0"):
        tokens.record("x", count, 0, "gpt-4o")
    with pytest.raises(ValueError, match="completion_tokens"):
        tokens.record("x", 0, count, "gpt-4o")
    with pytest.raises(ValueError, match="completion_tokens"):
        TokenUsage("x", 0, count, "gpt-4o")

    assert tokens.usage_records == []


@pytest.mark.parametrize(
    ("budget", "expected"),
    [(2000, (True, 300)), (1700, (False, 0)), (1000, (False, -700)), (0, (False, -1700))],
)
def test_a_budget_counts_the_operations_that_start_with_its_category(
    budget: int, expected: tuple[bool, int]
) -> None:
    tokens = TokenProfiler()
    tokens.record("planning:step", 1500, 200, "gpt-4o")
    tokens.record("answering:planning", 9000, 0, "gpt-4o")

    tokens.set_budget("planning", budget)

    assert tokens.check_budget("planning") == expected
    assert tokens.budgets == {"planning": budget}


def test_without_a_budget_everything_is_within() -> None:
    tokens = TokenProfiler()
    tokens.record("planning", 1500, 200, "gpt-4o")

    assert tokens.check_budget("planning") == (True, 0)


@pytest.mark.parametrize("budget", [-1, float("nan")])
def test_a_budget_that_is_no_amount_is_refused(budget: int) -> None:
    with pytest.raises(ValueError, match="must be a number >= 0"):
        TokenProfiler().set_budget("x", budget)


def test_a_summary_adds_up_by_operation_and_by_model() -> None:
    tokens = TokenProfiler()
    tokens.record("plan", 1000, 100, "gpt-4o")
    tokens.record("plan", 500, 50, "gpt-4o-mini")
    tokens.record("answer", 10, 20, "gpt-4o")

    summary = tokens.get_summary()

    big, small, little = usd(1000, 100, "gpt-4o"), usd(500, 50, "gpt-4o-mini"), usd(10, 20, "gpt-4o")
    assert summary == {
        "total_tokens": 1680,
        "total_cost": pytest.approx(big + small + little),
        "record_count": 3,
        "by_operation": {
            "plan": {
                "count": 2,
                "prompt_tokens": 1500,
                "completion_tokens": 150,
                "cost": pytest.approx(big + small),
            },
            "answer": {
                "count": 1,
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "cost": pytest.approx(little),
            },
        },
        "by_model": {
            "gpt-4o": {
                "count": 2,
                "prompt_tokens": 1010,
                "completion_tokens": 120,
                "cost": pytest.approx(big + little),
            },
            "gpt-4o-mini": {
                "count": 1,
                "prompt_tokens": 500,
                "completion_tokens": 50,
                "cost": pytest.approx(small),
            },
        },
        "unpriced_models": [],
    }


def test_an_empty_profiler_has_an_empty_summary() -> None:
    tokens = TokenProfiler()

    assert tokens.get_summary() == {
        "total_tokens": 0,
        "total_cost": 0.0,
        "record_count": 0,
        "by_operation": {},
        "by_model": {},
        "unpriced_models": [],
    }
    assert tokens.get_optimization_suggestions() == []


def test_an_unknown_model_costs_nothing_and_is_named() -> None:
    tokens = TokenProfiler()
    tokens.record("plan", 1_000_000, 1_000_000, "my-own-model-7")
    tokens.record("plan", 1, 1, "another-own-model")

    summary = tokens.get_summary()

    assert summary["total_cost"] == 0
    assert summary["unpriced_models"] == ["another-own-model", "my-own-model-7"]
    assert tokens.usage_records[0].estimated_cost == 0
    assert tokens.usage_records[0].cost_usd is None


def test_expensive_and_prompt_heavy_operations_are_suggested() -> None:
    tokens = TokenProfiler()
    tokens.record("dear", 100_000, 50_000, "gpt-4o")
    tokens.record("dearest", 200_000, 100_000, "gpt-4o")
    tokens.record("heavy", 9, 1, "gpt-4o")
    tokens.record("even", 8, 2, "gpt-4o")
    tokens.record("nothing", 0, 0, "gpt-4o")

    suggestions = tokens.get_optimization_suggestions()

    assert [(s["type"], s["operation"]) for s in suggestions] == [
        ("expensive_operation", "dearest"),
        ("expensive_operation", "dear"),
        ("prompt_heavy", "heavy"),
    ]
    assert suggestions[0]["cost"] == pytest.approx(usd(200_000, 100_000, "gpt-4o"))
    assert suggestions[2]["ratio"] == pytest.approx(0.9)
    assert all(isinstance(s["suggestion"], str) and s["suggestion"] for s in suggestions)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["plan", "plan:a", "answer"]),
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.sampled_from(["gpt-4o", "gpt-4o-mini", "nobody-knows-1"]),
        )
    )
)
def test_parts_add_up_to_the_whole(calls: list[tuple[str, int, int, str]]) -> None:
    tokens = TokenProfiler()
    for call in calls:
        tokens.record(*call)

    summary = tokens.get_summary()

    exact = sum((record.cost_usd or Decimal(0) for record in tokens.usage_records), Decimal(0))
    assert summary["total_cost"] == float(exact)
    for key in ("by_operation", "by_model"):
        parts = summary[key].values()
        assert sum(part["count"] for part in parts) == summary["record_count"] == len(calls)
        assert (
            sum(part["prompt_tokens"] + part["completion_tokens"] for part in parts)
            == summary["total_tokens"]
        )
        assert sum(part["cost"] for part in parts) == pytest.approx(summary["total_cost"])
