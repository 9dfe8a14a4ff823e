"""Invariants of all rules, on traces that hypothesis makes up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from random_spans import likely_spans, wild_spans

from otel_agentprof import semconv
from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config
from otel_agentprof.model import Cost, Span, SpanTree

if TYPE_CHECKING:
    from otel_agentprof.model import TokenUsage

_CONFIG = Config(
    context_growth_turns=2,
    context_growth_ratio=1,
    context_kept_turns=1,
    loop_repeats=2,
    min_cached_tokens=1,
    costly_operation_usd=0,
    slow_llm_ms=0,
    slow_tool_ms=0,
)
_WORDS = st.fixed_dictionaries(
    {semconv.ROLE: st.sampled_from(["agent", "llm", "llm", "llm", "tool", "tool"])},
    optional={
        semconv.REQUEST_FINGERPRINT: st.sampled_from(["a", "b"]),
        semconv.RESPONSE_MODEL: st.sampled_from(["gpt-4.1", "gpt-4.1", "gpt-4.1-mini", "nobody"]),
        semconv.USAGE_INPUT_TOKENS: st.integers(0, 50),
        semconv.USAGE_OUTPUT_TOKENS: st.integers(0, 20),
        semconv.USAGE_CACHE_READ: st.integers(0, 50),
        semconv.USAGE_CACHE_WRITE: st.integers(0, 50),
        semconv.PROMPT_CHAIN: st.sampled_from([("p",), ("p", "q"), ("p", "q", "r"), ()]),
        semconv.PROMPT_SIZES: st.sampled_from([(10, 20, 30), (10, 20), (0,), (5, 4, 3), ()]),
        semconv.RESPONSE_FINISH_REASONS: st.sampled_from(["stop", "tool_calls"]),
        semconv.ERROR_TYPE: st.sampled_from(["TimeoutError", "RateLimitError", "CancelledError"]),
        semconv.RETRY_COUNT: st.integers(-1, 2),
    },
)


def price(usage: TokenUsage, model: str, **asked: object) -> Cost | None:
    """Return prices with a cheap cache; None for what the counts contradict, as the real ones do."""
    del asked
    fresh = usage.input - usage.cache_read - usage.cache_write
    if model == "nobody" or min(*usage, fresh) < 0:
        return None
    rate = Decimal("0.00001") / (10 if model == "gpt-4.1-mini" else 1)
    return Cost(
        input=fresh * rate,
        cache_read=usage.cache_read * rate / 10,
        cache_write=usage.cache_write * rate * Decimal("1.25"),
        output=usage.output * rate,
    )


def _dressed(spans: list[Span], words: list[dict[str, Any]]) -> SpanTree:
    names = {"llm": "chat", "tool": "search", "agent": "planner"}
    return SpanTree.from_spans(
        replace(span, attributes=given, name=names[given[semconv.ROLE]])
        for span, given in zip(spans, words, strict=False)
    )


@given(spans=likely_spans(), words=st.lists(_WORDS, min_size=14, max_size=14))
def test_every_finding_has_evidence_a_derivation_and_a_saving_that_the_run_can_give(
    spans: list[Span], words: list[dict[str, Any]]
) -> None:
    trace = measure(_dressed(spans, words), price)
    ids = {span.span_id for span in trace.tree.spans}

    for found in findings(trace, _CONFIG):
        assert found.span_ids
        assert ids.issuperset(found.span_ids)
        assert len(set(found.span_ids)) == len(found.span_ids)
        assert found.derivation
        assert found.suggestion
        assert 0 <= (found.saving_ns or 0) <= trace.tree.duration_ns
        assert 0 <= (found.saving_usd or 0) <= (trace.cost_usd or 0)


@given(spans=wild_spans(), words=st.lists(_WORDS, min_size=8, max_size=8))
def test_no_trace_makes_a_rule_raise(spans: list[Span], words: list[dict[str, Any]]) -> None:
    trace = measure(_dressed(spans, words), price)

    found = findings(trace, _CONFIG)

    assert all(one.span_ids for one in found)
