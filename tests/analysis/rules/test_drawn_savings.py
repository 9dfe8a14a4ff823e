"""The savings of the chapter's rules, by runs small enough to be done in the head."""

from __future__ import annotations

from decimal import Decimal

import pytest
from drawing import draw, draw_spans
from found import SECOND, found_by, ids

from otel_agentprof.config import Config
from otel_agentprof.model import SpanTree


def test_a_slow_operation_saves_what_its_calls_take_beyond_the_limit_where_somebody_waits() -> None:
    tree = draw(
        """
        agent      |--------------------|  role=agent
          chat     |------|                role=llm
          chat             |------|        role=llm
          index            |-----|         role=tool
          chat                     |-|     role=llm
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_llm", tree)

    # The first is 4 s shorter; behind the second the tool is waited for, which ends 1 s before it.
    assert (slow.saving_ns, slow.derivation) == (
        5 * SECOND,
        "this run again, no such call longer than 3.0 s",
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_slow_call_inside_another_one_shrinks_with_it_whatever_the_order(order: tuple[int, ...]) -> None:
    spans = draw_spans(
        """
        agent       |------------------|   role=agent
          research  |------------------|   role=tool
            research     |---------|       role=tool
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_tool", SpanTree.from_spans([spans[place] for place in order]))

    assert slow.saving_ns == 18 * SECOND  # what is left of 19 s is the limit of 1 s


def test_only_the_operations_that_take_longest_get_a_saving() -> None:
    rows = "\n".join(f"  step{number} |{'-' * (number + 1)}|  role=llm" for number in range(5))
    tree = draw(f"agent |-------|  role=agent\n{rows}".replace("agent |", "agent   |"), unit=3 * SECOND)

    found = found_by("slow_llm", tree)

    assert [one.saving_ns is None for one in found] == [False, False, False, False, True]
    assert found[-1].component == "step0"
    assert found[-1].derivation == "no saving computed: only for the 4 operations that take longest"


def test_a_call_that_makes_itself_again_is_left_out_once() -> None:
    tree = draw(
        """
        agent      |---------|  role=agent
          walk     |-|          role=tool
          walk       |-----|    role=tool
            walk       |-|      role=tool
        """,
        unit=SECOND,
    )

    (many,) = found_by("too_many_calls", tree, Config(max_calls=1))

    assert many.saving_ns == 6 * SECOND


def test_what_is_inside_a_slow_call_shrinks_with_it() -> None:
    tree = draw(
        """
        agent      |---------|  role=agent
          search   |-------|    role=tool
            http    |-----|     role=other
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_tool", tree, Config(slow_tool_ms=2000))

    assert (slow.saving_ns, slow.derivation) == (6 * SECOND, "this run again, no such call longer than 2.0 s")


def test_a_slow_tool_behind_a_longer_one_saves_nothing() -> None:
    tree = draw(
        """
        agent      |---------|  role=agent
          flow     |-------|    role=step
          search   |----|       role=tool
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_tool", tree)

    assert (slow.saving_ns, slow.impact) == (0, "low")


def test_calls_beyond_the_limit_save_their_time_on_the_path_and_all_of_their_money() -> None:
    tree = draw(
        """
        agent     |------------------|   role=agent
          chat     |--|                  role=llm model=m in=10 out=10
          chat         |--|              role=llm model=m in=10 out=20
          chat         |----|            role=llm model=m in=10 out=30
          chat               |--|        role=llm model=m in=10 out=40
        """,
        unit=SECOND,
    )

    (many,) = found_by("too_many_calls", tree, Config(max_calls=2))

    # Then the agent goes on after the second call, at 7, as it did after the third, at 9 and again at 13.
    assert many.saving_ns == 5 * SECOND
    assert many.saving_usd == Decimal("0.09")
    assert many.derivation == "this run again without the calls beyond 2"


def test_rounds_beyond_the_limit_save_all_that_was_done_in_them() -> None:
    tree = draw(
        """
        agent     |-----------------|   role=agent
          chat     |-|                  role=llm model=m in=10 out=10
          search     |-|                role=tool
          chat         |-|              role=llm model=m in=10 out=20
          search         |-|            role=tool
          chat             |-|          role=llm model=m in=10 out=30
          search             |-|        role=tool
        """,
        unit=SECOND,
    )

    (looping,) = found_by("too_many_iterations", tree, Config(max_iterations=1))

    assert (looping.saving_ns, looping.saving_usd) == (8 * SECOND, Decimal("0.07"))
    assert looping.derivation == "this run again without the rounds beyond 1"
    assert looping.span_ids == ids(1)


def test_time_is_computed_for_the_frequent_operations_that_take_longest() -> None:
    rows = "\n".join(
        f"  t{number}  |{'-' * number}|  role=tool\n  t{number}  ||  role=tool" for number in range(5)
    )
    tree = draw(f"agent |-------|  role=agent\n{rows}")

    found = found_by("too_many_calls", tree, Config(max_calls=1, sequential_group=9))

    assert {one.component for one in found if one.saving_ns is None} == {"t0"}
    assert [one.derivation for one in found if one.component == "t0"] == [
        "cost without the calls beyond 1; time only computed for the 4 operations that take longest"
    ]
