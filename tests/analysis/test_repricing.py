"""What calls would save with other tokens: added up first or not, the sum is the same to the last digit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_agentprof import pricing
from otel_agentprof.analysis import measure
from otel_agentprof.analysis.repricing import saved_usd
from otel_agentprof.model import Span, SpanTree, TokenUsage
from otel_agentprof.semconv import (
    OPENAI_RESPONSE_SERVICE_TIER,
    PROVIDER_NAME,
    RESPONSE_MODEL,
    ROLE,
    SERVER_ADDRESS,
    USAGE_AUDIO_INPUT,
    USAGE_CACHE_READ,
    USAGE_INPUT_TOKENS,
    USAGE_OUTPUT_TOKENS,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.analysis import Trace

_DAY_NS = 86_400 * 10**9
_GPT = {RESPONSE_MODEL: "gpt-4o", PROVIDER_NAME: "openai"}
_SONNET = {RESPONSE_MODEL: "claude-sonnet-4-5", PROVIDER_NAME: "anthropic"}


def trace_of(*calls: dict[str, Any]) -> Trace:
    spans = [
        Span(
            "1" * 32,
            f"{number:016x}",
            None,
            "chat",
            number * _DAY_NS // 3,
            number * _DAY_NS // 3 + 1,
            attributes={ROLE: "llm", USAGE_INPUT_TOKENS: 90_001 * number, USAGE_OUTPUT_TOKENS: 77, **call},
        )
        for number, call in enumerate(calls, start=1)
    ]
    return measure(SpanTree.from_spans(spans), pricing.price)


def usd(usage: TokenUsage | None, trace: Trace, index: int) -> Decimal:
    find = trace.tree.spans[index].attributes.get
    cost = usage and pricing.price(
        usage,
        find(RESPONSE_MODEL, ""),
        provider=find(PROVIDER_NAME),
        server_address=find(SERVER_ADDRESS),
        tier=find(OPENAI_RESPONSE_SERVICE_TIER),
        at_ns=trace.tree.starts[index],
    )
    assert cost is not None
    return cost.total


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([_GPT, _GPT | {USAGE_CACHE_READ: 1_111}, _GPT], id="alike"),
        pytest.param([_GPT, _SONNET], id="two models"),
        pytest.param([_GPT, _GPT | {SERVER_ADDRESS: "api.openai.com"}], id="two addresses"),
        pytest.param([_GPT, _GPT | {OPENAI_RESPONSE_SERVICE_TIER: "flex"}], id="two tiers"),
        pytest.param([_GPT | {USAGE_AUDIO_INPUT: 5}, _GPT], id="sound"),
        pytest.param([_GPT | {USAGE_CACHE_READ: 100_000}, _GPT], id="parts that overlap"),
        pytest.param([_SONNET, _SONNET, _SONNET], id="a price by the length of the prompt"),
        pytest.param([{RESPONSE_MODEL: "sonar", PROVIDER_NAME: "perplexity"}] * 2, id="a price per request"),
        pytest.param(
            [{RESPONSE_MODEL: "deepseek-chat", PROVIDER_NAME: "deepseek"}] * 3, id="by the time of day"
        ),
    ],
)
def test_the_saving_is_the_sum_of_what_each_call_saves(calls: list[dict[str, Any]]) -> None:
    trace = trace_of(*calls)
    changed = {index: TokenUsage(45_000, 77, cache_read=3_003 * index) for index in range(len(calls))}

    saving = saved_usd(trace, changed)

    expected = sum(
        usd(trace.ledger.usage[index], trace, index) - usd(usage, trace, index)
        for index, usage in changed.items()
    )
    assert repr(saving) == repr(expected)


@pytest.mark.parametrize("call", [{RESPONSE_MODEL: "nobodys"}, {PROVIDER_NAME: "openai"}])
def test_a_call_whose_price_nobody_knows_leaves_the_saving_unknown(call: dict[str, Any]) -> None:
    trace = trace_of(_GPT, call)

    savings = [saved_usd(trace, dict.fromkeys(calls, TokenUsage(45_000, 77))) for calls in ([0], [1], [0, 1])]

    assert [saving is None for saving in savings] == [False, True, True]


def test_where_nothing_changes_there_is_nothing_to_save() -> None:
    assert saved_usd(trace_of(_GPT), {}) is None
