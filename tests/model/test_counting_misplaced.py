"""Tokens, or parts of them, that stand on another span than the call's (dialects.md: R14, section 6)."""

from __future__ import annotations

import pytest
from drawing import draw
from model.ledgers import tokens

from otel_agentprof.model import TokenUsage
from otel_agentprof.model.counting import count

# --- R14: LiteLLM's figures on somebody else's span ---------------------------------------------------------

POLLUTION = (
    "litellm.call_id=x gen_ai.operation.name=chat gen_ai.request.model=gpt-4o provider=openai response=r2"
)
RAW = "name=raw_gen_ai_request scope=litellm"
USAGE = '{"prompt_tokens":100,"completion_tokens":9}'


def test_the_requests_below_a_polluted_span_are_its_calls() -> None:
    trace = draw(f"""
        run            |-----------|    {POLLUTION} gen_ai.agent.name=planner in=200 out=9 cost=0.5
          one            |--|           {RAW} llm.openai.usage={USAGE}
          two               |--|        {RAW} llm.openai.usage={USAGE} llm.openai.n=1 llm.openai.model=o3
    """)

    ledger = count(trace)

    assert ledger.roles == ("agent", "llm", "llm")
    assert [usage.input if usage else None for usage in ledger.usage] == [None, 100, 100]
    assert ledger.models[1:] == ("gpt-4o", "o3")
    assert ledger.providers[1:] == ("openai", "openai")
    assert ledger.costs_reported == (None, None, 0.5)
    assert ledger.coverage_unknown == frozenset()
    assert len(ledger.usage) == len(trace) == 3


def test_a_request_that_cannot_be_read_takes_the_polluted_spans_figures_once() -> None:
    trace = draw(f"""
        run            |-----------|    {POLLUTION} role=tool in=200 out=9
          one            |--|           {RAW}
          two               |--|        {RAW} llm.openai.usage=Usage(1)
    """)

    ledger = count(trace)

    assert ledger.roles == ("tool", "llm", "llm")
    assert [usage.input if usage else None for usage in ledger.usage] == [None, None, 200]
    assert ledger.coverage_unknown == {1, 2}


def test_requests_of_which_nothing_is_known_are_calls_all_the_same() -> None:
    trace = draw(f"""
        step           |-----------|    litellm.call_id=x
          one            |--|           {RAW} llm.openai.id=r1 llm.openai.model=
    """)

    ledger = count(trace)

    assert ledger.roles == ("step", "llm")
    assert ledger.usage == (None, None)


def test_a_polluted_span_without_requests_keeps_its_figures() -> None:
    trace = draw(f"""
        execute_tool  |-----------|    {POLLUTION} name=execute_tool_x in=200
        bare          |-----------|    litellm.call_id=x parent=1
    """)

    ledger = count(trace)

    assert ledger.roles == ("step", "step")
    assert [usage.input if usage else None for usage in ledger.usage] == [200, None]
    assert ledger.coverage_unknown == {0}


def test_a_gateways_own_span_is_a_call_and_its_request_is_not() -> None:
    trace = draw(f"""
        run               |-----------|    role=agent
          litellm_request   |-----|        {POLLUTION} scope=litellm in=100 out=9
            raw               |-|          {RAW} llm.openai.usage={USAGE}
    """)

    ledger = count(trace)

    assert ledger.roles == ("agent", "llm", "other")
    assert tokens(trace, ledger) == {"litellm_request": 100}


# --- Logfire's logs of streams (dialects.md, 6.6) -----------------------------------------------------------


def test_the_log_of_a_stream_gives_its_tokens_to_the_call() -> None:
    trace = draw("""
        run      |---------------|    role=agent
          one      |--|               role=llm
          two       |--|              role=llm model=m
          log         |               role=llm logfire.span_type=log in=10 model=m cost=0.5
          log2            |           role=llm logfire.span_type=log in=20 provider=openai
          log3              |         role=llm logfire.span_type=log in=30
          log4                |       role=llm logfire.span_type=log
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"two": 10, "one": 20, "log3": 30}
    assert ledger.roles == ("agent", "llm", "llm", "other", "other", "llm", "other")
    assert ledger.costs_reported[2] == 0.5
    assert ledger.providers[1] == "openai"


def test_the_log_of_a_stream_may_be_inside_the_call() -> None:
    trace = draw("""
        chat     |--------|    role=llm
          log           |      role=llm logfire.span_type=log in=10
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 10}
    assert ledger.roles == ("llm", "other")


# --- Parts of the tokens that only another span of the call tells -------------------------------------------

READ = "gen_ai.usage.cache_read.input_tokens=60"
THOUGHT = "gen_ai.usage.reasoning.output_tokens=5"


@pytest.mark.parametrize(
    "picture",
    [
        f"""
        agent     |-----------|    role=agent
          outer     |-----|        role=llm in=100 out=20 scope=a {READ} {THOUGHT}
            inner    |---|         role=llm in=100 out=20 scope=b
        """,
        f"""
        agent     |-----------|    role=agent
          one       |-----|        role=llm in=100 out=20 scope=a response=r1
          two       |------|       role=llm in=100 out=20 scope=b response=r1 {READ} {THOUGHT}
        """,
    ],
)
def test_what_another_span_of_the_call_tells_of_its_parts_is_kept(picture: str) -> None:
    ledger = count(draw(picture))

    assert [usage for usage in ledger.usage if usage] == [TokenUsage(100, 20, 60, reasoning=5)]
    assert len(ledger.doubles) == 1


@pytest.mark.parametrize(
    "outer",
    [
        f"in=90 out=20 {READ}",  # another input: other tokens
        "in=100 out=20 gen_ai.usage.cache_read.input_tokens=101",  # more than all of it
    ],
)
def test_parts_that_cannot_be_the_calls_are_not_taken(outer: str) -> None:
    ledger = count(
        draw(f"""
        outer     |-----------|    role=llm scope=a {outer}
          inner     |-----|        role=llm in=100 out=20 scope=b
    """)
    )

    assert [usage for usage in ledger.usage if usage] == [TokenUsage(100, 20)]


def test_parts_that_contradict_the_call_are_not_taken() -> None:
    assert TokenUsage(100, 2).with_parts_of(TokenUsage(100, 20, reasoning=9)) == TokenUsage(100, 2)


RAW_USAGE = "llm.x.usage={'input_tokens':100,'output_tokens':20,'input_tokens_details':{'cached_tokens':60}}"


@pytest.mark.parametrize(
    ("request_of", "cached"),
    [
        (f"role=llm in=100 out=20 scope=litellm|{RAW_USAGE}", 60),
        (f"role=llm in=100 out=21 scope=litellm|{RAW_USAGE}", 0),
        ("role=llm in=100 out=20 scope=litellm|x=1", 0),
        (f"role=llm scope=litellm|{RAW_USAGE}", None),
    ],
)
def test_a_gateways_call_has_the_parts_that_the_vendors_text_tells(
    request_of: str, cached: int | None
) -> None:
    call, below = request_of.split("|")
    trace = draw(f"""
        agent                  |-----------|    role=agent
          litellm_request        |-----|        {call}
            raw_gen_ai_request    |---|         scope=litellm {below}
    """)

    ledger = count(trace)

    usage = ledger.usage[trace.index_of("litellm_request")]
    assert (usage.cache_read if usage else None) == cached


def test_a_request_of_a_gateway_that_hangs_below_no_call_changes_nothing() -> None:
    ledger = count(draw(f"raw_gen_ai_request    |---|    role=step scope=litellm {RAW_USAGE}"))

    assert ledger.usage == (None,)
