"""``prompt_cache_miss`` and ``context_growth``: what was sent before, and what grows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from drawing import draw

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config
from otel_agentprof.model import Cost, Span, SpanTree
from otel_agentprof.semconv import (
    INPUT_MESSAGES,
    PROMPT_CHAIN,
    PROMPT_SIZES,
    REQUEST_FINGERPRINT,
    RESPONSE_MODEL,
    ROLE,
    USAGE_AUDIO_INPUT,
    USAGE_CACHE_READ,
    USAGE_CACHE_WRITE,
    USAGE_INPUT_TOKENS,
    USAGE_OUTPUT_TOKENS,
)

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import TokenUsage

SECOND = 1_000_000_000
_RATE = Decimal("0.000001")


def cache_price(usage: TokenUsage, model: str, **asked: object) -> Cost | None:
    """Return a dollar per million fresh tokens, a tenth for read ones; ``writes`` bills writing at 1.25."""
    del asked
    if model not in ("plain", "writes", "flat"):
        return None
    fresh = usage.input - usage.cache_read - usage.cache_write
    assert min(fresh, usage.cache_read, usage.cache_write) >= 0
    return Cost(
        input=fresh * _RATE,
        cache_read=usage.cache_read * _RATE / (1 if model == "flat" else 10),
        cache_write=usage.cache_write * _RATE * (Decimal("1.25") if model == "writes" else 1),
    )


def call(
    number: int, start: float, chain: dict[str, int], tokens: int, *, model: str = "plain", **more: Any
) -> Span:
    words = {
        ROLE: "llm",
        RESPONSE_MODEL: model,
        USAGE_INPUT_TOKENS: tokens,
        USAGE_OUTPUT_TOKENS: 500,
        PROMPT_CHAIN: tuple(chain),
        PROMPT_SIZES: tuple(chain.values()),
        USAGE_CACHE_READ: more.get("read", 0),
        USAGE_CACHE_WRITE: more.get("written", 0),
        REQUEST_FINGERPRINT: more.get("asked", str(number)),
        **more.get("more", {}),
    }
    status = more.get("status", "UNSET")
    start_ns, end_ns = round(start * SECOND), round((start + more.get("seconds", 1)) * SECOND)
    return Span(
        "1" * 32, f"{number:016x}", "f" * 16, "chat", start_ns, end_ns, status=status, attributes=words
    )


def run(*calls: Span) -> SpanTree:
    last = max(span.end_ns or 0 for span in calls)
    return SpanTree.from_spans(
        [Span("1" * 32, "f" * 16, None, "planner", 0, last, attributes={ROLE: "agent"}), *calls]
    )


def found_by(rule: str, tree: SpanTree, config: Config | None = None) -> list[Finding]:
    return [one for one in findings(measure(tree, cache_price), config or Config()) if one.rule == rule]


SYSTEM = {"s": 6_000}


def test_a_prefix_sent_before_and_billed_in_full_would_be_read_from_the_cache() -> None:
    tree = run(
        call(1, 0, SYSTEM | {"s+q": 8_000}, 2_000),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    assert found.title == "About 2,000 prompt tokens of plain were sent before and billed in full"
    assert (found.component, found.metric) == ("plain", "uncached_prefix_tokens")
    assert (found.value, found.threshold, found.confidence) == (2000.0, 1024.0, "likely")
    assert (found.saving_ns, found.saving_usd) == (None, 2000 * _RATE * Decimal("0.9"))
    assert found.span_ids == (f"{1:016x}", f"{2:016x}")
    assert "in quick succession" in found.suggestion
    assert found.derivation.startswith("estimate: priced as if")


def test_a_prefix_that_others_captured_is_known_by_what_it_says() -> None:
    def captured(question: str) -> dict[str, Any]:
        messages = [{"role": "system", "content": "s" * 6_000}, {"role": "user", "content": question}]
        return {INPUT_MESSAGES: json.dumps(messages), PROMPT_CHAIN: None, REQUEST_FINGERPRINT: None}

    tree = run(
        call(1, 0, {}, 2_000, more=captured("q" * 2_000)),
        call(2, 2, {}, 4_000, more=captured("r" * 6_000)),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    assert 1_900 < found.value < 2_100
    assert found.span_ids == (f"{1:016x}", f"{2:016x}")


def test_tokens_of_sound_are_no_more_than_what_is_left_of_the_prompt() -> None:
    tree = run(
        call(1, 0, SYSTEM | {"s+q": 8_000}, 2_000, more={USAGE_AUDIO_INPUT: 500}),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000, more={USAGE_AUDIO_INPUT: 900}),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    assert found.saving_usd == 2000 * _RATE * Decimal("0.9")


def test_what_a_provider_asks_for_writing_is_taken_off() -> None:
    tree = run(
        call(1, 0, SYSTEM | {"s+q": 8_000}, 2_000, model="writes"),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000, model="writes"),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    read, written = 2000 * Decimal("0.9"), 1500 * Decimal("0.25")
    assert found.saving_usd == (read - written) * _RATE
    assert "cache_control" in found.suggestion


def test_a_conversation_writes_in_each_turn_what_the_next_one_reads() -> None:
    chain = {"a": 4_000}
    tree = run(
        call(1, 0, dict(chain), 1_000, model="writes"),
        call(2, 2, chain | {"b": 8_000}, 2_000, model="writes"),
        call(3, 4, chain | {"b": 8_000, "c": 12_000}, 3_000, model="writes"),
    )

    (found,) = found_by("prompt_cache_miss", tree, Config(min_cached_tokens=1000))

    assert found.value == 1_000 + 2_000
    assert found.saving_usd == _RATE * (3_000 * Decimal("0.9") - 2_000 * Decimal("0.25"))
    assert len(found.span_ids) == 3


def test_a_prefix_written_again_instead_of_read_is_a_miss() -> None:
    tree = run(
        call(1, 0, SYSTEM, 2_000, model="writes", written=2_000),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000, model="writes", written=3_000),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    assert found.saving_usd == _RATE * 2_000 * (Decimal("1.25") - Decimal("0.1"))


@pytest.mark.parametrize(
    "second",
    [
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000, read=977),  # 1,023 tokens were billed in full
        call(2, 2, SYSTEM | {"s+r": 12_000}, 2_047),
        call(2, 2, {"other": 6_000, "s+r": 12_000}, 4_000),
        call(2, 0.5, SYSTEM | {"s+r": 12_000}, 4_000),
        call(2, 301.1, SYSTEM | {"s+r": 12_000}, 4_000),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000, model="writes"),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000, status="ERROR"),
        call(2, 2, SYSTEM | {"s+q": 8_000}, 2_000, asked="1"),  # told by repeated_call
        call(2, 2, {}, 4_000),
    ],
    ids=[
        "cached",
        "short",
        "different",
        "beside",
        "too late",
        "other model",
        "failed",
        "repeated",
        "unknown",
    ],
)
def test_what_no_cache_would_have_held_is_no_miss(second: Span) -> None:
    tree = run(call(1, 0, SYSTEM | {"s+q": 8_000}, 2_000), second)

    assert found_by("prompt_cache_miss", tree) == []


def test_1024_tokens_are_enough_and_a_cache_lives_300_seconds_from_its_last_use() -> None:
    tree = run(
        call(1, 0, SYSTEM, 2_000),
        call(2, 200, SYSTEM | {"s+r": 12_000}, 2_048),
        call(3, 500, SYSTEM | {"s+t": 12_000}, 2_048),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    assert found.value == 2 * 1_024.0


def test_a_prefix_that_was_forgotten_is_written_again() -> None:
    tree = run(
        call(1, 0, SYSTEM, 2_000, model="writes"),
        call(2, 400, SYSTEM, 2_000, model="writes"),
        call(3, 402, SYSTEM, 2_000, model="writes"),
    )

    (found,) = found_by("prompt_cache_miss", tree)

    assert found.saving_usd == _RATE * 2_000 * (Decimal("0.9") - Decimal("0.25"))
    assert found.span_ids == (f"{2:016x}", f"{3:016x}")


def test_no_discount_is_no_finding_and_an_unknown_price_is_no_saving() -> None:
    def pair(model: str) -> SpanTree:
        return run(
            call(1, 0, SYSTEM, 2_000, model=model), call(2, 2, SYSTEM | {"r": 12_000}, 4_000, model=model)
        )

    (unknown,) = found_by("prompt_cache_miss", pair("nobody"))

    assert found_by("prompt_cache_miss", pair("flat")) == []
    assert unknown.saving_usd is None
    assert unknown.derivation.startswith("no saving computed: the price is not known")


def test_prompt_heavy_gives_way_to_the_prefix_that_makes_it_heavy() -> None:
    tree = run(
        call(1, 0, SYSTEM | {"s+q": 8_000}, 2_000),
        call(2, 2, SYSTEM | {"s+r": 12_000}, 4_000),
    )

    (found,) = found_by("prompt_cache_miss", tree, Config(prompt_heavy_ratio=0.5))

    assert found_by("prompt_heavy", tree, Config(prompt_heavy_ratio=0.5)) == []
    assert "Also: 86 % of the tokens of chat are prompt." in found.suggestion


def loop(*inputs: int, model: str = "plain", words: str = "") -> SpanTree:
    rows = "".join(
        f"""
          chat    {"    " * place}|--|   role=llm model={model} in={tokens} out=9 {words}"""
        for place, tokens in enumerate(inputs)
    )
    return draw(f"""
        agent     |{"-" * 60}|  role=agent{rows}
    """)


def test_growing_prompts_would_be_shorter_with_the_last_turns_only() -> None:
    (found,) = found_by("context_growth", loop(100, 200, 300, 400, 500, 600))

    assert found.title == "The prompts of agent agent grow from 100 to 600 tokens in 6 turns"
    assert (found.metric, found.value, found.threshold) == ("input_growth_ratio", 6.0, 2.0)
    assert (found.saving_ns, found.saving_usd) == (None, _RATE * (100 + 200))
    assert "read 2,100 tokens in all" in found.suggestion
    assert "it would be about 1,800" in found.suggestion
    assert len(found.span_ids) == 6
    assert found.derivation.startswith("estimate: priced as if each prompt were the first one plus")


@pytest.mark.parametrize(
    "inputs",
    [
        (100, 200, 300),
        (100, 120, 140, 160, 199),
        (100, 50, 400, 50, 400),
        (100, 200, 300, 400),  # all of it is the last three turns
        (100, 0, 0, 0, 900),
        (100, 90, 300, 400, 500),  # the last three turns added more than all of them
    ],
)
def test_prompts_that_do_not_grow_enough_are_no_finding(inputs: tuple[int, ...]) -> None:
    assert found_by("context_growth", loop(*inputs)) == []


def test_four_turns_and_twice_the_prompt_are_enough() -> None:
    (found,) = found_by("context_growth", loop(100, 130, 160, 200), Config(context_kept_turns=1))

    assert found.saving_usd == _RATE * (30 + 60)
    assert "last 1 turn only" in found.suggestion


def test_a_history_that_is_read_from_the_cache_is_cheaper_than_a_trimmed_one() -> None:
    tree = loop(1000, 3000, 5000, 7000, 9000, words=f"{USAGE_CACHE_READ}=1000")
    cached = run(*(call(n, 2 * n, {}, 1000 * n, read=1000 * (n - 1), seconds=1) for n in range(1, 7)))

    assert found_by("context_growth", tree) != []
    assert found_by("context_growth", cached) == []


def test_no_price_is_made_up_for_growing_prompts() -> None:
    (found,) = found_by("context_growth", loop(100, 200, 300, 400, 500, model="nobody"))

    assert found.saving_usd is None
    assert found.derivation == "no saving computed: the price is not known"


def test_another_operation_of_the_agent_is_no_turn_of_its_conversation() -> None:
    tree = draw("""
        agent     |------------------------------|  role=agent
          route    |--|                             role=llm model=plain in=10
          chat        |--|                          role=llm model=plain in=500
          chat           |--|                       role=llm model=plain in=550
          chat              |--|                    role=llm model=plain in=600
          chat                 |--|                 role=llm model=plain in=650
          chat                    |--|              role=llm model=plain in=700
    """)

    assert found_by("context_growth", tree) == []


def test_calls_side_by_side_are_no_turns() -> None:
    tree = run(*(call(n, n, {}, 100 * n, seconds=9) for n in range(1, 8)))

    assert found_by("context_growth", tree) == []


def test_runs_of_one_agent_make_one_finding() -> None:
    one = """
          {name}    |----------------------------|      role=agent
            chat     |--|                               role=llm model=plain in=100
            chat        |--|                            role=llm model=plain in=200
            chat           |--|                         role=llm model=plain in=300
            chat              |--|                      role=llm model=plain in=400
            chat                 |--|                   role=llm model=plain in={last}
    """
    tree = draw(
        "\n        root       |-------------------------------|   role=other"
        + one.format(name="a", last=500)
        + one.format(name="a", last=900)
    )

    (found,) = found_by("context_growth", tree)

    assert found.title.endswith("grow from 100 to 900 tokens in 5 turns, the worst of 2 such runs")
    assert found.saving_usd == _RATE * 200
    assert len(found.span_ids) == 10
