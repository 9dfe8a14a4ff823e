"""One finding per cause: each pair of rules that can tell the same one, and pairs of causes that stay two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from drawing import draw
from flat_prices import flat_price
from found import SECOND, ids

from otel_agentprof.analysis import Finding, findings, measure
from otel_agentprof.analysis.merging import SAME_REMEDY, TELLING, merged
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from otel_agentprof.analysis.costs import Price
    from otel_agentprof.model import SpanTree

ASKED = "agentprof.request.fingerprint"
TTFT = "gen_ai.response.time_to_first_chunk"
QUIET: dict[str, Any] = {
    "own_code_ratio": 1,
    "costly_operation_usd": 99,
    "prompt_heavy_ratio": 1,
    "sequential_group": 99,
    "simple_output_tokens": 0,
}
_SPARED = {
    "agent_loop": "a call in a circle is not made at all",
    "timeout": "a call that was given up took its limit",
    "retry_waste": "a call that failed was in vain",
    "repeated_call": "a call that was made before need not be made",
}
_PART = {
    "slow_first_token": "the start is what takes long",
    "slow_generation": "one call writes slower than the others do",
    "head_of_line": "one of several takes much longer than the others",
}
# Which rule gives way to which, and why.
WHY: dict[str, dict[str, str]] = {
    "prompt_heavy": {
        "prompt_cache_miss": "what makes prompts long was sent before",
        "context_growth": "what makes prompts long is the history",
    },
    "unusual_duration": {
        **_SPARED,
        **_PART,
        "slow_llm": "slow on average says more than beyond what is usual",
        "slow_tool": "so it does of tools, and of the requests inside them",
        "unusual_duration": "a request inside a retrieval is its time",
    },
    "slow_llm": {**_SPARED, **_PART},
    "slow_tool": {
        **_SPARED,
        "head_of_line": _PART["head_of_line"],
        "slow_tool": "a tool inside a tool is its time",
    },
    "too_many_calls": {
        "agent_loop": "the circle makes them many",
        "repeated_call": "those made again make them many",
        "retry_waste": "those that failed make them many",
        "too_many_iterations": "there is one in each round",
    },
    "too_many_iterations": {"agent_loop": "the circle makes them many"},
    "sequential_group": {
        "agent_loop": "what need not be made need not be made sooner",
        "retry_waste": "what is tried again has to wait for what has failed",
        "repeated_call": "what need not be made need not be made sooner",
        "unused_concurrency": "some run together already, so there is a limit to raise",
    },
    "head_of_line": {
        **_SPARED,
        "slow_first_token": "that is what the straggler waits for",
        "slow_generation": "that is what the straggler does",
    },
    "slow_first_token": _SPARED,
    "slow_generation": _SPARED,
    "costly_operation": {"oversized_model": "a cheaper model, and the calls for which it is good enough"},
    "repeated_call": {"agent_loop": "the circle makes them again"},
    "retry_waste": {"agent_loop": "the model asks again for what has failed"},
    "timeout": {"agent_loop": "the model asks again for what was given up"},
}


def told(tree: SpanTree, *, price: Price = flat_price, **settings: Any) -> dict[str, Finding]:
    """Return the findings that are left by rule; each rule is there once."""
    config = Config(**(QUIET | settings))
    found = findings(measure(tree, price), config)
    assert len({one.rule for one in found}) == len(found)
    return {one.rule: one for one in found}


def test_the_table_above_is_what_gives_way_to_what() -> None:
    assert {rule: set(why) for rule, why in WHY.items()} == {rule: set(by) for rule, by in TELLING.items()}
    assert all(teller in TELLING[rule] for rule, teller in SAME_REMEDY)


def test_no_rule_gives_way_to_one_that_has_given_way_before() -> None:
    order = list(TELLING)

    assert all(
        rule == teller or order.index(rule) < order.index(teller)
        for rule, tellers in TELLING.items()
        for teller in tellers
        if teller in TELLING
    )


def test_one_call_of_four_that_timed_out_is_a_timeout_and_no_slow_tool() -> None:
    tree = draw(
        """
        agent   |--------------------------------------|   role=agent
          s      |----|                                    role=tool
          s           |----|                               role=tool
          s                |----|                          role=tool
          s                     |-------------------|      role=tool status=ERROR error.type=TimeoutError
        """,
        unit=SECOND // 10,
    )

    found = told(tree, slow_tool_ms=800, straggler_ms=60_000)

    assert "slow_tool" not in found
    assert found["timeout"].saving_ns == 2 * SECOND
    assert found["timeout"].span_ids == ids(5)
    assert found["timeout"].suggestion.endswith(" Also: Tool s takes 875 ms on average over 4 calls.")


@pytest.mark.parametrize(("role", "slow"), [("tool", "slow_tool"), ("llm", "slow_llm")])
def test_a_fan_out_that_waits_for_a_straggler_is_told_as_that(role: str, slow: str) -> None:
    tree = draw(
        f"""
        agent    |---------------------------|   role=agent
          ask    |-|                             role={role}
          ask    |--|                            role={role}
          ask    |-|                             role={role}
          ask    |--------------------------|    role={role}
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert slow not in found
    assert "unusual_duration" not in found
    assert "Also: " in found["head_of_line"].suggestion
    assert found["head_of_line"].saving_ns == 24 * SECOND


