"""Calls that several spans show, drawn: who stands for them, and what changes with them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price
from found import SECOND, found_by, ids

from otel_agentprof.analysis import measure, what_if
from otel_agentprof.analysis.doubles import NO_DOUBLES
from otel_agentprof.config import Config
from otel_agentprof.report.build import build
from otel_agentprof.report.gathering import aggregate

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- which spans show a call again --------------------------------------------------------------------------


def test_a_trace_in_which_every_span_counts_has_no_doubles() -> None:
    tree = draw("""
        agent    |----|   role=agent
          chat    |-|     role=llm in=1
    """)

    assert measure(tree, flat_price).doubles is NO_DOUBLES


def test_spans_that_show_a_call_again_are_beside_it_around_it_or_inside() -> None:
    tree = draw("""
        agent        |--------------------------|  role=agent
          gateway     |-----|                      role=llm in=5 scope=a
            retry      |---|                       role=step scope=a
              chat     |---|                       role=llm in=5 scope=b
          twin        |-----|                      role=llm in=5 scope=c
          search             |-----|               role=tool tool=search
            client            |---|                role=tool tool=search
          framework                  |---------|   role=llm in=9 scope=a
            chat2                     |--|         role=llm in=9 scope=b
            lookup                        |--|     role=tool tool=lookup
    """)

    trace = measure(tree, flat_price)

    def named(spans: Mapping[int, int]) -> dict[str, str]:
        return {tree.spans[one].name: tree.spans[call].name for one, call in spans.items()}

    assert named(trace.doubles.wrappers) == {"gateway": "chat"}
    assert named(trace.doubles.places) == {"chat": "gateway"}
    assert named(trace.doubles.twins) == {"twin": "chat"}
    assert named(trace.doubles.inside) == {"client": "search"}
    assert tree.names_of(trace.doubles.mixed) == {"framework"}
    assert named(trace.ledger.shown_again)["framework"] == "chat2"


def test_a_wrapper_without_tokens_shows_the_call_inside_it_that_has_none_either() -> None:
    tree = draw("""
        agent       |---------|   role=agent
          gateway    |---|        role=llm scope=a
            chat      |-|         role=llm scope=b
          gateway2        |---|   role=llm scope=a
            chat2          ||     role=llm scope=b
            chat3            ||   role=llm scope=b
    """)

    shown = measure(tree, flat_price).ledger.shown_again

    assert {tree.spans[one].name: tree.spans[call].name for one, call in shown.items()} == {"gateway": "chat"}


def test_a_call_knows_what_only_another_span_of_it_says() -> None:
    tree = draw("""
        agent     |-----------|   role=agent
          chat     |---|          role=llm in=5 scope=a
          twin     |---|          role=llm in=5 scope=b agentprof.tool_call.ids=["x"]
          search        |--|      role=tool call=x
    """)

    turns = measure(tree, flat_price).turns

    assert turns.askers == {"x": tree.index_of("chat")}


# --- times --------------------------------------------------------------------------------------------------


def test_the_wait_for_twins_is_the_wait_for_the_call_that_counts() -> None:
    tree = draw("""
        agent     |------------|   role=agent
          chat      |------|       role=llm model=m in=5 scope=a response=r
          twin     |--------|      role=llm model=m-1 in=5 scope=b response=r
    """)

    report = build(tree, Config())

    assert [(step.name, step.start_ns, step.end_ns) for step in report.critical_path] == [
        ("agent", 0, 1),
        ("twin", 1, 2),
        ("chat", 2, 9),
        ("twin", 9, 10),
        ("agent", 10, 13),
    ]
    roles = report.by_role
    assert (roles["llm"].count, roles["llm"].total_ns, roles["llm"].self_ns, roles["llm"].critical_ns) == (
        1,
        9,
        9,
        9,
    )
    assert sum(figures.critical_ns for figures in roles.values()) == report.duration_ns
    assert set(report.by_model) == {"m"}
    assert report.by_name["twin"].total_ns == 9


@pytest.mark.parametrize(
    ("twin", "path"),
    [
        ("twin      |--------|", [("chat", 2, 8), ("twin", 8, 11)]),
        ("twin     |------|", [("twin", 1, 2), ("chat", 2, 8)]),
    ],
)
def test_only_where_a_call_does_not_run_its_twin_is_waited_for(
    twin: str, path: list[tuple[str, int, int]]
) -> None:
    tree = draw(f"""
        agent     |--------------|   role=agent
          chat      |-----|          role=llm model=m in=5 scope=a response=r
          {twin}  role=llm model=m in=5 scope=b response=r
    """)

    report = build(tree, Config())

    steps = [(step.name, step.start_ns, step.end_ns) for step in report.critical_path]
    assert [step for step in steps if step[0] != "agent"] == path


def test_a_twin_that_nobody_waited_beside_holds_the_path_itself() -> None:
    tree = draw("""
        agent     |------------|   role=agent
          chat      |--|           role=llm model=m in=5 scope=a response=r
          twin          |---|      role=llm model=m in=5 scope=b response=r
    """)

    report = build(tree, Config())

    assert [step.name for step in report.critical_path] == ["agent", "chat", "agent", "twin", "agent"]
    assert (report.by_role["llm"].total_ns, report.by_role["llm"].self_ns) == (7, 7)


def test_a_wrapped_call_takes_as_long_as_its_wrapper() -> None:
    tree = draw("""
        agent     |----------------|   role=agent
          gateway  |--------|          role=llm model=m in=5 scope=a
            chat      |---|            role=llm model=m in=5 scope=b
          search             |----|    role=tool tool=search
            client            |--|     role=tool tool=search
    """)

    roles = build(tree, Config()).by_role

    assert (roles["llm"].total_ns, roles["llm"].self_ns, roles["llm"].critical_ns) == (9, 9, 9)
    assert (roles["tool"].total_ns, roles["tool"].self_ns, roles["tool"].critical_ns) == (5, 5, 5)


def test_what_travels_below_a_twin_travels_for_the_call() -> None:
    tree = draw("""
        agent     |---------|   role=agent
          chat      |---|       role=llm model=m in=5 scope=a
          twin     |-----|      role=llm model=m in=5 scope=b
            POST    |---|
    """)

    report = build(tree, Config())

    assert report.by_role["llm"].critical_ns == 6
    assert report.by_name["POST"].critical_ns == 0


def test_the_time_of_a_span_that_shows_a_call_again_goes_to_the_operation_of_the_call() -> None:
    tree = draw("""
        agent     |------------|   role=agent
          twin     |--------|      role=llm model=m in=5 scope=b
          chat      |-------|      role=llm model=m in=5 scope=a
    """)

    report = build(tree, Config())
    found = aggregate([report])

    rows = {row.name: (row.operation, row.shown) for row in report.waterfall}
    assert rows == {"agent": ("agent", None), "twin": ("twin", None), "chat": (None, "twin")}
    assert [(group.name, group.calls, group.critical_ns) for group in found.by_operation] == [("twin", 1, 9)]


# --- savings ------------------------------------------------------------------------------------------------

ASKED = "role=llm model=m in=5 out=5 scope=a agentprof.prompt.chain=[]"
BESIDE = f"""
    agent     |--------------|  role=agent
      chat     |-----|          {ASKED}
      double   |-----|          role=llm model=m in=5 out=5 scope=b
      chat            |-----|   {ASKED}
      double          |-----|   role=llm model=m in=5 out=5 scope=b
