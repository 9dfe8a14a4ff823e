from __future__ import annotations

from math import inf

import pytest
from found import found_by
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof.analysis.model_calls import ModelCall
from otel_agentprof.analysis.outliers import beyond, too_long
from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.semconv import ROLE

EAGER = Config(
    outlier_ms=0,
    outlier_ratio=1,
    slow_first_token_ms=0,
    slow_tokens_per_s=inf,
    min_saving_ratio=0,
    slow_llm_ms=0,
)
SOME = Config(outlier_ms=0)


def call(number: int, tokens: int, total_ns: int) -> tuple[ModelCall, float, int]:
    return ModelCall(number, total_ns, None, TokenUsage(output=tokens)), total_ns / tokens, tokens


@given(
    st.lists(st.integers(1, 4_000), min_size=1, max_size=12),
    st.integers(0, 10**10),
    st.integers(1, 10**8),
)
def test_no_call_of_a_model_of_constant_speed_is_slow_however_long_its_answers_are(
    lengths: list[int], start_ns: int, per_token_ns: int
) -> None:
    rows = [call(n, tokens, start_ns + tokens * per_token_ns) for n, tokens in enumerate(lengths)]

    assert too_long(rows, inf, SOME) == []


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 99)), min_size=1, max_size=9))
def test_what_is_usual_is_less_than_what_a_slow_call_takes_and_never_nothing(
    pairs: list[tuple[int, int]],
) -> None:
    rows = [call(n, tokens, total_ns) for n, (tokens, total_ns) in enumerate(pairs)]

    for slow in (*too_long(rows, 5.0, SOME), *beyond(rows, 5.0, SOME)):
        assert 0 < slow.usual < slow.value
        assert slow.excess_ns > 0
        assert slow.compared == len(pairs)


@pytest.mark.parametrize("count", [201, 202, 1_000])
def test_one_slow_call_is_found_among_many(count: int) -> None:
    rows = [call(n, 100 + n, 1_000 + n) for n in range(count)]
    rows[count // 2] = call(count // 2, 150, 9_000)

    (slow,) = too_long(rows, inf, SOME)

    assert slow.call.span == count // 2
    assert 1_000 < slow.usual * 150 < 2_000


TIMES = st.integers(0, 3)


@st.composite
def model_calls(draw: st.DrawFn) -> SpanTree:
    """Return calls of one model that take no time, start at their end, or write next to nothing."""
    unit = draw(st.sampled_from([1, 10**3, 10**9]))
    spans = [Span("1" * 32, f"{1:016x}", None, "agent", 0, 12 * unit, attributes={ROLE: "agent"})]
    for number in range(2, 2 + draw(st.integers(1, 7))):
        start, length = draw(TIMES), draw(TIMES)
        attributes = {
            ROLE: "llm",
            "gen_ai.response.model": "m",
            "gen_ai.usage.output_tokens": draw(st.sampled_from([0, 1, 50, 100, 10**9])),
            "gen_ai.response.time_to_first_chunk": draw(TIMES) * unit / 1e9,
        }
        span_id, end = f"{number:016x}", (start + length) * unit
        spans.append(Span("1" * 32, span_id, f"{1:016x}", "chat", start * unit, end, attributes=attributes))
    return SpanTree.from_spans(spans)


@given(model_calls(), st.sampled_from([Config(), EAGER, Config(outlier_ms=0, outlier_ratio=0)]))
def test_calls_that_show_no_speed_are_held_against_nothing(tree: SpanTree, config: Config) -> None:
    for one in (*found_by("slow_generation", tree, config), *found_by("slow_first_token", tree, config)):
        assert 0 < one.value < inf
        assert 0 <= one.threshold < inf
