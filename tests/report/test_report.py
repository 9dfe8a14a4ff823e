from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from drawing import draw

from otel_agentprof.analysis import Finding
from otel_agentprof.model import SpanTree, TokenUsage
from otel_agentprof.report.build import build
from otel_agentprof.semconv import ROLES

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report

SECOND = 1_000_000_000


@pytest.fixture
def report() -> Report:
    return build(
        draw(
            """
        agent     |--------------|   role=agent
          chat     |----|            role=llm model=gpt-4o provider=openai in=40000 out=100
          search         |--|        role=tool
          fetch              |>      role=embedding model=mystery-1 in=5
        """,
            unit=SECOND,
        )
    )


def through_json(report: Report) -> Any:
    return json.loads(json.dumps(report.to_dict(), allow_nan=False))


def test_json_has_the_fields_of_the_schema(report: Report) -> None:
    found = through_json(report)

    assert found["schema"] == "agentprof.report/1"
    assert found.keys() >= {
        "trace_id",
        "root",
        "duration_ns",
        "span_count",
        "critical_path",
        "by_role",
        "tokens",
        "cost",
        "findings",
        "data_quality",
    }
    assert found["root"] == {"span_id": f"{1:016x}", "name": "agent"}
    assert found["critical_path"][1] == {
        "span_id": f"{2:016x}",
        "name": "chat",
        "role": "llm",
        "start_ns": SECOND,
        "end_ns": 6 * SECOND,
    }
    tokens = {"input": 40000, "output": 100, "cache_read": 0, "cache_write": 0, "reasoning": 0}
    assert found["tokens"]["by_model"]["gpt-4o"] == tokens
    assert found["tokens"]["by_operation"]["chat"] == {"count": 1, **tokens, "cost_usd": 0.101}
    assert found["cost"] == {
        "total_usd": 0.101,
        "by_model": {"gpt-4o": 0.101},
        "unpriced_models": ["mystery-1"],
    }
    assert found["findings"][0].keys() == {
        "rule",
        "title",
        "impact",
        "component",
        "metric",
        "value",
        "threshold",
        "saving_ns",
        "saving_usd",
        "derivation",
        "confidence",
        "span_ids",
        "suggestion",
    }
    assert found["data_quality"][0].keys() == {"code", "message", "span_ids"}
    assert found["data_quality"][0]["span_ids"] == [f"{4:016x}"]


def test_every_role_is_there_and_zero_where_it_does_not_occur(report: Report) -> None:
    found = through_json(report)["by_role"]

    assert list(found) == list(ROLES)
    assert set(found["retrieval"].values()) == {0}
    assert found["llm"] == {
        "count": 1,
        "total_ns": 5 * SECOND,
        "self_ns": 5 * SECOND,
        "critical_ns": 5 * SECOND,
        "min_ns": 5 * SECOND,
        "avg_ns": 5 * SECOND,
        "p50_ns": 5 * SECOND,
        "p95_ns": 5 * SECOND,
        "max_ns": 5 * SECOND,
    }
    assert sum(figures["critical_ns"] for figures in found.values()) == 15 * SECOND


def test_an_unknown_cost_is_null_and_no_tokens_cost_zero() -> None:
    unknown = build(draw("chat  |--|  role=llm model=mystery-1 in=10 out=1"))
    nothing = build(SpanTree.from_spans([]))

    assert through_json(unknown)["cost"] == {
        "total_usd": None,
        "by_model": {},
        "unpriced_models": ["mystery-1"],
    }
    assert through_json(nothing)["cost"]["total_usd"] == 0
    assert through_json(nothing)["root"] == {"span_id": None, "name": None}


def test_money_is_rounded_to_what_a_float_can_say(report: Report) -> None:
    odd = replace(report, cost_usd=Decimal("0.1000000000004"), cost_by_model={"m": Decimal("1e400")})

    found = through_json(odd)["cost"]

    assert found["total_usd"] == 0.1
    assert found["by_model"] == {"m": None}


def test_figures_that_are_no_numbers_become_null(report: Report) -> None:
    finding = Finding(
        rule="odd",
        title="t",
        impact="low",
        component="c",
        metric="m",
        value=float("nan"),
        threshold=float("inf"),
        suggestion="s",
        span_ids=("a",),
        saving_ns=5,
        saving_usd=Decimal("0.25"),
        confidence="proven",
    )

    (found,) = through_json(replace(report, findings=(finding,), usage=TokenUsage()))["findings"]

    assert (found["value"], found["threshold"]) == (None, None)
    assert (found["saving_ns"], found["saving_usd"], found["confidence"]) == (5, 0.25, "proven")
