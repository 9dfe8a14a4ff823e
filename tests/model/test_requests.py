"""What a span tells of the request that it is about."""

from __future__ import annotations

import pytest

from otel_agentprof import semconv
from otel_agentprof.model import Span
from otel_agentprof.model.dialects import fingerprint_of, prompt_chain_of


def span(**attributes: object) -> Span:
    words = {getattr(semconv, name): value for name, value in attributes.items()}
    return Span("1" * 32, "1" * 16, None, "chat", 0, 1, attributes=words)


def test_a_fingerprint_wins_over_captured_content() -> None:
    assert fingerprint_of(span(REQUEST_FINGERPRINT="f", TOOL_CALL_ARGUMENTS="{}"), "tool") == "f"


def test_equal_content_has_equal_fingerprints() -> None:
    one, two, other = (fingerprint_of(span(INPUT_MESSAGES=words), "llm") for words in ("a", "a", "b"))

    assert one == two != other


def test_a_span_that_tells_nothing_has_neither() -> None:
    assert fingerprint_of(span(), "tool") is None
    assert prompt_chain_of(span()) == ()


@pytest.mark.parametrize(
    ("chain", "sizes", "pairs"),
    [
        (("a", "b"), (3, 9), (("a", 3), ("b", 9))),
        (["a", "b"], [3], (("a", 3),)),
        (["a", "b"], ["x", 9], (("b", 9),)),
        ("ab", (3, 9), ()),
        (["a"], None, ()),
    ],
)
def test_a_prompt_chain_is_pairs_of_identity_and_size(chain: object, sizes: object, pairs: object) -> None:
    assert prompt_chain_of(span(PROMPT_CHAIN=chain, PROMPT_SIZES=sizes)) == pairs
