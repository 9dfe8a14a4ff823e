"""The counting rules for what tracers do to each other (dialects.md: R4 to R8, R10, R12, R15)."""

from __future__ import annotations

import pytest
from drawing import Drawing, draw
from model.ledgers import tokens

from otel_agentprof.model.counting import Ledger, RollUp, count


def said_and_counted(trace: Drawing, ledger: Ledger) -> dict[str, tuple[int, int]]:
    return {trace.spans[entry.index].name: (entry.said, entry.counted) for entry in ledger.roll_up_deltas}


# --- R4: twins ----------------------------------------------------------------------------------------------


def test_of_twins_of_two_instrumentations_the_earlier_counts() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          one       |-----|        role=llm in=100 out=9 scope=a model=gpt-4o-2024-08-06 response=r1
          two       |-----|        role=llm in=100 out=9 scope=b model=openai/gpt-4o cost=0.25
          third      |----|        role=llm in=100 out=9 scope=c model=gpt-4o
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"one": 100}
    assert trace.names_of(ledger.doubles) == {"two", "third"}
    assert ledger.costs_reported[1] == 0.25


def test_of_a_gateways_span_and_a_clients_the_clients_counts() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          gateway   |-----|        role=llm in=100 scope=litellm cost=0.25
          client    |-----|        role=llm in=100 scope=openinference.instrumentation.openai
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"client": 100}
    assert ledger.costs_reported[2] == 0.25


@pytest.mark.parametrize(
    "other",
    [
        "other     |-----|      role=llm in=100 scope=a",  # one instrumentation makes one span per call
        "other     |-----|      role=llm in=101 scope=b",
        "other     |-----|      role=llm in=100 scope=b model=m",
        "other         |-----|  role=llm in=100 scope=b",  # most of it is later
        "other     |-----|      role=embedding in=100 scope=b",
        "other     |-----|      role=llm in=100 scope=b response=r2",
    ],
)
def test_spans_that_only_resemble_each_other_are_two_calls(other: str) -> None:
    trace = draw(f"""
        agent     |-----------|    role=agent
          one       |-----|        role=llm in=100 scope=a response=r1
          {other}
    """)

    assert tokens(trace, count(trace)) == {"one": 100, "other": int(other.split("in=")[1][:3])}


def test_equal_calls_at_once_stay_as_many_as_they_are() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          a1        |-----|        role=llm in=100 scope=a
          a2        |-----|        role=llm in=100 scope=a
          a3        |-----|        role=llm in=100 scope=a
          b1        |-----|        role=llm in=100 scope=b
          b2        |-----|        role=llm in=100 scope=b
    """)

    assert tokens(trace, count(trace)) == {"a1": 100, "a2": 100, "a3": 100}


def test_a_twin_of_a_span_that_is_left_out_is_left_out_too() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          outer     |-----|        role=llm in=100 scope=a response=r1
            inner     |--|         role=llm in=100 scope=b response=r1
          beside    |-----|        role=llm in=100 scope=c
    """)

    assert tokens(trace, count(trace)) == {"inner": 100}


def test_of_twins_the_one_around_the_call_hands_it_on() -> None:
    trace = draw("""
        agent       |-----------|    role=agent
          beside     |-----|        role=llm in=100 scope=a
          wrapper    |-----|        role=llm in=100 scope=b
            step       |--|         role=step
              inner    |--|         role=llm in=100 scope=c
    """)

    assert tokens(trace, count(trace)) == {"inner": 100}


def test_twins_of_three_scopes_with_ids_and_without_leave_one_call() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          one       |-----|        role=llm in=100 scope=a
          two       |-----|        role=llm in=100 scope=b response=r1
          third     |-----|        role=llm in=100 scope=c response=r1
          fourth    |-----|        role=llm in=100 scope=d
    """)

    assert len(tokens(trace, count(trace))) == 1


def test_two_pairs_that_two_ids_tell_apart_stay_two_calls() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          a1        |-----|        role=llm in=100 scope=a response=r1
          b1        |-----|        role=llm in=100 scope=b response=r1
          c1        |-----|        role=llm in=100 scope=c
          a2        |-----|        role=llm in=100 scope=a response=r2
          b2        |-----|        role=llm in=100 scope=b response=r2
          c2        |-----|        role=llm in=100 scope=c
    """)

    assert len(tokens(trace, count(trace))) == 2


