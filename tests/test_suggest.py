"""``suggest``: the calls of a trace that a cheaper model could take, one by one."""

from __future__ import annotations

from decimal import Decimal

from drawing import draw

import otel_agentprof as ap
from otel_agentprof import pricing


def test_the_calls_that_a_cheaper_model_could_take_with_their_saving() -> None:
    assert pricing.wait()
    report = ap.analyze(
        draw("""
        agent      |--------------------------|   role=agent
          classify  |--|                          role=llm model=gpt-4o in=1000 out=100
          classify      |--|                      role=llm model=gpt-4o in=2000 out=200
          write             |--|                  role=llm model=gpt-4o in=100000 out=9000
          classify              |--|              role=llm model=gpt-4o-mini in=1000 out=100
    """)
    )

    swaps = ap.suggest(report)

    assert [(swap.span_id, swap.model, swap.cheaper) for swap in swaps] == [
        (f"{3:016x}", "gpt-4o", "gpt-4o-mini"),
        (f"{2:016x}", "gpt-4o", "gpt-4o-mini"),
    ]
    assert [swap.saving_usd for swap in swaps] == [Decimal("0.00658"), Decimal("0.00329")]
    found = next(one for one in report.findings if one.rule == "oversized_model")
    assert sum(swap.saving_usd for swap in swaps) == found.saving_usd
    assert "swaps" not in report.to_dict()["findings"][0]


def test_nothing_to_suggest() -> None:
    assert ap.suggest(ap.analyze([])) == ()
