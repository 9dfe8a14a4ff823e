from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import RULES, findings, measure, wording
from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.semconv import ROLE

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding

SECOND = 1_000_000_000


def found_by(rule: str, tree: SpanTree, config: Config | None = None) -> list[Finding]:
    found = findings(measure(tree, flat_price), config or Config())
    return [finding for finding in found if finding.rule == rule]


def calls(count: int, words: dict[str, object], *, parent: dict[str, object] | None = None) -> SpanTree:
    """Return ``count`` calls side by side under one parent."""
    root = Span("1" * 32, "f" * 16, None, "planner", 0, SECOND, attributes=parent or {ROLE: "agent"})
    below = [
        Span("1" * 32, f"{n:016x}", root.span_id, "call", 0, SECOND, attributes=words)
        for n in range(1, count + 1)
    ]
    return SpanTree.from_spans([root, *below])


def test_every_rule_is_quiet_about_a_good_trace() -> None:
    tree = draw(
        """
        agent    |---------|   role=agent
          chat    |--|         role=llm model=m in=10 out=10
          search      |-|      role=tool
          lookup      |--|     role=tool
        """,
        unit=SECOND // 10,
    )

    found = findings(measure(tree, flat_price), Config(costly_operation_usd=1))

    assert len(RULES) == 7
    assert found == ()


