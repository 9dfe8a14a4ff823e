from __future__ import annotations

import pytest
from drawing import draw
from found import found_by, ids

from otel_agentprof.config import Config

PROVEN = 'agentprof.tool_call.ids=["x","y"]'


def test_two_calls_of_one_answer_are_proven_and_save_the_shorter_one() -> None:
    tree = draw(f"""
        agent     |----------------|   role=agent
          chat     |-|                 role=llm {PROVEN}
          search      |---|            role=tool call=x
          lookup           |--|        role=tool call=y
    """)

    (group,) = found_by("sequential_group", tree)

    assert (group.confidence, group.saving_ns, group.impact) == ("proven", 4, "high")
    assert group.span_ids == ids(3, 4)
    assert group.title == "2 tool calls ran one after another: search, lookup"
    assert group.derivation == "this run again with these calls started together"


def test_wrappers_around_the_calls_of_one_answer_are_what_runs_together() -> None:
    tree = draw(f"""
        agent       |------------------|   role=agent
          think      |--|                  role=step
            chat      ||                   role=llm {PROVEN}
          node          |----|             role=step
            search       |--|              role=tool call=x
          node               |----|        role=step
            expert            |--|         role=agent gen_ai.tool.call.id=y
              chat             ||          role=llm
    """)

    (group,) = found_by("sequential_group", tree)

    assert (group.confidence, group.span_ids) == ("proven", ids(4, 6))
    assert group.saving_ns == 5
    assert group.title == "2 tool calls ran one after another: search, expert"


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(
            f"""
            agent      |------------------|   role=agent
              round     |------|              role=step
                chat     |-|                  role=llm {PROVEN}
                search      |-|               role=tool call=x
              round            |------|       role=step
                lookup          |--|          role=tool call=y
            """,
            id="the answer is inside one of them",
        ),
        pytest.param(
            f"""
            agent      |----------------------|   role=agent
              chat      |-|                       role=llm {PROVEN}
              round        |------|               role=step
                search      |-|                   role=tool call=x
                chat           |-|                role=llm
              round               |------|        role=step
                lookup             |--|           role=tool call=y
            """,
            id="another model call is inside one of them",
        ),
        pytest.param(
            f"""
            agent      |----------------------|   role=agent
              chat      |-|                       role=llm {PROVEN}
              search       |------|               role=tool call=x
                lookup             |--|           role=tool call=y
            """,
            id="one made the other",
        ),
        pytest.param(
            f"""
            a                    |---------------|    role=step
              chat               |                    role=llm {PROVEN}
              b                   |-----|             role=step
                c                 |-----|             role=step
                  d               |-----|             role=step
                    e             |-----|             role=step
                      f           |-----|             role=step
                        g         |-----|             role=step
                          h       |-----|             role=step
                            i     |-----|             role=step
                              j    |-|                role=tool call=x
              k                            |--|       role=tool call=y
            """,
            id="beyond what frameworks wrap",
        ),
        pytest.param(
            f"""
            agent     |------------------|   role=agent
              chat     |-|                   role=llm {PROVEN}
              search      |---|              role=tool call=x
              lookup      |--|               role=tool call=y
            """,
            id="side by side already",
        ),
        pytest.param(
            f"""
            agent     |------------------|   role=agent
              chat     |-|                   role=llm {PROVEN}
              search      |---|              role=tool call=x
              search           |---|         role=tool call=x
            """,
            id="one call twice",
        ),
        pytest.param(
            """
            agent     |---------------|   role=agent
              a        |--|               role=tool
              b            |--|           role=tool
            """,
            id="two that are only possible",
        ),
        pytest.param(
            """
            agent     |---------------|   role=agent
              flow     |------------|     role=step
              one      |--|               role=tool
              two          |--|           role=tool
              three            |--|       role=tool
            """,
            id="hidden behind something longer",
        ),
    ],
)
def test_calls_that_may_need_each_other_or_save_nothing_are_no_finding(picture: str) -> None:
    assert found_by("sequential_group", draw(picture)) == []


