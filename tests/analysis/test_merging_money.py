"""Findings about money: which of them tell one cause, and which are two."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from drawing import draw

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config
from otel_agentprof.model import Cost

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import SpanTree, TokenUsage

QUIET = Config(prompt_heavy_ratio=1, sequential_group=9, costly_operation_usd=0.02)
_CHAIN = 'agentprof.prompt.chain=["s","q"] agentprof.prompt.sizes=[9000,100]'


def family_price(usage: TokenUsage, model: str, **asked: object) -> Cost | None:
    """Return a tenth of the price for the smaller sibling, and for what a cache holds; none for others."""
    del asked
    if model not in ("gpt-4o", "gpt-4o-mini", "lonely"):
        return None
    rate = Decimal("0.000001") * (1 if model == "gpt-4o-mini" else 10)
    fresh = usage.input - usage.cache_read
    return Cost(input=(fresh + usage.cache_read * Decimal("0.1")) * rate, output=usage.output * rate)


def turns(model: str, growth: int, words: str = "") -> SpanTree:
    rows = "".join(
        f"""
          chat    {"    " * place}|-|   role=llm model={model} in={2_000 + growth * place} out=400 {words}"""
        for place in range(6)
    )
    return draw(f"""
        agent     |{"-" * 40}|  role=agent{rows}
    """)


def told(tree: SpanTree) -> dict[str, Finding]:
    """Return the findings that are left by rule; each rule is there once."""
    found = findings(measure(tree, family_price), QUIET)
    assert len({one.rule for one in found}) == len(found)
    return {one.rule: one for one in found}


def test_a_cheaper_model_does_not_vanish_behind_a_shorter_prompt() -> None:
    found = told(turns("gpt-4o", 900))

    assert set(found) == {"costly_operation", "context_growth"}
    assert found["costly_operation"].saving_usd == Decimal("0.2511")
    assert (found["context_growth"].saving_usd or 0) < Decimal("0.1")
    assert "Also" not in found["context_growth"].suggestion


def test_a_cheaper_model_does_not_vanish_behind_a_cache() -> None:
    found = told(turns("gpt-4o", 0, _CHAIN))

    assert set(found) == {"costly_operation", "prompt_cache_miss"}


def test_where_there_is_no_cheaper_model_the_shorter_prompt_tells_it() -> None:
    growing, cached = told(turns("lonely", 900)), told(turns("lonely", 0, _CHAIN))

    assert set(growing) == {"context_growth"}
    assert growing["context_growth"].suggestion.endswith(" Also: chat costs $0.2790 over 6 calls.")
    assert set(cached) == {"prompt_cache_miss"}


def test_short_answers_that_cost_most_are_told_as_that_with_what_all_calls_are_worth() -> None:
    tree = draw("""
        agent    |-----------|   role=agent
          chat   |--|            role=llm model=gpt-4o in=2000 out=150
          chat      |--|         role=llm model=gpt-4o in=2000 out=150
          chat         |--|      role=llm model=gpt-4o in=1000 out=500
    """)

    found = told(tree)

    assert set(found) == {"oversized_model"}
    assert found["oversized_model"].saving_usd == Decimal("0.0387")
    assert found["oversized_model"].suggestion.endswith(
        " Also: chat costs $0.0580 over 3 calls, worth $0.0522."
    )


def test_short_answers_that_cost_little_are_a_part_of_the_costly_operation() -> None:
    tree = draw("""
        agent    |-----------|   role=agent
          chat   |--|            role=llm model=gpt-4o in=2000 out=150
          chat      |--|         role=llm model=gpt-4o in=9000 out=900
    """)

    found = told(tree)

    assert set(found) == {"costly_operation"}
    assert found["costly_operation"].suggestion.endswith(" Also: chat asks gpt-4o for 1 short answer.")
    assert [swap.span_id for swap in found["costly_operation"].swaps] == [f"{2:016x}"]


def test_many_more_rounds_than_a_circle_has_are_another_cause() -> None:
    tools = "\n".join(
        f"""
          chat   {"    " * n}|-|    role=llm model=gpt-4o in=100
          s      {"    " * n}  |-|  role=tool agentprof.request.fingerprint={"a" if n < 3 else n}"""
        for n in range(22)
    )
    tree = draw(f"""
        agent    |{"-" * 100}|  role=agent{tools}
    """)

    found = told(tree)

    assert "too_many_calls" not in found
    assert {"agent_loop", "too_many_iterations"} <= set(found)
    assert (found["agent_loop"].saving_ns, found["too_many_iterations"].saving_ns) == (8, 48)
