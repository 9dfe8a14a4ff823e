"""``oversized_model``, and what a smaller model would save of a costly operation."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config
from otel_agentprof.model import Cost

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import SpanTree, TokenUsage

_RATES = {
    "gpt-4.1": 10,
    "gpt-4.1-mini": 1,
    "gpt-5": 5,
    "gpt-5-nano": 1,
    "o3": 10,
    "o3-mini": 10,
    "lonely": 10,
}


def family_price(usage: TokenUsage, model: str, **asked: object) -> Cost | None:
    """Return so many dollars per million tokens."""
    del asked
    rate = Decimal(_RATES[model]) / 1_000_000 if model in _RATES else None
    return None if rate is None else Cost(input=usage.input * rate, output=usage.output * rate)


def found_by(rule: str, tree: SpanTree, config: Config | None = None) -> list[Finding]:
    return [one for one in findings(measure(tree, family_price), config or Config()) if one.rule == rule]


def test_short_answers_of_an_expensive_model_are_priced_with_its_sibling() -> None:
    tree = draw("""
        agent      |------------------|   role=agent
          classify  |--|                  role=llm model=gpt-4.1 in=2000 out=200
          classify      |--|              role=llm model=gpt-4.1 in=100 out=100
          classify          |--|          role=llm model=gpt-4.1 in=2001 out=10
          classify              |--|      role=llm model=gpt-4.1 in=10 out=201
    """)

    (found,) = found_by("oversized_model", tree)

    assert found.title == "classify asks gpt-4.1 for 2 short answers"
    assert (found.component, found.metric, found.value, found.threshold) == (
        "classify",
        "avg_output_tokens",
        150.0,
        200.0,
    )
    assert (found.saving_ns, found.saving_usd) == (None, Decimal("0.0216"))
    assert (found.span_ids, found.confidence) == ((f"{2:016x}", f"{3:016x}"), "possible")
    assert "1,050 tokens in and 150 out on average" in found.suggestion
    assert "try gpt-4.1-mini here" in found.suggestion
    assert found.derivation.startswith("estimate: the same tokens priced as gpt-4.1-mini, $0.0024 instead of")


def test_a_sibling_without_a_price_is_passed_over() -> None:
    tree = draw("chat  |--|  role=llm model=gpt-5 in=100 out=100")

    (found,) = found_by("oversized_model", tree)

    assert found.saving_usd == Decimal("0.0008")
    assert "gpt-5-nano" in found.suggestion


@pytest.mark.parametrize(
    "words",
    [
        "model=gpt-4.1-mini",
        "model=nobody",
        "model=lonely",
        "model=o3",  # its sibling costs the same
        "model=gpt-4.1 gen_ai.usage.reasoning.output_tokens=5",
        'model=gpt-4.1 agentprof.tool_call.ids=["a"]',
        'model=gpt-4.1 agentprof.tool_result.ids=["a"]',
        "model=gpt-4.1 gen_ai.response.finish_reasons=tool_calls",
        "model=gpt-4.1 status=ERROR",
    ],
)
def test_calls_that_are_not_simple_or_not_expensive_are_no_finding(words: str) -> None:
    tree = draw(f"""
        agent   |-------|   role=agent
          chat    |--|      role=llm in=100 out=10 {words}
    """)

    assert found_by("oversized_model", tree) == []


def test_a_model_is_expensive_from_the_configured_price_on() -> None:
    tree = draw("chat  |--|  role=llm model=gpt-4.1 in=100 out=10")

    assert len(found_by("oversized_model", tree, Config(expensive_usd=10))) == 1
    assert found_by("oversized_model", tree, Config(expensive_usd=10.1)) == []


@pytest.mark.parametrize(
    "rest", ["search     |--|  role=tool", 'chat     |--|  role=llm agentprof.tool_call.ids=["a"]']
)
def test_the_last_answer_of_an_agent_with_tools_is_no_simple_call(rest: str) -> None:
    tree = draw(f"""
        agent    |----------------|   role=agent
          {rest}
          chat           |--|         role=llm model=gpt-4.1 in=100 out=10
          chat               |--|     role=llm model=gpt-4.1 in=100 out=10
    """)

    assert found_by("oversized_model", tree) == []


SIMPLE = "role=llm model=gpt-4.1 in=100 out=10"


@pytest.mark.parametrize(
    "picture",
    [
        f"""
        agent      |----------------|   role=agent
          model     |--|                role=step
            chat    |--|                {SIMPLE}
          tools         |--|            role=step
            search      |--|            role=tool
          model             |--|        role=step
            gateway         |--|        role=llm model=gpt-4.1 scope=a
              chat          |--|        {SIMPLE} scope=b
        """,
        f"""
        agent      |----------------|   role=agent
          agent     |--|                role=agent
            chat    |--|                {SIMPLE}
          search        |--|            role=tool
        """,
        f"""
        graph      |----------------|   role=step
          model     |--|                role=step
            chat    |--|                {SIMPLE}
          tools         |--|            role=step
            search      |--|            role=tool
        """,
        f"""
        search     |----------------|   role=tool
          chat      |--|                {SIMPLE}
          fetch         |--|            role=tool
        """,
        f"""
        chat       |--|                 {SIMPLE} parent=none
        search         |--|             role=tool parent=none
        """,
        f"""
        agent      |----------------|   role=agent
          chat      |--|                {SIMPLE} scope=a
          twin      |--|                {SIMPLE} scope=b agentprof.tool_result.ids=["a"]
        """,
    ],
    ids=["steps", "agents", "no agent", "tool", "no root", "twin"],
)
def test_a_call_beside_the_tools_of_what_is_around_it_is_no_simple_call(picture: str) -> None:
    assert found_by("oversized_model", draw(picture)) == []


@pytest.mark.parametrize(
    "picture",
    [
        f"""
        agent      |----------------|   role=agent
          search    |-----|             role=tool
            chat    |--|                {SIMPLE}
        """,
        f"""
        agent      |----------------|   role=agent
          agent     |--|                role=agent
            chat    |--|                {SIMPLE}
          agent         |--|            role=agent
            search      |--|            role=tool
        """,
        f"""
        handler    |----------------|   role=other
          chat      |--|                {SIMPLE}
          agent         |--|            role=agent
            search      |--|            role=tool
        """,
    ],
    ids=["inside a tool", "another agent", "beside an agent"],
)
def test_the_tools_of_another_piece_of_work_say_nothing(picture: str) -> None:
    (found,) = found_by("oversized_model", draw(picture))

    assert found.value == 10.0


def test_a_costly_operation_says_what_a_smaller_model_would_save() -> None:
    tree = draw("""
        agent    |----------------|   role=agent
          chat    |--|                role=llm model=gpt-4.1 in=10000 out=1000
          chat        |--|            role=llm model=gpt-5 in=10000 out=0
          chat            |--|        role=llm model=lonely in=10000 out=0
          chat               |--|     role=llm cost=0.1
    """)

    (found,) = found_by("costly_operation", tree)

    assert found.value == pytest.approx(0.36)
    assert found.saving_usd == Decimal("0.16") - Decimal("0.021")
    assert found.derivation.startswith(
        "estimate: the same tokens priced as gpt-4.1-mini and gpt-5-nano, $0.0210"
    )


def test_a_costly_operation_without_a_smaller_model_has_no_saving() -> None:
    tree = draw("chat  |--|  role=llm model=lonely in=10000 out=1000")

    (found,) = found_by("costly_operation", tree)

    assert found.saving_usd is None
    assert found.derivation == "no saving computed: no cheaper model of the same family is known"


def test_one_cause_is_told_once_by_the_model_that_is_too_large() -> None:
    tree = draw("chat  |--|  role=llm model=gpt-4.1 in=2000 out=100")

    (found,) = findings(measure(tree, family_price), Config(costly_operation_usd=0.02, prompt_heavy_ratio=1))

    assert found.rule == "oversized_model"
    assert "Also: chat costs $0.0210." in found.suggestion


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        ("", "is not recorded"),
        ('agentprof.prompt.chain=["a"] agentprof.prompt.sizes=[9]', "sent before and billed"),
    ],
)
def test_prompt_heavy_says_why_it_has_no_saving(chain: str, why: str) -> None:
    tree = draw(f"chat  |--|  role=llm model=lonely in=900 out=100 {chain}")

    (found,) = found_by("prompt_heavy", tree)

    assert (found.saving_usd, why in found.derivation) == (None, True)


def test_a_price_that_the_span_names_is_not_mixed_with_those_of_the_table() -> None:
    tree = draw("chat  |--|  role=llm model=gpt-4.1 in=10000 out=1000 cost=5")

    (found,) = found_by("costly_operation", tree)

    assert found.value == 5.0
    assert found.saving_usd == Decimal("0.11") - Decimal("0.011")


def test_a_costly_run_without_calls_has_no_saving() -> None:
    tree = draw("browse  |--|  role=agent cost=1.5 model=gpt-4.1")

    (found,) = found_by("costly_operation", tree)

    assert found.saving_usd is None
