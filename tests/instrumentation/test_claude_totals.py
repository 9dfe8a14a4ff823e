"""What Claude's program counts per model, brought down to single calls: the sums must stay what they are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof.instrumentation.frameworks.claude_totals import (
    Call,
    Settled,
    Total,
    settle,
    since,
    totals_of,
    usage_of,
)
from otel_agentprof.model.tokens import TokenUsage

SONNET, HAIKU = "claude-sonnet-4-5", "claude-haiku-4-5"
PLACEHOLDER = TokenUsage(100, 1, 40)


def call(model: str, usage: TokenUsage, written: int, *, has_output: bool = False) -> Call:
    return Call(model, usage, has_output, written)


def test_input_holds_what_was_cached_and_written_to_the_cache() -> None:
    told = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_1h_input_tokens": 5},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }

    usage = usage_of(told)

    assert usage == TokenUsage(240, 7, 200, 30, 3, 5)


def test_the_output_of_the_only_call_of_a_model_is_the_models_and_no_estimate() -> None:
    calls = [call(SONNET, PLACEHOLDER, 12)]

    settled, unseen = settle(calls, {SONNET: Total(TokenUsage(100, 57, 40), 0.25)})

    assert settled == [Settled(TokenUsage(100, 57, 40), 0.25)]
    assert unseen == {}


def test_the_output_of_several_calls_is_shared_out_by_what_they_wrote_and_marked() -> None:
    calls = [call(SONNET, PLACEHOLDER, 29), call(SONNET, PLACEHOLDER, 9)]

    settled, _ = settle(calls, {SONNET: Total(TokenUsage(200, 40, 80), None)})

    assert [share.usage.output for share in settled] == [30, 10]
    assert [share.is_estimated for share in settled] == [True, True]
    assert [share.usd for share in settled] == [None, None]


def test_a_call_whose_output_is_known_keeps_it() -> None:
    calls = [
        call(SONNET, TokenUsage(100, 33), 5, has_output=True),
        call(SONNET, TokenUsage(100, 1), 5),
    ]

    settled, _ = settle(calls, {SONNET: Total(TokenUsage(200, 40), None)})

    assert [(share.usage.output, share.is_estimated) for share in settled] == [(33, False), (7, False)]


def test_tokens_of_a_model_that_no_message_shows_are_told_by_themselves() -> None:
    calls = [call(SONNET, PLACEHOLDER, 5)]
    totals = {SONNET: Total(TokenUsage(100, 9, 40), 0.5), HAIKU: Total(TokenUsage(50, 2), 0.125)}

    _, unseen = settle(calls, totals)

    assert unseen == {HAIKU: Settled(TokenUsage(50, 2), 0.125)}


def test_a_call_without_totals_keeps_its_input_and_has_no_output() -> None:
    settled, unseen = settle([call(SONNET, PLACEHOLDER, 5)], {})

    assert settled == [Settled(PLACEHOLDER, has_output=False)]
    assert unseen == {}


def test_a_model_is_found_under_its_canonical_name_and_under_a_more_exact_one() -> None:
    calls = [call(SONNET, PLACEHOLDER, 5), call(HAIKU, PLACEHOLDER, 5)]
    totals = {
        "eu.anthropic.sonnet": Total(TokenUsage(100, 9, 40), None, SONNET),
        f"{HAIKU}-20251001": Total(TokenUsage(100, 8, 40), None),
    }

    settled, unseen = settle(calls, totals)

    assert [share.usage.output for share in settled] == [9, 8]
    assert unseen == {}


def test_totals_run_on_over_a_conversation_and_may_begin_anew() -> None:
    first = totals_of({SONNET: {"inputTokens": 10, "outputTokens": 5, "costUSD": 0.5}})
    second = totals_of({SONNET: {"inputTokens": 30, "outputTokens": 6, "costUSD": 0.75}})

    assert since(first, second) == {SONNET: Total(TokenUsage(20, 1), 0.25)}
    assert since(second, first) == first


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 5_000)), min_size=1, max_size=8),
    st.integers(0, 100_000),
    st.integers(0, 500),
    st.floats(0, 10),
)
def test_shares_add_up_to_the_totals(
    calls: list[tuple[int, int]], output: int, more: int, usd: float
) -> None:
    told = [call(SONNET, TokenUsage(taken, 1), written) for taken, written in calls]
    taken = sum(one for one, _ in calls) + more

    settled, unseen = settle(told, {SONNET: Total(TokenUsage(taken, output), usd)})

    shares = [*settled, *unseen.values()]
    assert sum(share.usage.input for share in shares) == taken
    assert sum(share.usage.output for share in shares) == output
    assert sum(share.usd or 0.0 for share in shares) - (usd if taken or output else 0.0) < 1e-9
