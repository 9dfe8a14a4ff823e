"""``repeated_call``: what was asked before, and what asking it once would save."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure, what_if
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import SpanTree

ASKED = "agentprof.request.fingerprint"


def repeated(tree: SpanTree) -> list[Finding]:
    found = findings(measure(tree, flat_price), Config())
    return [finding for finding in found if finding.rule == "repeated_call"]


def test_a_tool_called_again_with_the_same_arguments_saves_the_later_calls() -> None:
    tree = draw(f"""
        agent      |-----------------------|  role=agent
          search    |---|                     role=tool {ASKED}=a
          search         |---|                role=tool {ASKED}=a
          search              |--|            role=tool {ASKED}=b
          search                  |---|       role=tool {ASKED}=a
    """)

    (found,) = repeated(tree)

    assert found.title == "search was called 3 times with the same arguments"
    assert (found.component, found.metric, found.value, found.threshold) == (
        "search",
        "repeated_calls",
        2.0,
        0.0,
    )
    assert (found.saving_ns, found.saving_usd, found.impact) == (8, None, "high")
    assert found.span_ids == tuple(f"{n:016x}" for n in (2, 3, 5))
    assert found.confidence == "proven"
    assert found.derivation == "this run again without the 2 calls made again"
    assert "changes nothing" in found.suggestion


def test_equal_model_requests_save_their_cost_and_sampling_is_named() -> None:
    tree = draw(f"""
        agent    |-----------------|  role=agent
          chat    |---|               role=llm model=m in=40 out=2 {ASKED}=a gen_ai.request.temperature=0.7
          chat         |---|          role=llm model=m in=40 out=2 {ASKED}=a gen_ai.request.temperature=0.7
    """)

    (found,) = repeated(tree)

    assert found.title == "chat was called 2 times with the same request"
    assert (found.saving_ns, found.saving_usd) == (4, Decimal("0.042"))
    assert "temperature above 0" in found.suggestion


def test_without_a_temperature_equal_requests_need_one_answer_and_no_price_is_made_up() -> None:
    tree = draw(f"""
        agent    |-----------------|  role=agent
          chat    |---|               role=llm model=nobody in=40 out=2 {ASKED}=a
          chat         |---|          role=llm model=nobody in=40 out=2 {ASKED}=a
    """)

    (found,) = repeated(tree)

    assert (found.saving_ns, found.saving_usd) == (4, None)
    assert "need only one answer" in found.suggestion


def test_equal_calls_at_the_same_time_are_repetitions_that_could_wait_for_the_first() -> None:
    tree = draw(f"""
        agent     |------------|  role=agent
          embed    |-----|        role=embedding model=m in=5 {ASKED}=a
          embed     |-------|     role=embedding model=m in=5 {ASKED}=a
    """)

    (found,) = repeated(tree)

    assert (found.saving_ns, found.saving_usd) == (3, Decimal("0.005"))
    assert found.title == "embed was called 2 times with the same input"
    assert "let the later ones wait" in found.suggestion


def test_repetitions_that_overlap_only_each_other_could_wait_too() -> None:
    tree = draw(f"""
        agent     |--------------|  role=agent
          fetch    |---|            role=retrieval {ASKED}=a
          fetch         |---|       role=retrieval {ASKED}=a
          fetch            |---|    role=retrieval {ASKED}=a
    """)

    (found,) = repeated(tree)

    assert "let the later ones wait" in found.suggestion


@pytest.mark.parametrize(
    "second",
    [f"role=tool {ASKED}=b", "role=tool", f"role=retrieval {ASKED}=a", f"role=tool tool=other {ASKED}=a"],
)
def test_different_calls_are_no_repetitions(second: str) -> None:
    tree = draw(f"""
        agent    |-----------------|  role=agent
          call    |---|               role=tool {ASKED}=a
          call         |---|          {second}
    """)

    assert repeated(tree) == []


def test_a_retry_of_a_failed_call_is_no_repetition() -> None:
    tree = draw(f"""
        agent    |---------------------|  role=agent
          call    |---|                   role=tool {ASKED}=a status=ERROR
          call         |---|              role=tool {ASKED}=a
          call              |---|         role=tool {ASKED}=a status=ERROR
    """)

    assert repeated(tree) == []


def test_a_call_that_a_cache_answered_is_no_repetition() -> None:
    tree = draw(f"""
        agent    |----------|  role=agent
          call    |---|        role=tool {ASKED}=a
          call         |---|   role=tool {ASKED}=a agentprof.cache.hit=true
    """)

    assert repeated(tree) == []


def test_what_is_inside_a_repeated_call_is_told_by_that_call() -> None:
    tree = draw(f"""
        agent       |-----------------|  role=agent
          search     |---|               role=tool {ASKED}=a
            embed     |-|                role=embedding model=m in=10 {ASKED}=e
          search          |---|          role=tool {ASKED}=a
            embed          |-|           role=embedding model=m in=10 {ASKED}=e
    """)

    (found,) = repeated(tree)

    assert (found.component, found.saving_ns, found.saving_usd) == ("search", 4, Decimal("0.01"))


def test_what_others_captured_makes_a_repetition_likely() -> None:
    tree = draw("""
        agent    |-----------------|  role=agent
          call    |---|               role=tool gen_ai.tool.call.arguments=a
          call         |---|          role=tool gen_ai.tool.call.arguments=a
    """)

    (found,) = repeated(tree)

    assert found.confidence == "likely"


def test_several_repetitions_of_one_operation_make_one_finding() -> None:
    tree = draw(f"""
        agent    |-------------------|  role=agent
          call    |--|                  role=tool {ASKED}=a
          call       |--|               role=tool {ASKED}=a
          call          |--|            role=tool {ASKED}=b
          call             |--|         role=tool {ASKED}=b
    """)

    (found,) = repeated(tree)

    assert found.title == "call was called 4 times with only 2 different sets of arguments"
    assert (found.value, found.saving_ns) == (2.0, 6)


def test_only_the_most_promising_operations_are_run_again() -> None:
    rows = "".join(
        f"""
          {name}      {" " * 8 * place}|--|       role=tool {ASKED}=a
          {name}      {" " * 8 * place}   |{"-" * (place + 1)}|     role=tool {ASKED}=a"""
        for place, name in enumerate("abcde")
    )
    tree = draw(f"""
        agent        |{"-" * 60}|  role=agent{rows}
    """)

    found = repeated(tree)

    assert {one.component: one.saving_ns for one in found} == {"a": None, "b": 3, "c": 4, "d": 5, "e": 6}
    assert "promise more" in found[-1].derivation


def test_dedupe_leaves_out_the_same_calls_as_the_rule() -> None:
    trace = measure(
        draw(f"""
            agent    |-----------------|  role=agent
              call    |---|               role=tool {ASKED}=a
              call         |---|          role=tool {ASKED}=a
        """),
        flat_price,
    )

    answer = what_if(trace.tree, dedupe=True, trace=trace)

    assert (answer.removed, answer.notes) == ((f"{3:016x}",), ("1 call",))