def test_an_llm_operation_that_is_slow_on_average_is_found_with_its_figures() -> None:
    tree = draw(
        """
        agent    |------------------|   role=agent
          chat    |--|                  role=llm model=m in=10 out=100
          chat         |-----|          role=llm model=m in=10 out=300
          embed                |-----|  role=embedding
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_llm", tree)

    assert (slow.impact, slow.component, slow.metric) == ("high", "chat", "avg_latency_ms")
    assert (slow.value, slow.threshold) == (4500.0, 3000.0)
    assert slow.span_ids == (f"{3:016x}", f"{2:016x}")
    assert slow.title == "chat takes 4.5 s on average over 2 calls"
    assert "200 tokens on average" in slow.suggestion
    assert (slow.saving_ns, slow.saving_usd, slow.confidence) == (None, None, None)


def test_an_average_at_the_limit_is_not_slow() -> None:
    tree = draw("chat  |--|  role=llm", unit=SECOND)

    assert found_by("slow_llm", tree) == []
    assert found_by("slow_llm", tree, Config(slow_llm_ms=2999.9))[0].title == "chat takes 3.0 s on average"


def test_a_slow_tool_is_named_as_the_tool_and_not_as_its_span() -> None:
    tree = draw(
        """
        agent      |---------|  role=agent
          execute   |--|        role=tool tool=search
          execute       |----|  role=tool tool=search
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_tool", tree)

    assert (slow.impact, slow.component, slow.value, slow.threshold) == ("medium", "search", 4000.0, 1000.0)
    assert "The slowest call took 5.0 s." in slow.suggestion


def test_more_than_twenty_calls_of_one_operation_are_too_many() -> None:
    many, enough = calls(21, {ROLE: "tool"}), calls(20, {ROLE: "tool"})

    (found,) = found_by("too_many_calls", many)

    assert (found.impact, found.component, found.metric) == ("medium", "call", "call_count")
    assert (found.value, found.threshold, len(found.span_ids)) == (21.0, 20.0, 21)
    assert found_by("too_many_calls", enough) == []


def test_http_requests_below_model_calls_are_no_calls_of_their_own() -> None:
    tree = calls(21, {}, parent={ROLE: "llm"})

    assert found_by("too_many_calls", tree) == []
    assert found_by("sequential_group", tree) == []


def test_an_operation_above_the_cost_limit_is_found_and_free_calls_are_no_evidence() -> None:
    tree = draw("""
        agent   |---------|  role=agent
          chat   |--|        role=llm model=m in=40 out=11
          chat       |--|    role=llm model=nobody in=9 out=9
    """)

    (costly,) = found_by("costly_operation", tree)

    assert (costly.impact, costly.component, costly.metric) == ("high", "chat", "cost_usd")
    assert (costly.value, costly.threshold, costly.span_ids) == (0.051, 0.05, (f"{2:016x}",))
    assert "49 tokens" in costly.suggestion


def test_money_without_tokens_is_found_too() -> None:
    tree = draw("browse  |--|  role=agent cost=1.5")

    (costly,) = found_by("costly_operation", tree)

    assert costly.title == "browse costs $1.50"
    assert "tokens" not in costly.suggestion


def test_an_operation_that_is_nearly_all_prompt_is_found() -> None:
    tree = draw("""
        agent    |---------|  role=agent
          chat    |--|        role=llm model=m in=81 out=19
          fair        |--|    role=llm model=m in=80 out=20
          embed   |--|        role=embedding model=m in=10
          empty   |--|        role=llm model=m in=0 out=0
    """)

    (heavy,) = found_by("prompt_heavy", tree)

    assert (heavy.impact, heavy.component, heavy.metric) == ("low", "chat", "prompt_ratio")
    assert (heavy.value, heavy.threshold) == (0.81, 0.8)
    assert heavy.title == "81 % of the tokens of chat are prompt"


def test_an_agent_that_calls_its_model_more_than_ten_times_loops() -> None:
    looping, fine = calls(11, {ROLE: "llm"}), calls(10, {ROLE: "llm"})

    (found,) = found_by("too_many_iterations", looping)

    assert (found.impact, found.component, found.metric) == ("medium", "planner", "iteration_count")
    assert (found.value, found.threshold, found.span_ids) == (11.0, 10.0, ("f" * 16,))
    assert found_by("too_many_iterations", fine) == []


def test_iterations_are_calls_directly_under_one_agent() -> None:
    tree = draw("""
        run       |--------------------------|  role=agent
          agent    |----------|                 role=agent
            chat    |-|                         role=llm
            gateway     |-----|                 role=llm model=m in=10 out=1
              chat       |-|                    role=llm model=m in=10 out=1
          agent                 |---------|     role=agent
            chat                 |-|            role=llm
            step                     |--|       role=step
              chat                    ||        role=llm
        chat                                 ||  role=llm parent=none
    """)

    (found,) = found_by("too_many_iterations", tree, Config(max_iterations=1))
    (both,) = found_by("too_many_iterations", tree, Config(max_iterations=0))

    assert (found.value, found.span_ids) == (2.0, (f"{2:016x}",))
    assert both.title == "Agent agent calls the model 2 times in one run, the worst of 2 such runs"


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

    (group,) = found_by("sequential_group", tree)

    assert (group.impact, group.component, group.metric) == (
        "medium",
        "sequential_execution",
        "parallelizable_time_ms",
    )
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
              three                |--|       role=tool
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

    assert found_by("sequential_group", tree) == []


def test_a_model_call_in_between_makes_two_groups_and_the_last_is_not_lost() -> None:
    tree = draw("""
        agent    |--------------------------|  role=agent
          a       |-|                          role=tool
          b          |-|                       role=tool
          chat          |-|                    role=llm
          c                |-|                 role=tool
          d                   |-|              role=tool
    """)

    found = found_by("sequential_group", tree, Config(sequential_group=2))

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

    (group,) = found_by("sequential_group", tree)

    assert group.confidence == "proven"
    assert "in one answer" in group.suggestion


def test_tools_that_different_answers_asked_for_are_no_group() -> None:
    tree = draw("""
        agent     |--------------------------|  role=agent
          think    |----|                       role=step
            chat    ||                          role=llm agentprof.tool_call.ids=["x","y"]
            chat       ||                       role=llm agentprof.tool_call.ids=["z"]
          a               |-|                   role=tool call=x
          a                  |-|                role=tool call=y
          b                     |-|             role=tool call=z
    """)

    assert found_by("sequential_group", tree) == []


def test_a_retry_inside_a_longer_run_only_cuts_it() -> None:
    tree = draw("""
        agent    |---------------------|  role=agent
          fetch   |-|                     role=tool status=ERROR
          fetch      |-|                  role=tool
          load          |-|               role=tool
          store            |-|            role=tool
    """)

    (group,) = found_by("sequential_group", tree)

    assert group.span_ids == (f"{3:016x}", f"{4:016x}", f"{5:016x}")


@pytest.mark.parametrize("role", ["llm", "retrieval", "embedding", "agent", "step", "other"])
def test_other_kinds_of_work_make_groups_too(role: str) -> None:
    tree = draw(f"""
        agent    |---------------------|  role=agent
          item:1  |-|                     role={role}
          item:2     |-|                  role={role}
          item:3        |-|               role={role}
    """)

    (group,) = found_by("sequential_group", tree)

    assert len(group.span_ids) == 3


def test_findings_come_by_impact_then_by_value() -> None:
    tree = draw(
        """
        agent    |-------------------------|  role=agent
          chat    |----|                      role=llm model=m in=99 out=1
          slow          |----|                role=tool
          slower              |------|        role=tool
        """,
        unit=SECOND,
    )

    found = findings(measure(tree, flat_price), Config())

    assert [(finding.impact, finding.rule, finding.component) for finding in found] == [
        ("high", "slow_llm", "chat"),
        ("high", "costly_operation", "chat"),
        ("medium", "slow_tool", "slower"),
        ("medium", "slow_tool", "slow"),
        ("low", "prompt_heavy", "chat"),
    ]


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_500, "2 µs"),
        (450_000_000, "450 ms"),
        (1_000_000_000, "1.0 s"),
        (119_000_000_000, "119.0 s"),
        (150_000_000_000, "2.5 min"),
    ],
)
def test_a_duration_reads_in_a_unit_that_fits(ns: int, text: str) -> None:
    assert wording.duration(ns) == text


def test_money_and_shares_are_never_rounded_into_something_else() -> None:
    assert [wording.dollars(Decimal(text)) for text in ("0.0512", "12.344")] == ["$0.0512", "$12.34"]
    assert [wording.percent(ratio) for ratio in (0.812, 0.9999, 1.0)] == ["81 %", "99 %", "100 %"]


def test_a_long_list_of_names_is_cut() -> None:
    assert wording.listing(dict.fromkeys("abcdef", 1)) == "a, b, c, d and 2 more"
