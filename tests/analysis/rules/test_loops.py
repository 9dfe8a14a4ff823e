"""``agent_loop``: the same tool call turn after turn, and turns after the answer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import SpanTree

ASKED = "agentprof.request.fingerprint"
_STOP = "gen_ai.response.finish_reasons=stop"
_CHAIN = 'agentprof.prompt.chain=["a","b"] agentprof.prompt.sizes=[1,2]'


def all_found(tree: SpanTree, config: Config | None = None) -> list[Finding]:
    return list(findings(measure(tree, flat_price), config or Config()))


def loops(tree: SpanTree, config: Config | None = None) -> list[Finding]:
    return [one for one in all_found(tree, config) if one.rule == "agent_loop"]


def circle(*, last: str = f"{ASKED}=a", between: str = "role=llm model=m in=10") -> SpanTree:
    return draw(f"""
        planner    |-----------------------------------|  role=agent
          chat      |--|                                  role=llm model=m in=10
          search       |--|                               role=tool {ASKED}=a
          chat            |--|                            role=llm model=m in=10
          search             |--|                         role=tool {ASKED}=a
          lookup                |-|                       role=tool {ASKED}=l
          chat                    |--|                    {between}
          search                     |--|                 role=tool {last}
          chat                           |--|             role=llm model=m in=10 out=1
    """)


def test_a_tool_called_as_before_in_three_turns_is_a_loop() -> None:
    (found,) = loops(circle())

    assert found.title == "Agent planner goes round in circles: search x3 with the same arguments in 3 turns"
    assert (found.component, found.metric, found.value, found.threshold) == (
        "planner",
        "equal_turns",
        3.0,
        3.0,
    )
    assert (found.saving_ns, found.saving_usd) == (3 + 3 + 3, Decimal("0.01"))
    assert found.derivation == (
        "this run again without the 2 calls made again and the 1 turn that asked for nothing else"
    )
    assert found.span_ids[:5] == tuple(f"{n:016x}" for n in (3, 5, 8, 7, 1))
    assert (found.confidence, found.impact) == ("proven", "high")


def test_a_loop_is_not_told_a_second_time_as_a_repetition() -> None:
    found = all_found(circle())

    assert "repeated_call" not in {one.rule for one in found}
    assert "Also: search was called 3 times with the same arguments." in found[0].suggestion


def test_too_many_turns_of_an_agent_that_goes_round_in_circles_are_one_finding() -> None:
    found = all_found(circle(), Config(max_iterations=3))

    assert "too_many_iterations" not in {one.rule for one in found}
    assert "Also: Agent planner calls the model 4 times in one run" in found[0].suggestion


@pytest.mark.parametrize(
    "changed",
    [
        {"last": f"{ASKED}=b"},
        {"last": f"tool=other {ASKED}=a"},
        {"between": "role=step"},  # two of the calls in one turn
    ],
)
def test_other_arguments_another_tool_and_fewer_turns_are_no_loop(changed: dict[str, str]) -> None:
    assert loops(circle(**changed)) == []


def test_two_turns_are_a_loop_where_the_limit_says_so() -> None:
    (found,) = loops(circle(last=f"{ASKED}=b"), Config(loop_repeats=2))

    assert (found.value, found.saving_ns) == (2.0, 3)


def test_calls_outside_agents_and_before_the_first_turn_are_in_no_turn() -> None:
    tree = draw(f"""
        run        |----------------------|  role=step
          search    |-|                      role=tool {ASKED}=a
          search      |-|                    role=tool {ASKED}=a
          search        |-|                  role=tool {ASKED}=a
          planner          |------------|    role=agent
            search          |-|              role=tool {ASKED}=a
            chat              |-|            role=llm
    """)

    assert loops(tree) == []


def test_a_tool_that_fails_in_every_turn_is_a_loop_and_no_retry() -> None:
    failing = f"role=tool {ASKED}=a status=ERROR"
    tree = draw(f"""
        planner    |----------------------|  role=agent
          search     |                       role=tool {ASKED}=z
          chat      |--|                     role=llm model=m in=10
          search       |--|                  {failing}
          chat            |--|               role=llm model=m in=10
          search             |--|            {failing}
          chat                  |--|         role=llm model=m in=10
          search                   |--|      {failing}
    """)

    found = {one.rule: one for one in all_found(tree)}

    assert found["agent_loop"].saving_ns == 4 * 3
    assert found.keys().isdisjoint({"retry_waste", "repeated_call"})


def test_what_others_captured_makes_a_loop_likely() -> None:
    given = "role=tool gen_ai.tool.call.arguments=x"
    tree = draw(f"""
        planner    |----------------------|  role=agent
          chat      |--|                     role=llm
          search       |--|                  {given}
          chat            |--|               role=llm
          search             |--|            {given}
          chat                  |--|         role=llm
          search                   |--|      {given}
    """)

    (found,) = loops(tree)

    assert found.confidence == "likely"


def answered(
    *,
    first: str = "gen_ai.response.finish_reasons=stop",
    second: str = "",
    tokens: str = "66",
    model: str = "m",
    between: str = "",
) -> SpanTree:
    return draw(f"""
        planner   |-------------------|  role=agent
          chat     |--|                  role=llm model=m in=40 out=10 {first}
          {between or "unrelated |  role=step"}
          chat           |---|           role=llm model={model} in={tokens} out=5 {second}
    """)


def test_turns_after_the_answer_are_not_needed() -> None:
    (found,) = loops(answered())

    assert found.title == "Agent planner calls the model 1 time after it has answered"
    assert (found.metric, found.value, found.threshold) == ("turns_after_answer", 1.0, 0.0)
    assert (found.saving_ns, found.saving_usd) == (4, Decimal("0.071"))
    assert (found.span_ids, found.confidence) == ((f"{4:016x}", f"{1:016x}"), "possible")
    assert found.derivation == "this run again without the 1 turn after an answer"


@pytest.mark.parametrize(
    "changed",
    [
        {"first": ""},
        {"first": "gen_ai.response.finish_reasons=length"},
        {"first": 'gen_ai.response.finish_reasons=stop agentprof.tool_call.ids=["c"]'},
        {"second": 'agentprof.tool_result.ids=["c"]'},
        {"tokens": "67"},  # more than the answer and its frame: somebody said something
        {"tokens": "49"},
        {"model": "other"},
        {"between": "search        |-|  role=tool"},
        {
            "first": f"gen_ai.response.finish_reasons=stop {_CHAIN}",
            "second": _CHAIN.replace('"a","b"', '"a","c"'),
        },
    ],
)
def test_a_turn_that_may_bring_something_new_is_needed(changed: dict[str, str]) -> None:
    assert loops(answered(**changed)) == []


def test_calls_inside_one_gateway_call_are_no_turns_after_an_answer() -> None:
    tree = draw(f"""
        planner      |--------------------|  role=agent
          gateway     |------------------|   role=llm
            chat       |--|                  role=llm model=m in=40 out=10 {_STOP}
            chat             |--|            role=llm model=m in=50 out=5
    """)

    assert loops(tree) == []


def test_a_chain_of_prefixes_makes_sure_that_nothing_was_added() -> None:
    longer = 'agentprof.prompt.chain=["a","b","c"] agentprof.prompt.sizes=[1,2,3]'

    (found,) = loops(answered(first=f"gen_ai.response.finish_reasons=stop {_CHAIN}", second=longer))

    assert found.confidence == "likely"


def test_turns_beside_each_other_do_not_follow_each_other() -> None:
    tree = draw("""
        planner   |-------------------|  role=agent
          chat     |-----|               role=llm model=m in=40 out=10 gen_ai.response.finish_reasons=stop
          chat        |---|              role=llm model=m in=50 out=5
          quiet             |-|          role=llm
    """)

    assert loops(tree) == []


def test_only_the_worst_agents_are_run_again() -> None:
    rows = "".join(
        f"""
          {name}        {" " * 12 * place}|---------|    role=agent
            chat     {" " * 12 * place}|--|           role=llm model=m in=40 out=10 {_STOP}
            chat        {" " * 12 * place}|--|        role=llm model=m in=50 out=5"""
        for place, name in enumerate("abcde")
    )
    tree = draw(f"""
        run         |{"-" * 70}|  role=step{rows}
    """)

    found = loops(tree)

    assert sorted(str(one.saving_ns) for one in found) == ["3", "3", "3", "3", "None"]
    assert all(one.saving_usd == Decimal("0.055") for one in found)


def test_only_the_longest_circles_are_run_again() -> None:
    def turn(place: int) -> str:
        space = " " * 6 * place
        return f"""
            chat      {space}|--|        role=llm
            search       {space}|--|     role=tool {ASKED}=a"""

    agents = "".join(
        f"\n          {name}        |{'-' * 60}|  role=agent" + "".join(map(turn, range(3)))
        for name in "abcde"
    )
    tree = draw(f"\n        run        |{'-' * 70}|  role=step{agents}\n")

    found = loops(tree)

    assert [one.saving_ns is None for one in found] == [False, False, False, False, True]