# --- R5, R8: spans that are no calls ------------------------------------------------------------------------


def test_a_sum_over_sums_has_only_what_the_inner_ones_leave() -> None:
    trace = draw("""
        crew          |-------------|    role=agent in=310 out=30
          one           |---|            role=agent in=100 out=10 cost=0.5
          task              |-------|    role=step
            two             |-------|    role=agent in=200 out=20
              retriever      |---|       role=retrieval in=50 out=20
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"crew": 10, "one": 100, "two": 150, "retriever": 50}
    assert trace.names_of(ledger.coarse) == {"crew", "one", "two", "retriever"}
    assert ledger.costs_reported[1] == 0.5


def test_an_outer_sum_that_adds_nothing_is_left_out() -> None:
    trace = draw("""
        crew          |-------------|    role=agent in=100 cost=0.5
          one           |---|            role=agent in=100
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"one": 100}
    assert trace.names_of(ledger.coarse) == {"one"}
    assert ledger.costs_reported[0] is None


def test_sums_of_an_agents_own_calls_are_added_up() -> None:
    trace = draw("""
        outer         |-------------|    role=agent in=100 scope=pydantic-ai
          ask           |---------|      role=tool
            inner         |---|          role=agent in=90 scope=pydantic-ai
    """)

    assert tokens(trace, count(trace)) == {"outer": 100, "inner": 90}


def test_an_agent_over_calls_that_count_elsewhere_adds_nothing() -> None:
    trace = draw("""
        run            |---------------|    role=agent
          framework      |---------|        role=agent in=100
            chat           |-----|          role=llm in=100 response=r1 scope=a
          engine         |---------|        role=step
            step          |------|          role=step
              chat2        |-----|          role=llm in=100 response=r1 scope=b
    """)

    assert tokens(trace, count(trace)) == {"chat2": 100}


def test_a_call_of_a_remote_agent_is_the_data_unless_the_other_side_came_too() -> None:
    alone = draw("""
        run           |-------------|    role=agent
          remote        |---------|      role=agent in=100 kind=CLIENT
    """)
    both = draw("""
        run           |-------------|    role=agent
          remote        |---------|      role=agent in=100 kind=CLIENT
            served        |-----|        role=agent kind=SERVER
              chat          |-|          role=llm in=100
    """)

    assert tokens(alone, count(alone)) == {"remote": 100}
    assert tokens(both, count(both)) == {"chat": 100}


def test_attempts_with_responses_of_their_own_are_billed_calls() -> None:
    trace = draw("""
        agent      |-----------|    role=agent
          one        |--|           role=llm in=100 response=r1
          two            |--|       role=llm in=100 response=r2
    """)

    assert tokens(trace, count(trace)) == {"one": 100, "two": 100}


# --- R6: counters -------------------------------------------------------------------------------------------


def test_of_a_counter_each_run_took_what_it_has_beyond_the_run_before() -> None:
    trace = draw("""
        run      |------------------|    role=step
          a1       |---|                 role=agent gen_ai.agent.name=a in=100 out=10 scope=strands.telemetry
          a2            |---|            role=agent gen_ai.agent.name=a in=250 out=30 scope=strands.telemetry
          b1            |---|            role=agent gen_ai.agent.name=b in=70 scope=strands.telemetry
          a3                  |---|      role=agent gen_ai.agent.name=a in=60 out=31 scope=strands.telemetry
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"a1": 100, "a2": 150, "a3": 60, "b1": 70}
    assert trace.names_of(ledger.maybe_cumulative) == {"a1", "b1"}


def test_a_counter_above_calls_counts_nothing_and_is_compared_with_nothing() -> None:
    trace = draw("""
        agent      |--------|    role=agent in=900 scope=strands.telemetry
          chat       |--|        role=llm in=100 scope=strands.telemetry
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 100}
    assert ledger.roll_up_deltas == ()
    assert ledger.maybe_cumulative == frozenset()


