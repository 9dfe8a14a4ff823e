"""Tokens once per call, calls once each (dialects.md, rules R2, R3, R5, R13 and section 6)."""

from __future__ import annotations

import pytest
from drawing import Drawing, draw

from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.counting import Ledger, count


def tokens(trace: Drawing, ledger: Ledger) -> dict[str, int]:
    """Return the input tokens that count, by the name of the span that has them."""
    return {
        s.name: usage.input for s, usage in zip(trace.spans, ledger.usage, strict=True) if usage is not None
    }


def counted(trace: Drawing, ledger: Ledger) -> list[str]:
    return [s.name for s, is_counted in zip(trace.spans, ledger.counted, strict=True) if is_counted]


def test_tokens_of_calls_side_by_side_all_count() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          one       |---|          role=llm in=100 response=r1
          two           |---|      role=llm in=100 response=r2
          vector    |---|          role=embedding in=7
    """)

    ledger = count(trace)

    assert ledger.roles == ("agent", "llm", "llm", "embedding")
    assert tokens(trace, ledger) == {"one": 100, "two": 100, "vector": 7}
    assert ledger.roll_ups == frozenset()


def test_of_leaves_with_the_same_response_the_innermost_counts() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          outer         |-------|      role=llm in=100 response=r1
            inner         |---|        role=llm in=100 response=r1 model=gpt-4o
          beside        |-------|      role=llm in=101 response=r1
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"inner": 100}
    assert counted(trace, ledger) == ["agent", "inner"]
    assert trace.names_of(ledger.roll_ups) == {"outer"}


def test_of_leaves_with_the_same_response_the_one_with_tokens_counts() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          outer         |-------|      role=llm response=r1 in=100
            inner         |---|        role=llm response=r1
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"outer": 100}
    assert counted(trace, ledger) == ["agent", "outer"]


def test_twins_at_the_same_depth_are_one_call_and_the_shorter_stands_for_it() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          long          |-------|      role=llm response=r1 in=100
          short         |-----|        role=llm response=r1 in=100
    """)

    assert tokens(trace, count(trace)) == {"short": 100}


def test_the_same_response_id_in_two_traces_is_two_calls() -> None:
    trace = draw("""
        one      |---|   trace=1 role=llm response=r1 in=1
        two      |---|   trace=2 role=llm response=r1 in=2
    """)

    assert tokens(trace, count(trace)) == {"one": 1, "two": 2}


def test_a_response_id_on_an_agent_joins_nothing() -> None:
    trace = draw("""
        agent         |-----------|    role=agent response=r1
          chat          |-------|      role=llm response=r1 in=100
    """)

    assert counted(trace, count(trace)) == ["agent", "chat"]


def test_a_leaf_around_leaves_is_no_call_of_its_own() -> None:
    trace = draw("""
        gateway       |-----------|    role=llm in=300
          step          |-------|      role=step
            one           |-|          role=llm in=100
            two             |-|        role=llm in=200
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"one": 100, "two": 200}
    assert counted(trace, ledger) == ["step", "one", "two"]
    assert trace.names_of(ledger.roll_ups) == {"gateway"}


def test_a_call_below_one_that_has_ended_is_another_call() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          second        |--|           role=llm in=100
            third            |--|      role=llm in=200
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"second": 100, "third": 200}
    assert counted(trace, ledger) == ["agent", "second", "third"]


def test_an_embedding_inside_a_chat_takes_no_tokens_from_it() -> None:
    trace = draw("""
        chat          |-----------|    role=llm in=100
          vector        |--|           role=embedding in=5
          bare               |--|      role=embedding
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 100, "vector": 5}
    assert counted(trace, ledger) == ["chat", "vector", "bare"]


def test_an_inner_leaf_without_tokens_is_part_of_the_call_around_it() -> None:
    trace = draw("""
        call_llm      |-----------|    role=llm in=100
          attempt       |--|           role=llm status=ERROR
          attempt2          |---|      role=llm model=gpt-4o
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"call_llm": 100}
    assert counted(trace, ledger) == ["call_llm"]
    assert ledger.models[0] == "gpt-4o"


def test_of_nested_leaves_without_any_tokens_the_innermost_are_the_calls() -> None:
    trace = draw("""
        outer         |-----------|    role=llm
          inner         |--|           role=llm
          inner2            |---|      role=llm
    """)

    assert counted(trace, count(trace)) == ["inner", "inner2"]


def test_a_call_takes_model_provider_and_cost_from_its_wrapper() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          gateway       |-------|      role=llm in=100 model=gpt-4o provider=openai cost=0.5
            chat          |---|        role=llm in=100
    """)

    ledger = count(trace)

    assert ledger.models[2] == "gpt-4o"
    assert ledger.providers[2] == "openai"
    assert ledger.costs_reported == (None, None, 0.5)