def test_an_outlier_that_writes_slowly_is_told_as_that() -> None:
    tree = draw(
        f"""
        agent    |-----------------------------|   role=agent
          chat    |---|                            role=llm model=m out=100 {TTFT}=1
          chat        |---|                        role=llm model=m out=100 {TTFT}=1
          chat            |---|                    role=llm model=m out=100 {TTFT}=1
          chat                |-----------|        role=llm model=m out=100 {TTFT}=1
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert set(found) == {"slow_generation"}
    assert found["slow_generation"].saving_ns == 8 * SECOND
    assert (
        "Also: chat takes 6.0 s on average over 4 calls, worth 12.0 s." in found["slow_generation"].suggestion
    )


def test_an_outlier_beside_calls_that_are_all_slow_is_the_lesser_part_of_them() -> None:
    tree = draw(
        f"""
        agent    |-------------------------------------------------|   role=agent
          chat    |--------|                                           role=llm model=m out=100 {TTFT}=1
          chat             |--------|                                  role=llm model=m out=100 {TTFT}=1
          chat                      |--------|                         role=llm model=m out=100 {TTFT}=1
          chat                               |----------------|        role=llm model=m out=100 {TTFT}=1
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert set(found) == {"slow_llm"}
    assert found["slow_llm"].saving_ns == (3 * 6 + 14) * SECOND
    assert "Also: m writes slowly in 1 of 4 calls" in found["slow_llm"].suggestion


@pytest.mark.parametrize("role", ["tool", "llm"])
def test_calls_that_need_not_be_made_need_not_run_side_by_side(role: str) -> None:
    tree = draw(
        f"""
        agent   |---------------------------------|   role=agent
          ask       |-----|                           role={role} {ASKED}=a
          ask             |-----|                     role={role} {ASKED}=a
          ask                   |-----|               role={role} {ASKED}=a
        """,
        unit=SECOND // 10,
    )

    found = told(tree, sequential_group=3)

    assert set(found) == {"repeated_call"}
    assert found["repeated_call"].saving_ns == 2 * 6 * SECOND // 10
    assert "Also: 3 " in found["repeated_call"].suggestion


def test_one_call_alone_that_is_left_has_nothing_to_run_beside() -> None:
    tree = draw(
        f"""
        agent   |---------------------------------|   role=agent
          s     |-----|                               role=tool {ASKED}=a
          chat        |--|                            role=llm agentprof.tool_call.ids=["c1","c2"]
          s              |-----|                      role=tool {ASKED}=a call=c1
          t                    |-----|                role=tool {ASKED}=b call=c2
        """,
        unit=SECOND // 10,
    )

    found = told(tree)

    assert set(found) == {"repeated_call"}
    assert found["repeated_call"].suggestion.endswith(" Also: 2 tool calls ran one after another: s, t.")


def test_different_calls_beside_repeated_ones_can_still_run_side_by_side() -> None:
    tree = draw(
        f"""
        agent   |---------------------------------|   role=agent
          s         |-----|                           role=tool {ASKED}=a
          s               |-----|                     role=tool {ASKED}=a
          s                     |-----|               role=tool {ASKED}=b
          s                           |-----|         role=tool {ASKED}=c
        """,
        unit=SECOND // 10,
    )

    assert set(told(tree, sequential_group=3)) == {"repeated_call", "sequential_group"}


def test_a_request_inside_a_slow_tool_is_the_tool() -> None:
    tree = draw(
        """
        agent     |----------|   role=agent
          fetch   |---------|    role=tool
            GET   |--------|     kind=CLIENT http.request.method=GET
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert set(found) == {"slow_tool"}
    assert found["slow_tool"].saving_ns == 9 * SECOND
    assert found["slow_tool"].span_ids == ids(2, 3)
    assert "Also: GET takes up to 9.0 s, longer than a network request" in found["slow_tool"].suggestion


def test_a_request_inside_a_retrieval_is_the_retrieval() -> None:
    tree = draw(
        """
        agent     |----------|   role=agent
          find    |---------|    role=retrieval
            GET   |--------|     kind=CLIENT http.request.method=GET
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert set(found) == {"unusual_duration"}
    assert found["unusual_duration"].component == "find"
    assert "Also: GET takes up to 9.0 s" in found["unusual_duration"].suggestion


def test_a_call_that_was_tried_again_inside_is_no_slow_model() -> None:
    error = "kind=CLIENT http.request.method=POST http.response.status_code=429 status=ERROR"
    tree = draw(
        f"""
        agent     |----------|   role=agent
          chat    |---------|    role=llm model=m
            POST  |-|            {error}
            POST     |-|         {error}
            POST        |-|      kind=CLIENT http.request.method=POST http.response.status_code=200
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert set(found) == {"retry_waste"}
    assert found["retry_waste"].saving_ns == 6 * SECOND
    assert "Also: chat takes 10.0 s on average, worth 7.0 s." in found["retry_waste"].suggestion


def test_a_tool_that_is_an_agent_is_judged_by_the_calls_inside_it() -> None:
    tree = draw(
        """
        agent        |---------------|   role=agent
          research   |--------------|    role=tool
            sub      |--------------|    role=agent
              chat   |-----|             role=llm model=m
              chat          |------|     role=llm model=m
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert set(found) == {"slow_llm"}


def test_a_tool_that_asks_a_model_is_slow_if_its_own_work_is() -> None:
    tree = draw(
        """
        agent        |------------------------|   role=agent
          search     |-------------|              role=tool
            chat           |------|               role=llm model=m
          search                   |----|         role=tool
            GET                     |--|          role=other
        """,
        unit=SECOND,
    )

    found = told(tree)

    assert found["slow_tool"].title == "Tool search takes 6.0 s on average over 2 calls"
    assert found["slow_tool"].saving_ns == (7 - 1 + 5 - 1) * SECOND
    assert found["slow_llm"].saving_ns == 4 * SECOND


def test_what_gave_way_to_a_finding_goes_on_with_it_when_that_one_gives_way_too() -> None:
    trace = measure(draw("\n".join(f"s{n}  |-|  role=llm" for n in range(9))), flat_price)

    def finding(rule: str, title: str, advice: str, *rows: int, saving_ns: int = 9) -> Finding:
        return Finding(rule, title, "ask", "ms", 1.0, 0.0, advice, span_ids=ids(*rows), saving_ns=saving_ns)

    unusual = finding("unusual_duration", "long", "Wait less.", 7, saving_ns=11)
    straggler = finding("head_of_line", "straggler", "Hedge.", 5, 6, 7, 2)._replace(mended_ids=ids(5, 6, 7))
    writing = finding("slow_generation", "writes", "Ask for less.", 5, 6, 9, saving_ns=20)

    (straggling,) = merged(trace, [unusual, straggler])
    (written,) = merged(trace, [unusual, straggler, writing])

    assert straggling.suggestion == "Hedge. Also: long, worth 11 ns."
    assert written.suggestion == "Ask for less. Also: straggler. Also: long."
    assert written.span_ids == ids(5, 6, 9, 7)


@pytest.mark.parametrize(
    ("last", "left"),
    [pytest.param("||", set(), id="told"), pytest.param("|-----|", {"slow_tool"}, id="more to it")],
)
def test_what_several_findings_tell_together_is_not_told_in_general(last: str, left: set[str]) -> None:
    tree = draw(
        f"""
        agent   |----------------------------------------|   role=agent
          s      |-----|                                     role=tool status=ERROR error.type=TimeoutError
          chat         |-|                                   role=llm
          s              |-----|                             role=tool status=ERROR error.type=ValueError
          s                      {last}                      role=tool
        """,
        unit=SECOND,
    )

    assert set(told(tree)) == {"timeout", "retry_waste"} | left


def test_calls_of_rounds_that_are_too_many_are_too_many_rounds() -> None:
    rounds = "".join(
        f"""
          chat   {"    " * n}|-|    role=llm
          s      {"    " * n}  |-|  role=tool"""
        for n in range(22)
    )
    tree = draw(f"""
        agent    |{"-" * 100}|  role=agent{rounds}
    """)

    found = told(tree)

    assert set(found) == {"too_many_iterations"}
    assert "Also: chat is called 22 times." in found["too_many_iterations"].suggestion
    assert "Also: s is called 22 times." in found["too_many_iterations"].suggestion


def test_many_calls_of_one_round_are_no_matter_of_rounds() -> None:
    searches = "\n".join("          s        |-|  role=tool" for _ in range(30))
    rounds = "".join(
        f"""
          chat     {"    " * n}|-|    role=llm"""
        for n in range(1, 13)
    )
    tree = draw(f"""
        agent    |{"-" * 100}|  role=agent
{searches}{rounds}
    """)

    assert set(told(tree)) == {"too_many_iterations", "too_many_calls"}