def test_a_counter_copied_to_the_steps_of_an_agent_counts_once() -> None:
    trace = draw("""
        agent      |-----------|    role=agent in=250 scope=strands.telemetry
          cycle      |--|           role=step in=100 scope=strands.telemetry name=cycle
          cycle          |--|       role=step in=250 scope=strands.telemetry name=cycle
    """)

    ledger = count(trace)

    assert [usage.input if usage else 0 for usage in ledger.usage] == [0, 100, 150]


# --- R7, R15: sums beside what they sum up ------------------------------------------------------------------


def test_a_marked_sum_never_counts_and_is_compared_with_the_agents_own_calls() -> None:
    words = "gen_ai.aggregated_usage.input_tokens=300 gen_ai.aggregated_usage.output_tokens=7"
    trace = draw(f"""
        outer      |-----------|    role=agent {words}
          chat       |--|           role=llm in=290 out=7
          inner           |---|     role=agent {words}
            chat2          |-|      role=llm in=10
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 290, "chat2": 10}
    assert said_and_counted(trace, ledger) == {"outer": (307, 297), "inner": (307, 10)}


@pytest.mark.parametrize("key", ["llm.token_count.total", "gen_ai.usage.total_tokens"])
def test_a_total_that_does_not_say_what_was_input_is_only_compared(key: str) -> None:
    trace = draw(f"""
        crew         |-------------|    role=step {key}=310
          planner      |---|            role=agent
            one         |-|             role=llm in=100 out=10
          silent            |---|       role=agent {key}=50
          two                    |-|    role=llm {key}=90
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"one": 100}
    assert said_and_counted(trace, ledger) == {"crew": (310, 110), "silent": (50, 0)}


def test_a_marked_sum_that_is_no_number_is_compared_with_nothing() -> None:
    trace = draw("""
        outer      |-----------|    role=agent gen_ai.aggregated_usage.input_tokens=many
          chat       |--|           role=llm in=290 out=7
    """)

    assert count(trace).roll_up_deltas == ()


def test_a_sum_is_compared_with_all_calls_below_it() -> None:
    trace = draw("""
        outer      |-----------|    role=agent in=500 out=1
          chat       |--|           role=llm in=290
          inner          |---|      role=agent in=100 scope=pydantic-ai
            deepest       |-|       role=agent in=7 scope=pydantic-ai
              chat2       |-|       role=llm in=10
    """)

    ledger = count(trace)

    assert said_and_counted(trace, ledger) == {"outer": (501, 300), "deepest": (7, 10)}
    assert ledger.roll_up_deltas[0] == RollUp(0, 501, 300)
    assert ledger.roll_up_deltas[0].delta == 201


@pytest.mark.parametrize(
    "agent",
    [
        "chain        |--------|    role=step in=90 scope=openinference.instrumentation.langchain",
        "agent run    |--------|    role=agent in=900 scope=pydantic-ai",
        "chain        |--------|    role=step in=90 scope=langsmith",
    ],
)
def test_a_copy_is_compared_with_nothing(agent: str) -> None:
    trace = draw(f"""
        {agent}
          chat         |--|         role=llm in=100
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 100}
    assert ledger.roll_up_deltas == ()


def test_a_gateway_is_compared_with_the_calls_that_it_made() -> None:
    trace = draw("""
        gateway    |--------|    role=llm in=350
          one        |-|         role=llm in=100
          two           |-|      role=llm in=200
    """)

    assert said_and_counted(trace, count(trace)) == {"gateway": (350, 300)}


# --- R10: money ---------------------------------------------------------------------------------------------


def test_money_that_a_run_names_above_its_calls_is_kept_apart() -> None:
    trace = draw("""
        run      |---------|    role=agent cost=0.9 in=100 gen_ai.system=claude_agent_sdk
          chat     |--|         role=llm in=100
        other    |---------|    role=agent cost=0.8 parent=1
          chat2    |--|         role=llm in=100
    """)

    ledger = count(trace)

    assert ledger.run_costs == {0: 0.9, 2: 0.8}
    assert ledger.billed_runs == {0}
    assert ledger.costs_reported == (None, None, None, None)