def test_a_wrapper_around_several_calls_gives_its_cost_to_none_of_them() -> None:
    trace = draw("""
        gateway       |-----------|    role=llm cost=0.5
          one           |-|            role=llm in=100
          two             |-|          role=llm in=200 cost=0.1
    """)

    assert count(trace).costs_reported == (None, None, 0.1)


def test_a_call_takes_from_a_twin_what_it_does_not_know() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          chat          |-----|        role=llm in=100 response=r1
          openai.chat   |-------|      role=llm in=100 response=r1 model=gpt-4o cost=0.25
    """)

    ledger = count(trace)

    assert ledger.models == (None, "gpt-4o", "gpt-4o")
    assert ledger.costs_reported == (None, 0.25, None)


def test_a_call_keeps_its_own_cost_whatever_its_wrapper_says() -> None:
    trace = draw("""
        gateway       |-----------|    role=llm in=100 cost=0.5
          chat          |-----|        role=llm in=100 cost=0.25
    """)

    assert count(trace).costs_reported == (None, 0.25)


def test_a_wrapper_gives_to_the_span_that_stands_for_the_call_below_it() -> None:
    trace = draw("""
        agent         |-----------|    role=agent
          gateway       |-------|      role=llm in=100 cost=0.5
            shown         |----|       role=llm in=100 response=r1
          step          |-------|      role=step
            deeper        |--|         role=llm in=100 response=r1
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"deeper": 100}
    assert ledger.costs_reported[trace.index_of("deeper")] == 0.5


def test_tokens_of_an_agent_repeat_those_below() -> None:
    trace = draw("""
        crew          |-------------|    role=agent in=300 cost=9
          agent         |---------|      role=agent in=300
            chat          |---|          role=llm in=100
            chat2             |---|      role=llm in=200
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 100, "chat2": 200}
    assert counted(trace, ledger) == ["crew", "agent", "chat", "chat2"]
    assert trace.names_of(ledger.roll_ups) == {"crew", "agent"}
    assert ledger.costs_reported == (None, None, None, None)


def test_tokens_of_an_agent_without_calls_below_are_the_data() -> None:
    trace = draw("""
        agent         |---------|      role=agent in=290 cost=0.5
          search        |---|          role=tool
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"agent": 290}
    assert ledger.costs_reported[0] == 0.5
    assert trace.names_of(ledger.coarse) == {"agent"}


def test_a_clients_tool_span_inside_the_agents_is_the_same_call() -> None:
    trace = draw("""
        agent           |-------------|    role=agent
          execute_tool    |---------|      role=tool tool=search call=c1
            session         |-----|        role=other
              tools/call      |-|          role=tool tool=search
              again           |-|          role=tool tool=renamed call=c1
    """)

    assert counted(trace, count(trace)) == ["agent", "execute_tool", "session"]


@pytest.mark.parametrize(
    "inner",
    [
        "other_tool     |-|        role=tool tool=fetch",
        "other_call     |-|        role=tool tool=search call=c2",
        "later               |-|   role=tool tool=search",
    ],
)
def test_another_tool_inside_a_tool_is_another_call(inner: str) -> None:
    trace = draw(f"""
        search        |----|       role=tool tool=search call=c1
          {inner}
    """)

    assert len(counted(trace, count(trace))) == 2


def test_a_tool_of_an_agent_inside_a_tool_is_another_call() -> None:
    trace = draw("""
        ask           |---------|      role=tool tool=ask
          helper        |-----|        role=agent
            ask2          |-|          role=tool tool=ask
    """)

    assert counted(trace, count(trace)) == ["ask", "helper", "ask2"]


@pytest.mark.parametrize("role", ["llm", "tool", "agent"])
def test_a_chain_of_10000_spans_is_counted(role: str) -> None:
    spans = [
        Span(
            "1" * 32,
            f"{i:016x}",
            f"{i - 1:016x}" if i else None,
            "link",
            i,
            30_000 - i,
            attributes={"agentprof.role": role, "gen_ai.usage.input_tokens": 3},
        )
        for i in range(10_000)
    ]

    ledger = count(SpanTree.from_spans(spans))

    assert [usage.input for usage in ledger.usage if usage is not None] == [3]
    assert len(ledger.roll_ups) == 9_999
    assert sum(ledger.counted) == (10_000 if role == "agent" else 1)


def test_calls_of_one_instrumentation_that_got_the_same_answer_are_several_calls() -> None:
    trace = draw("""
        agent      |----------|  role=agent
          one      |---|         role=llm in=100 response=r1 scope=ours
          two           |---|    role=llm in=100 response=r1 scope=ours
          theirs        |---|    role=llm in=100 response=r1 scope=other
    """)

    ledger = count(trace)

    assert len(tokens(trace, ledger)) == 2
    assert counted(trace, ledger) == ["agent", "one", "two"]
