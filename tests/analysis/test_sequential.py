from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import SpanTree

SECOND = 1_000_000_000


def groups(tree: SpanTree, config: Config | None = None) -> list[Finding]:
    found = findings(measure(tree, flat_price), config or Config())
    return [finding for finding in found if finding.rule == "sequential_group"]


def test_siblings_of_one_kind_one_after_another_could_run_side_by_side() -> None:
    tree = draw(
        """
        agent     |--------------------|   role=agent
          search   |---|                   role=tool
          lookup        |---|              role=tool
          search             |------|      role=tool
        """,
        unit=SECOND,
    )

    (group,) = groups(tree)

    assert (group.component, group.metric) == ("sequential_execution", "parallelizable_time_ms")
    assert (group.impact, group.saving_ns) == ("high", 8 * SECOND)
    assert group.derivation == "this run again with these calls started together"
    assert (group.value, group.confidence) == (8000.0, "possible")
    assert group.span_ids == (f"{2:016x}", f"{3:016x}", f"{4:016x}")
    assert group.title == "3 tool calls ran one after another: search x2, lookup"
    assert "7.0 s instead of 15.0 s" in group.suggestion


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(
            """
            agent  |--------------|  role=agent
              one   |--|             role=tool
              two   |---|            role=tool
              three   |---|          role=tool
            """,
            id="side by side already",
        ),
        pytest.param(
            """
            agent  |-----------------|  role=agent
              one   |--|                role=tool
              two        |--|           role=tool
              three          |--|       role=tool
              four            |--|      role=tool
            """,
            id="some side by side already",
        ),
        pytest.param(
            """
            agent  |-----------------|  role=agent
              one   |--|                role=tool
              two        |--|           role=tool
            """,
            id="only two",
        ),
        pytest.param(
            """
            agent  |-----------------------|  role=agent
              one   |--|                      role=tool
              chat       |--|                 role=llm
              two             |--|            role=tool
            """,
            id="two kinds mixed",
        ),
        pytest.param(
            """
            agent    |--------------------|  role=agent
              plan    |--|                   role=step
                one   |--|                   role=tool
              read         |--|              role=step
                two        |--|              role=tool
              write             |--|         role=step
                three           |--|         role=tool
            """,
            id="children of different parents",
        ),
        pytest.param(
            """
            agent  |--------------------|  role=agent
              one   |--|                   role=tool parent=aa
              two        |--|              role=tool parent=bb
              three           |--|         role=tool parent=cc
            """,
            id="orphans of different parents",
        ),
        pytest.param(
            """
            agent   |--------------------|  role=agent
              chat   |--|                   role=llm gen_ai.response.finish_reasons=["tool_calls"]
              chat        |--|              role=llm gen_ai.response.finish_reasons=["tool_calls"]
              chat             |--|         role=llm gen_ai.response.finish_reasons=["stop"]
            """,
            id="the first two asked for tools",
        ),
        pytest.param(
            """
            agent   |--------------------|  role=agent
              chat   |--|                   role=llm
              chat        |--|              role=llm agentprof.tool_result.ids=["a"]
              chat             |--|         role=llm gen_ai.request.previous_response.id=r
            """,
            id="each answers the one before",
        ),
        pytest.param(
            """
            agent     |--------------------|  role=agent
              fetch    |--|                   role=tool status=ERROR
              fetch         |--|              role=tool status=ERROR
              fetch              |--|         role=tool
            """,
            id="retries",
        ),
        pytest.param(
            """
            agent   |--------------------|  role=agent
              plan   |--|                   role=step
              read        |--|              role=step
              write            |--|         role=step
            """,
            id="different steps",
        ),
        pytest.param(
            """
            agent    |--------------------|  role=agent
              tool1   |--|                   role=tool
              tool2        |--|              role=tool
              tool3             |-----------------|         role=tool
            """,
            id="the last ran in the background",
        ),
    ],
)
def test_what_had_to_wait_or_ran_side_by_side_is_no_sequential_group(picture: str) -> None:
    tree = draw(picture, unit=SECOND)

    assert groups(tree) == []


def test_a_model_call_in_between_makes_two_groups_and_the_last_is_not_lost() -> None:
    tree = draw("""
        agent    |--------------------------|  role=agent
          a       |-|                          role=tool
          b          |-|                       role=tool
          chat          |-|                    role=llm
          c                |-|                 role=tool
          d                   |-|              role=tool
    """)

    found = groups(tree, Config(sequential_group=2))

    assert [group.span_ids for group in found] == [(f"{2:016x}", f"{3:016x}"), (f"{5:016x}", f"{6:016x}")]
    assert [group.confidence for group in found] == ["possible", "likely"]


def test_tools_that_one_answer_asked_for_are_proven_to_be_independent_even_as_retries() -> None:
    tree = draw("""
        agent    |--------------------------|  role=agent
          chat    |-|                          role=llm agentprof.tool_call.ids=["x","y","z",7]
          a          |-|                       role=tool call=x status=ERROR
          a             |-|                    role=tool call=y
          b                |-|                 role=tool call=z
    """)

    (group,) = groups(tree)

    assert group.confidence == "proven"
    assert "in one answer" in group.suggestion


def test_a_tool_that_another_answer_asked_for_is_not_in_the_group() -> None:
    tree = draw("""
        agent     |--------------------------|  role=agent
          think    |----|                       role=step
            chat    ||                          role=llm agentprof.tool_call.ids=["x","y"]
            chat       ||                       role=llm agentprof.tool_call.ids=["z"]
          a               |-|                   role=tool call=x
          b                     |-|             role=tool call=z
          a                        |-|          role=tool call=y
    """)

    (group,) = groups(tree)

    assert (group.span_ids, group.confidence) == ((f"{5:016x}", f"{7:016x}"), "proven")


def test_a_retry_inside_a_longer_run_only_cuts_it() -> None:
    tree = draw("""
        agent    |---------------------|  role=agent
          fetch   |-|                     role=tool status=ERROR
          fetch      |-|                  role=tool
          load          |-|               role=tool
          store            |-|            role=tool
    """)

    (group,) = groups(tree)

    assert group.span_ids == (f"{3:016x}", f"{4:016x}", f"{5:016x}")


@pytest.mark.parametrize("role", ["llm", "retrieval", "embedding", "agent", "step", "other"])
def test_other_kinds_of_work_make_groups_too(role: str) -> None:
    tree = draw(f"""
        agent    |---------------------|  role=agent
          item:1  |-|                     role={role}
          item:2     |-|                  role={role}
          item:3        |-|               role={role}
    """)

    (group,) = groups(tree)

    assert len(group.span_ids) == 3
