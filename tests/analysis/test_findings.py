from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure, wording
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
    assert (slow.saving_ns, slow.saving_usd, slow.confidence) == (3 * SECOND, None, None)
    assert slow.derivation == "this run again, no such call longer than 3.0 s"


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

    assert (slow.impact, slow.component, slow.value, slow.threshold) == ("high", "search", 4000.0, 1000.0)
    assert slow.saving_ns == 6 * SECOND
    assert "The slowest call took 5.0 s." in slow.suggestion


def test_more_than_twenty_calls_of_one_operation_are_too_many() -> None:
    many, enough = calls(21, {ROLE: "tool"}), calls(20, {ROLE: "tool"})

    (found,) = found_by("too_many_calls", many)

    assert (found.impact, found.component, found.metric) == ("low", "call", "call_count")
    assert (found.value, found.threshold, len(found.span_ids)) == (21.0, 20.0, 21)
    assert (found.saving_ns, found.derivation) == (0, "this run again without the calls beyond 20")
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

    assert (costly.impact, costly.component, costly.metric) == ("low", "chat", "cost_usd")
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


def rounds(count: int) -> SpanTree:
    """Return as many model calls one after another under one agent."""
    rows = "\n".join(f"  chat  {' ' * number}||  role=llm" for number in range(count))
    return draw(f"planner |{'-' * count}|  role=agent\n{rows}", unit=SECOND)


def test_an_agent_that_calls_its_model_more_than_ten_times_loops() -> None:
    looping, fine = rounds(11), rounds(10)

    (found,) = found_by("too_many_iterations", looping)

    assert (found.impact, found.component, found.metric) == ("medium", "planner", "iteration_count")
    assert (found.value, found.threshold, found.span_ids) == (11.0, 10.0, (f"{1:016x}",))
    assert found.title == "Agent planner calls the model 11 times in one run"
    assert found_by("too_many_iterations", fine) == []


def test_calls_beside_each_other_are_one_round_however_many() -> None:
    assert found_by("too_many_iterations", calls(11, {ROLE: "llm"})) == []


def test_the_call_that_puts_many_others_together_is_no_round_too_many() -> None:
    tree = draw("""
        agent    |-------------|   role=agent
          chat    |-|              role=llm
          chat     |--|            role=llm
          chat     |---|           role=llm
          chat           |--|      role=llm
    """)

    assert found_by("too_many_iterations", tree, Config(max_iterations=2)) == []


def test_without_any_round_nothing_of_a_loop_is_left() -> None:
    (found,) = found_by("too_many_iterations", rounds(3), Config(max_iterations=0))

    assert (found.value, found.saving_ns) == (3.0, 3 * SECOND)


def test_a_loop_of_rounds_with_several_calls_loses_whole_rounds() -> None:
    tree = draw(
        """
        agent    |-------------|   role=agent
          chat    |-|              role=llm model=m in=1 out=1
          chat    |--|             role=llm model=m in=1 out=2
          search     |-|           role=tool
          chat         |-|         role=llm model=m in=1 out=4
          chat          |--|       role=llm model=m in=1 out=8
        """,
        unit=SECOND,
    )

    (found,) = found_by("too_many_iterations", tree, Config(max_iterations=1))

    assert found.title == "Agent agent goes 2 rounds in one run"
    assert (found.value, found.saving_ns, found.saving_usd) == (2.0, 3 * SECOND, Decimal("0.014"))


def test_rounds_beyond_the_limit_are_what_a_loop_could_save() -> None:
    tree = draw("""
        agent    |-----------------|  role=agent
          chat   |--|                 role=llm model=m in=1 out=1
          search    |--|              role=tool
          chat         |--|           role=llm model=m in=2 out=2
          search          |--|        role=tool
          chat               |----|   role=llm model=m in=3 out=3
    """)

    (found,) = found_by("too_many_iterations", tree, Config(max_iterations=1))

    assert (found.impact, found.saving_ns, found.saving_usd) == ("high", 11, Decimal("0.010"))
    assert found.derivation == "this run again without the rounds beyond 1"


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


def test_findings_come_by_impact_then_by_saving() -> None:
    tree = draw(
        """
        agent    |------------------------------------|  role=agent
          chat   |----|                                  role=llm model=m in=1 out=1
          slow        |---|                              role=tool tool=slow
          plan            ||                             role=step
          slower           |-------|                     role=tool tool=slower
          plan                     ||                    role=step
          bit                       |--|                 role=tool tool=bit
        """,
        unit=SECOND // 2,
    )

    found = findings(measure(tree, flat_price), Config(slow_llm_ms=1700, slow_tool_ms=980, own_code_ratio=1))

    assert [(finding.impact, finding.rule, finding.component, finding.saving_ns) for finding in found] == [
        ("high", "slow_tool", "slower", 3_020_000_000),
        ("medium", "slow_tool", "slow", 1_020_000_000),
        ("medium", "slow_llm", "chat", 800_000_000),
        ("low", "slow_tool", "bit", 520_000_000),
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
