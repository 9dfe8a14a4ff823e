"""What a report says about how its tokens and its money were counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis.trace import measure
from otel_agentprof.report.quality import data_quality

if TYPE_CHECKING:
    from otel_agentprof.report.report import DataQuality


def doubts(picture: str) -> dict[str, DataQuality]:
    found = data_quality(measure(draw(picture), flat_price), (), ())
    return {doubt.code: doubt for doubt in found}


def test_double_instrumentation_is_told_with_the_scopes_that_were_left_out() -> None:
    told = doubts("""
        agent       |-----------|    role=agent
          one         |-------|      role=llm in=100 out=9 response=r1 scope=openai_v2
            two         |---|        role=llm in=100 out=9 response=r1 scope=traceloop
          twin        |-------|      role=llm in=100 out=9
    """)

    assert set(told) == {"double_instrumentation"}
    assert "2 spans showed calls again" in told["double_instrumentation"].message
    assert "(no scope, openai_v2)" in told["double_instrumentation"].message
    assert len(told["double_instrumentation"].span_ids) == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (400, "says 400 tokens and the calls below it say 300 (some model calls below are probably not"),
        (150, "says 150 tokens and the calls below it say 300 (2 times as many: several"),
        (250, "does not cover all calls below"),
        (301, None),
        (299, None),
    ],
)
def test_a_sum_that_disagrees_is_told_with_its_numbers(said: int, why: str | None) -> None:
    told = doubts(f"""
        agent       |-----------|    role=agent in={said}
          one         |---|          role=llm in=100 out=0
          two             |---|      role=llm in=200 out=0
    """)

    assert ("roll_up_disagrees" in told) == (why is not None)
    assert why is None or why in told["roll_up_disagrees"].message


def test_tokens_that_only_a_bare_total_names_are_told_to_be_missing() -> None:
    told = doubts("crew    |----|    role=agent llm.token_count.total=4266")

    expected = "crew says 4,266 tokens and no call below it tells any; they are missing from the sums."
    assert told["roll_up_disagrees"].message == expected


def test_of_several_sums_that_disagree_the_worst_is_told() -> None:
    told = doubts("""
        crew          |-----------|    role=agent in=900
          agent       |-----------|    role=agent in=400
            one         |---|          role=llm in=100 out=0
    """)

    assert told["roll_up_disagrees"].message.startswith("crew says 900 tokens")
    assert told["roll_up_disagrees"].message.endswith("So do 1 span more.")
    assert len(told["roll_up_disagrees"].span_ids) == 2


@pytest.mark.parametrize(("said", "is_told"), [(310, False), (350, True), (200, False)])
def test_a_gateway_may_differ_a_little_and_say_less(said: int, *, is_told: bool) -> None:
    told = doubts(f"""
        gateway     |-----------|    role=llm in={said}
          one         |---|          role=llm in=100 out=0
          two             |---|      role=llm in=200 out=0
    """)

    assert ("roll_up_disagrees" in told) == is_told


def test_tokens_that_no_call_has_are_told() -> None:
    told = doubts("""
        run           |--------------|    role=agent
          agent         |---|             role=agent in=100 scope=strands.telemetry
          step               |---|        litellm.call_id=x in=10
    """)

    assert set(told) == {"coarse_usage", "maybe_cumulative", "coverage_unknown"}
    assert len(told["coarse_usage"].span_ids) == 2
    assert told["maybe_cumulative"].span_ids == (f"{2:016x}",)
    assert told["coverage_unknown"].span_ids == (f"{3:016x}",)


@pytest.mark.parametrize(
    ("words", "model", "claim"),
    [
        ("gen_ai.system=claude_agent_sdk cost=0.7", "m", "it come to $1.000000: the first was used"),
        ("cost=0.7", "m", "it come to $1.000000: the second was used"),
        ("cost=0.7", "nobody", "it have no known price: the first was used"),
        ("cost=1.001", "m", None),
    ],
)
def test_two_sums_of_money_are_both_told(words: str, model: str, claim: str | None) -> None:
    told = doubts(f"""
        run         |-----------|    role=agent {words}
          one         |---|          role=llm model={model} in=1000 out=0
    """)

    assert ("reported_cost_disagrees" in told) == (claim is not None)
    assert claim is None or claim in told["reported_cost_disagrees"].message


def test_a_rerank_around_a_rerank_may_count_a_little_more_as_any_gateway_may() -> None:
    told = doubts("""
        agent       |-----------|    role=agent
          outer       |-------|      op=rerank in=104 scope=a
            inner       |---|        op=rerank in=100 scope=b
    """)

    assert set(told) == {"roll_up_ignored"}