def test_what_is_still_sequential_in_a_partly_parallel_answer_is_found() -> None:
    tree = draw("""
        agent     |-----------------|   role=agent
          chat     |-|                  role=llm agentprof.tool_call.ids=["x","y","z"]
          a            |---|            role=tool call=x
          b             |--|            role=tool call=y
          c                 |---|       role=tool call=z
    """)

    (group,) = found_by("sequential_group", tree)

    assert group.title == "3 tool calls ran in 2 batches one after another: a, b, c"
    assert (group.value, group.saving_ns) == (4 / 1e6, 3)  # c starts when b does


def test_calls_between_the_same_two_model_calls_are_likely() -> None:
    tree = draw("""
        agent     |------------------|  role=agent
          chat     |-|                  role=llm
          a           |--|              role=tool
          b               |--|          role=tool
          chat                |-|       role=llm
    """)

    (group,) = found_by("sequential_group", tree)

    assert (group.confidence, group.saving_ns) == ("likely", 3)  # 1 is the agent's own time before b


def test_a_node_of_tools_after_a_node_with_a_model_call_is_one_turn() -> None:
    tree = draw("""
        graph       |------------------|  role=agent
          model      |---|                role=step
            chat      |-|                 role=llm
          tools          |---------|      role=step
            a             |--|            role=tool
            b                 |--|        role=tool
          tools                    |---|  role=step
            c                      |-|    role=tool
            d                        |-|  role=tool
    """)

    (group,) = found_by("sequential_group", tree)

    assert (group.confidence, group.span_ids) == ("likely", ids(5, 6))


def test_an_agent_that_runs_its_tools_one_after_another_in_each_round_is_one_finding() -> None:
    tree = draw("""
        agent     |-----------------------------|  role=agent
          chat     |-|                             role=llm agentprof.tool_call.ids=["a","b"]
          search      |---|                        role=tool call=a
          search           |--|                    role=tool call=b
          chat                 |-|                 role=llm agentprof.tool_call.ids=["c","d"]
          search                 |--|              role=tool call=c
          lookup                    |--|           role=tool call=d
    """)

    (group,) = found_by("sequential_group", tree)

    assert group.title == "2 times tool calls ran one after another: search x3, lookup"
    assert (group.span_ids, group.saving_ns) == (ids(3, 4, 6, 7), 7)
    assert "take 7 ns instead of 13 ns" in group.suggestion


def test_calls_that_wait_for_the_same_thing_keep_their_places() -> None:
    tree = draw("""
        agent     |-------------------|   role=agent
          chat     |-|                    role=llm agentprof.tool_call.ids=["x","y","z"]
          a             |---|             role=tool call=x
          b             |---|             role=tool call=y
          c                 |---|         role=tool call=z
    """)

    (group,) = found_by("sequential_group", tree)

    assert group.saving_ns == 4


def test_a_saving_below_the_share_of_the_run_that_matters_is_not_told() -> None:
    tree = draw(f"""
        agent     |------------------|  role=agent
          chat     |-|                  role=llm {PROVEN}
          a             ||              role=tool call=x
          b               ||            role=tool call=y
    """)

    assert found_by("sequential_group", tree)[0].saving_ns == 1
    assert found_by("sequential_group", tree, Config(min_saving_ratio=2 / 19)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('agentprof.tool_call.ids=["x"]', ""),
        ('gen_ai.response.finish_reasons=["tool_calls"]', ""),
        ("", 'agentprof.tool_result.ids=["x"]'),
        ("", "gen_ai.request.previous_response.id=r1"),
        ("status=ERROR", ""),
    ],
)
def test_model_calls_that_continue_each_other_are_no_group(first: str, second: str) -> None:
    tree = draw(f"""
        agent     |------------------|  role=agent
          chat     |-|                  role=llm {first}
          chat        |-|               role=llm {second}
          chat           |-|            role=llm
    """)

    assert found_by("sequential_group", tree) == []
