from __future__ import annotations

import pytest
from drawing import draw
from found import SECOND, found_by, ids

from otel_agentprof.config import Config

PICTURE = """
    agent    |-------------------|   role=agent
      chat    |--|                   role=llm
      search           |--|          role=tool
      chat                  |--|     role=llm
"""


def test_time_outside_every_call_is_found_with_its_places_and_saves_at_most_all_of_it() -> None:
    (gap,) = found_by("own_code_gap", draw(PICTURE, unit=SECOND))

    assert gap.saving_ns == 11 * SECOND
    assert (gap.component, gap.metric, gap.value, gap.threshold) == (
        "agent",
        "own_code_ms",
        11_000.0,
        2_000.0,
    )
    assert gap.span_ids == ids(1)
    assert gap.title == "11.0 s of the critical path in agent itself, outside every call"
    assert gap.suggestion.startswith(
        "Where: 6.0 s between chat and search; 2.0 s between search and chat; 2.0 s after chat; "
        "and 1 shorter. Your own code"
    )
    assert gap.derivation == "at most: this run again with no such time at all"


def test_a_gap_before_the_first_call_is_told_by_that_call() -> None:
    tree = draw(
        """
        agent    |---------|   role=agent
          chat          |--|   role=llm
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.suggestion.startswith("Where: 7.0 s before chat. ")


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(Config(own_code_ratio=0.56), id="not that share of the run"),
        pytest.param(Config(own_code_ms=11_001), id="not that long"),
        pytest.param(Config(min_saving_ratio=0.6), id="not enough to save"),
    ],
)
def test_gaps_below_a_limit_are_not_told(config: Config) -> None:
    tree = draw(PICTURE, unit=SECOND)

    assert found_by("own_code_gap", tree, Config(own_code_ratio=0.55, own_code_ms=11_000)) != []
    assert found_by("own_code_gap", tree, config) == []


def test_the_pause_before_a_call_is_tried_again_is_none_of_its_own() -> None:
    tree = draw(
        """
        agent    |----------------------|   role=agent
          fetch   |--|                      role=tool status=ERROR
          fetch           |--|              role=tool
          store                  |--|       role=tool
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.value == 9_000.0  # 1 before, 4 between, 4 after; not the 5 between the two tries
    assert gap.saving_ns == 9 * SECOND
    assert "between fetch and fetch" not in gap.suggestion


def test_nothing_but_pauses_before_tries_is_no_gap() -> None:
    tree = draw(
        """
        agent    |----------------|   role=agent
          fetch  |--|                 role=tool status=ERROR
          fetch              |----|   role=tool
        """,
        unit=SECOND,
    )

    assert found_by("own_code_gap", tree) == []


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param("agent  |-----|  role=agent", id="nothing inside"),
        pytest.param(
            """
            agent   |---------|   role=agent
              parse |---------|   role=step
            """,
            id="a step that says what it does",
        ),
        pytest.param(
            """
            agent   |---------|   role=agent in=10 out=10 model=m
              fetch      |-|      role=tool
            """,
            id="the model calls are in the agent",
        ),
        pytest.param(
            """
            agent    |---------|   role=agent
              post   |---------|   role=other kind=CLIENT
                dns  ||            role=other
            """,
            id="time at the other side",
        ),
        pytest.param(
            """
            agent    |---------|   role=agent
              search |---------|   role=tool
                http  |-|          role=other
            """,
            id="the time of a tool",
        ),
    ],
)
def test_time_that_has_a_name_is_no_gap(picture: str) -> None:
    assert found_by("own_code_gap", draw(picture, unit=SECOND)) == []


def test_gaps_of_the_same_step_are_one_finding_and_what_is_deeper_is_named_by_the_step() -> None:
    tree = draw(
        """
        run         |-----------------------|   role=agent
          round     |----------|                role=step
            think   |--|                        role=step
              chat  |--|                        role=llm
            act            |---|                role=step
              search       |---|                role=tool
          round                |------------|   role=step
            chat               |--|             role=llm
            search                     |----|   role=tool
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.value == 9_000.0
    assert gap.span_ids == ids(7, 2)
    assert "5.0 s between chat and search; 4.0 s between think and act" in gap.suggestion


def test_what_is_not_below_a_span_is_no_neighbour_inside_it() -> None:
    tree = draw(
        """
        run         |------------------------|   role=agent
          fetch     |--|                         role=tool
          round        |---------|               role=step
            chat              |--|               role=llm
          store                  |-----------|   role=tool
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.suggestion.startswith("Where: 7.0 s before chat.")


def test_after_a_failed_call_another_tool_is_no_retry() -> None:
    tree = draw(
        """
        agent    |----------------|   role=agent
          fetch  |--|                 role=tool status=ERROR
          ask               |-----|   role=tool
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.saving_ns == 8 * SECOND
    assert "8.0 s between fetch and ask" in gap.suggestion


def test_a_gap_beside_work_that_nobody_waits_for_has_no_neighbours() -> None:
    tree = draw(
        """
        agent    |---------|            role=agent
          logs      |---------------|   role=tool
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.suggestion.startswith("Where: 10.0 s beside what runs inside.")


@pytest.mark.parametrize(
    "early",
    [
        pytest.param("chat   |--|               role=llm", id="before its parent"),
        pytest.param("chat       |--|           role=llm", id="before the start of its parent"),
        pytest.param("other    |--|             role=llm parent=ff", id="an orphan before the root"),
    ],
)
def test_where_a_clock_is_behind_nobody_knows_what_was_own_code(early: str) -> None:
    tree = draw(
        f"""
        agent         |-------------------|   role=agent
          {early}
          search                     |--|     role=tool
        """,
        unit=SECOND,
    )

    assert found_by("own_code_gap", tree) == []


def test_other_spans_keep_their_gaps_where_a_clock_is_behind() -> None:
    tree = draw(
        """
        agent         |-------------------|   role=agent
          search               |--|           role=tool
            serve           |--|
        """,
        unit=SECOND,
    )

    (gap,) = found_by("own_code_gap", tree)

    assert gap.component == "agent"
