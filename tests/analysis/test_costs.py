from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import costs
from otel_agentprof.analysis.costs import Dispute, charges
from otel_agentprof.model.counting import count

if TYPE_CHECKING:
    from drawing import Drawing

    from otel_agentprof.model import Cost, TokenUsage


def paid(tree: Drawing) -> dict[str, Decimal | None]:
    found = costs(tree, count(tree), flat_price)
    return {span.name: cost for span, cost in zip(tree.spans, found, strict=True)}


def test_tokens_are_priced_where_the_span_says_no_price() -> None:
    tree = draw("""
        agent  |----|  role=agent
          chat  |--|   role=llm model=m in=1000 out=500
    """)

    found = paid(tree)

    assert found == {"agent": None, "chat": Decimal("1.5")}


def test_a_reported_price_wins_and_keeps_its_digits() -> None:
    tree = draw("chat  |--|  role=llm model=m in=1000 out=500 cost=0.1")

    found = paid(tree)

    assert found == {"chat": Decimal("0.1")}


def test_a_reported_zero_with_tokens_is_unknown_and_priced_instead() -> None:
    tree = draw("""
        agent  |-------|  role=agent
          chat  |--|      role=llm model=m in=1000 out=0 cost=0
          odd       |--|  role=llm model=nobody in=1000 out=0 cost=0
    """)

    found = paid(tree)

    assert found == {"agent": None, "chat": Decimal(1), "odd": None}


@pytest.mark.parametrize("words", ["model=nobody in=10 out=1", "in=10 out=1", "model=m"])
def test_no_price_is_invented(words: str) -> None:
    tree = draw(f"chat  |--|  role=llm {words}")

    found = paid(tree)

    assert found == {"chat": None}


def test_a_call_without_any_token_costs_nothing() -> None:
    tree = draw("chat  |--|  role=llm model=nobody in=0 out=0 cost=0")

    found = paid(tree)

    assert found == {"chat": Decimal(0)}


def test_a_call_shown_twice_is_paid_once() -> None:
    tree = draw("""
        agent      |-------|  role=agent in=1000 out=0 cost=7
          gateway   |-----|   role=llm model=m in=1000 out=0 cost=7
            chat     |---|    role=llm model=m in=1000 out=0
    """)

    found = paid(tree)

    assert sum(cost for cost in found.values() if cost is not None) == found["chat"] == Decimal(7)


def test_money_that_only_an_ancestor_knows_counts_once() -> None:
    tree = draw("""
        run         |--------|  role=agent cost=0.9
          agent      |------|   role=agent cost=0.5
            browse    |----|    role=tool
    """)

    found = paid(tree)

    assert found == {"run": None, "agent": Decimal("0.5"), "browse": None}


def test_the_service_tier_that_was_billed_reaches_the_price() -> None:
    tree = draw("chat  |--|  role=llm model=m in=1000 out=0 openai.response.service_tier=flex")

    found = paid(tree)

    assert found == {"chat": Decimal("0.5")}


def test_provider_address_and_time_reach_the_price() -> None:
    asked: list[dict[str, Any]] = []

    def ask(usage: TokenUsage, model: str, **context: Any) -> Cost | None:
        asked.append({"tokens": usage.total, "model": model, **context})
        return None

    tree = draw("""
        agent  |----|  role=agent
          chat  |--|   role=llm model=m in=1 out=1 provider=openai server.address=api.example.com
    """)

    costs(tree, count(tree), ask)

    assert asked == [
        {
            "tokens": 2,
            "model": "m",
            "provider": "openai",
            "server_address": "api.example.com",
            "tier": None,
            "at_ns": 1,
        }
    ]


BILLED = "role=agent gen_ai.system=claude_agent_sdk"


def test_what_the_vendors_own_program_says_of_a_run_is_shared_out_over_its_calls() -> None:
    tree = draw(f"""
        run      |--------|  {BILLED} cost=0.7
          one     |-|        role=llm model=m in=1000 out=0
          turn      |---|    role=step cost=0.1
            two     |---|    role=llm model=m in=2000 out=0
    """)

    found, disputes = charges(tree, count(tree), flat_price)

    assert found[0] is None
    assert sum(cost for cost in found if cost is not None) == Decimal("0.7")
    assert found[3] == pytest.approx(Decimal("0.7") * 2 / 3)
    assert disputes == (Dispute(0, Decimal("0.7"), Decimal(3), is_used=True),)


def test_what_somebody_elses_table_says_of_a_run_gives_way_to_its_calls() -> None:
    tree = draw("""
        run      |--------|  role=agent cost=0.7
          one     |-|        role=llm model=m in=1000 out=0
    """)

    found, disputes = charges(tree, count(tree), flat_price)

    assert found == (None, Decimal(1))
    assert disputes == (Dispute(0, Decimal("0.7"), Decimal(1), is_used=False),)


def test_what_a_run_says_is_used_where_no_call_has_a_price() -> None:
    tree = draw("""
        run      |--------|  role=agent cost=0.9
          inner  |--------|  role=agent cost=0.8
            one   |-|        role=llm model=nobody in=200 out=0
            two      |-|     role=llm model=nobody in=100 out=0
        none     |--------|  role=agent cost=0 parent=1
          third   |-|        role=llm model=m in=0 out=0
    """)

    found, disputes = charges(tree, count(tree), flat_price)

    assert found == (None, None, Decimal("0.6"), Decimal("0.3"), None, Decimal(0))
    assert [dispute.index for dispute in disputes] == [0]


def test_a_call_that_names_its_price_keeps_it_whatever_the_run_says() -> None:
    tree = draw(f"""
        run      |--------|  {BILLED} cost=0.7
          one     |-|        role=llm model=m in=1000 out=0 cost=0.5
    """)

    assert paid(tree) == {"run": None, "one": Decimal("0.5")}


@pytest.mark.parametrize("words", ["in=0 out=0", "in=1 out=0"])
def test_a_sum_beyond_reason_is_shared_out_too(words: str) -> None:
    tree = draw(f"""
        run      |--------|  {BILLED} cost=1e300
          one     |-|        role=llm {words}
          two        |-|     role=llm {words}
    """)

    found = paid(tree)

    assert sum(cost for cost in found.values() if cost is not None) == pytest.approx(Decimal("1e300"))