"""
AROUND = f"""
    agent     |--------------|  role=agent
      double   |-----|          role=llm model=m in=5 out=5 scope=b
        chat   |-----|          {ASKED}
      double          |-----|   role=llm model=m in=5 out=5 scope=b
        chat          |-----|   {ASKED}
"""
shown_twice = pytest.mark.parametrize("picture", [BESIDE, AROUND], ids=["beside", "around"])


@shown_twice
def test_a_call_made_again_is_spared_with_all_spans_that_show_it(picture: str) -> None:
    tree = draw(picture.replace(ASKED, f"{ASKED} agentprof.request.fingerprint=f"), unit=SECOND)

    (found,) = found_by("repeated_call", tree)
    dedupe = what_if(tree, dedupe=True, price=flat_price)
    removed = what_if(tree, remove=found.span_ids[1:], price=flat_price)

    assert (found.saving_ns, found.saving_usd) == (6 * SECOND, Decimal("0.010"))
    assert (dedupe.saved_ns, dedupe.saved_usd) == (6 * SECOND, Decimal("0.010"))
    assert len(dedupe.removed) == 2
    assert removed.saved_ns == 6 * SECOND


@shown_twice
def test_a_call_is_faster_in_all_spans_that_show_it(picture: str) -> None:
    tree = draw(picture, unit=SECOND)

    assert what_if(tree, by_name={"chat": 0.5}).saved_ns == 6 * SECOND
    assert what_if(tree, by_name={"chat": 0.5, "double": 0.5}).saved_ns == 6 * SECOND


@shown_twice
def test_calls_start_together_with_all_spans_that_show_them(picture: str) -> None:
    tree = draw(picture, unit=SECOND)

    (found,) = found_by("sequential_group", tree, Config(sequential_group=2))
    together = what_if(tree, together=[found.span_ids])
    doubles = what_if(tree, together=[[span.span_id for span in tree.spans if span.name == "double"]])

    # Each of them starts a second after what it follows, as it did.
    assert found.saving_ns == together.saved_ns == doubles.saved_ns == 6 * SECOND


def test_a_span_around_more_than_a_call_stays_when_the_call_goes() -> None:
    tree = draw(
        """
        agent         |----------------|  role=agent
          framework    |-----------|      role=llm model=m in=5 scope=a
            chat         |--|             role=llm model=m in=5 scope=b
            search           |----|       role=tool
        """,
        unit=SECOND,
    )

    gone = what_if(tree, remove=ids(3), price=flat_price)

    assert gone.saved_ns == 3 * SECOND
    assert gone.removed == ids(3)


def test_a_role_that_is_faster_is_faster_in_each_span_that_shows_it() -> None:
    tree = draw("""
        agent      |---------------|   role=agent
          search     |------|          role=tool tool=mcp__web__search
            client     |---|           role=tool tool=search
    """)

    faster = what_if(tree, by_tool={"mcp__web__search": 0.0})

    assert faster.saved_ns == 7


# --- siblings -----------------------------------------------------------------------------------------------


def test_a_wrapped_model_call_lies_between_the_tools_around_it() -> None:
    tree = draw(
        """
        agent     |------------------|  role=agent
          search   |-|                  role=tool
          gateway    |---|              role=llm in=5 scope=a
            chat      |-|               role=llm in=5 scope=b
          lookup         |-|            role=tool
        """,
        unit=SECOND,
    )

    assert found_by("sequential_group", tree, Config(sequential_group=2)) == []


def test_a_span_around_several_calls_lies_between_what_is_before_it_and_after() -> None:
    tree = draw(
        """
        agent       |------------------|  role=agent
          chat       |-|                  role=llm in=5 scope=b
          gateway      |-------|          role=llm in=12 scope=a
            chat        |-|               role=llm in=6 scope=b
            search        |-|             role=tool
            chat            |-|           role=llm in=7 scope=b
          chat                  |-|       role=llm in=8 scope=b
        """,
        unit=SECOND,
    )

    assert found_by("sequential_group", tree, Config(sequential_group=2)) == []


def test_a_retry_is_found_where_the_wrappers_are() -> None:
    tree = draw(
        """
        agent     |--------------------|  role=agent
          outer    |---|                  role=llm scope=a status=ERROR
            chat    |-|                   role=llm scope=b status=ERROR
          outer           |---|           role=llm in=5 scope=a
            chat           |-|            role=llm in=5 scope=b
        """,
        unit=SECOND,
    )

    (found,) = found_by("retry_waste", tree)

    # The first call, and the wait before the second; what the wrappers do beside their calls goes with them.
    assert (found.component, found.saving_ns) == ("chat", 8 * SECOND)
    assert found.span_ids == ids(3, 5)
    (gap,) = found_by("own_code_gap", tree)
    assert gap.title.startswith("10.0 s of the critical path in agent itself")  # without that wait


def test_no_retry_is_made_up_where_a_wrapped_model_call_came_in_between() -> None:
    tree = draw(
        """
        agent     |--------------------|  role=agent
          search   |-|                    role=tool status=ERROR
          gateway    |---|                role=llm in=5 scope=a
            chat      |-|                 role=llm in=5 scope=b
          search         |-|              role=tool
        """,
        unit=SECOND,
    )

    assert found_by("retry_waste", tree) == []


def test_the_first_round_too_many_goes_with_its_wrapper() -> None:
    tree = draw(
        """
        agent       |-----------------|  role=agent
          gateway    |---|               role=llm in=5 out=5 model=m scope=a
            chat      |-|                role=llm in=5 out=5 model=m scope=b
          search          |-|            role=tool
          gateway            |---|       role=llm in=6 out=5 model=m scope=a
            chat              |-|        role=llm in=6 out=5 model=m scope=b
        """,
        unit=SECOND,
    )

    (found,) = found_by("too_many_iterations", tree, Config(max_iterations=1))

    assert (found.saving_ns, found.saving_usd) == (4 * SECOND, Decimal("0.011"))
