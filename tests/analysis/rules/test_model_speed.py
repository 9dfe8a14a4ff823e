from __future__ import annotations

from dataclasses import replace

import pytest
from drawing import draw
from found import SECOND, found_by, ids

from otel_agentprof.config import Config

ALONE = Config(slow_llm_ms=60_000)  # so that no average is told with it
TTFT = "gen_ai.response.time_to_first_chunk"
LATE = f"""
    agent    |---------------------------------|   role=agent
      chat    |----|                               role=llm model=m out=80 {TTFT}=1.0
      chat         |----|                          role=llm model=m out=80 {TTFT}=0.5
      chat              |----|                     role=llm model=m out=80 {TTFT}=1.5
      chat                   |-------|             role=llm model=m out=80 {TTFT}=2.75
      think                          |-----|       role=llm model=n out=80 {TTFT}=1.0
"""
SLOW = f"""
    agent    |--------------------------------------|   role=agent
      chat    |----|                                    role=llm model=m out=200 {TTFT}=1.0
      chat         |----|                               role=llm model=m out=100 {TTFT}=1.0
      chat              |----|                          role=llm model=m out=150 {TTFT}=1.0
      chat                   |---------------|          role=llm model=m out=100 {TTFT}=1.0
"""


def test_a_call_that_starts_later_than_the_others_saves_down_to_their_median() -> None:
    (late,) = found_by("slow_first_token", draw(LATE, unit=SECOND))

    assert late.saving_ns == 1_750_000_000
    assert late.title == "m starts late in 1 of 4 calls: 2.8 s to the first token, usually 1.0 s"
    assert (late.component, late.metric, late.value, late.threshold) == (
        "m",
        "first_token_ms",
        2750.0,
        2000.0,
    )
    assert late.span_ids == ids(5)
    assert "median" in late.derivation


def test_what_a_cache_answered_says_nothing_of_a_model() -> None:
    cached = LATE.replace(f"{TTFT}=1.5", f"{TTFT}=1.5 agentprof.cache.hit=true")

    (late,) = found_by("slow_first_token", draw(cached, unit=SECOND))

    assert late.title.startswith("m starts late in 1 of 3 calls")


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(Config(outlier_ratio=2.75), id="not that many times later"),
        pytest.param(Config(outlier_ms=1751), id="not that much later"),
        pytest.param(Config(min_saving_ratio=0.1), id="not enough to save"),
    ],
)
def test_a_first_token_at_the_limit_is_not_late(config: Config) -> None:
    assert found_by("slow_first_token", draw(LATE, unit=SECOND), config) == []


def test_a_single_call_is_held_against_the_limit() -> None:
    tree = draw(
        f"""
        agent    |---------------|   role=agent
          chat    |------------|     role=llm model=m out=80 {TTFT}=5.0
        """,
        unit=SECOND,
    )

    (late,) = found_by("slow_first_token", tree)

    assert late.title == "m starts late in its call: 5.0 s to the first token, the limit is 3.0 s"
    assert (late.saving_ns, late.threshold) == (2 * SECOND, 3000.0)
    assert late.derivation == "this run again with no first token of this model after 3.0 s"
    assert found_by("slow_first_token", tree, Config(slow_first_token_ms=5000)) == []
    assert found_by("slow_llm", tree)[0].saving_ns == 10 * SECOND  # most of it is not the start


@pytest.mark.parametrize(
    ("others", "last", "why"),
    [
        ("in=1000", "in=5000", "These calls read 5,000 tokens, the others 1,000"),
        ("in=1000", "in=1000 gen_ai.usage.reasoning.output_tokens=70", "Up to 70 tokens of reasoning"),
        ("in=1000", "in=1000", "a queue at the provider"),
    ],
)
def test_what_makes_a_call_late_is_read_from_its_tokens(others: str, last: str, why: str) -> None:
    tree = draw(
        f"""
        agent    |---------------------------------|   role=agent
          chat    |----|                               role=llm model=m out=80 {others} {TTFT}=1.0
          chat         |----|                          role=llm model=m out=80 {others} {TTFT}=1.0
          chat              |-------|                  role=llm model=m out=80 {last} {TTFT}=4.0
        """,
        unit=SECOND,
    )

    (late,) = found_by("slow_first_token", tree)

    assert why in late.suggestion


def test_a_call_that_writes_slower_than_the_others_saves_down_to_their_median() -> None:
    (slow,) = found_by("slow_generation", draw(SLOW, unit=SECOND), ALONE)

    # 15 s for 100 tokens; the others take 4 s for 200, 100 and 150: 27 ms a token in the median
    assert slow.saving_ns == pytest.approx((15 - 4 / 1.5) * SECOND, abs=9)
    assert slow.title == "m writes slowly in 1 of 4 calls: 6.7 tokens/s, usually 38"
    assert (slow.metric, slow.component, slow.span_ids) == ("output_tokens_per_s", "m", ids(5))
    assert slow.value == pytest.approx(100 / 15)
    assert slow.threshold == pytest.approx(37.5 / 2)
    assert "has 100 tokens" in slow.suggestion
    assert found_by("slow_first_token", draw(SLOW, unit=SECOND)) == []


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(Config(outlier_ratio=5.7, slow_tokens_per_s=6), id="not that many times slower"),
        pytest.param(Config(outlier_ms=12_500, slow_tokens_per_s=6), id="not that much slower"),
    ],
)
def test_a_rate_at_the_limit_is_not_slow(config: Config) -> None:
    assert found_by("slow_generation", draw(SLOW, unit=SECOND), config) == []


def test_without_a_first_token_the_start_is_part_of_the_rate_and_few_tokens_say_nothing() -> None:
    tree = draw(
        """
        agent    |-------------------------------|   role=agent
          chat    |-------------------|              role=llm model=m out=100
          chat                        |--------|     role=llm model=m out=20
          count                                |-|   role=llm
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_generation", tree, ALONE)

    assert slow.title == "m writes slowly in its call: 5.0 tokens/s, start included, the limit is 10"
    assert (slow.saving_ns, slow.span_ids[:1]) == (10 * SECOND, ids(2))
    assert slow.derivation == "this run again with this model never below 10 tokens/s"
    assert found_by("slow_generation", tree, Config(slow_tokens_per_s=0)) == []


def test_calls_of_a_model_may_be_slow_beside_others_and_by_the_limit() -> None:
    tree = draw(
        f"""
        agent    |--------------------------------------------|   role=agent
          chat    |----|                                          role=llm model=m out=200 {TTFT}=1.0
          chat         |----|                                     role=llm model=m out=100 {TTFT}=1.0
          chat              |----|                                role=llm model=m out=150 {TTFT}=1.0
          chat                   |----------|                     role=llm model=m out=100 {TTFT}=1.0
          chat                              |-----------|         role=llm model=m out=100
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_generation", tree, replace(ALONE, slow_tokens_per_s=10))

    assert slow.span_ids == ids(5, 6)
    assert slow.derivation.startswith("this run again with these calls writing at the median speed")
    assert slow.derivation.endswith("others with this model never below 10 tokens/s")


def test_the_models_with_most_to_save_come_first_and_open_calls_are_left_out() -> None:
    tree = draw(
        f"""
        agent    |--------------------------------------------|   role=agent
          chat    |----|                                          role=llm model=m out=200 {TTFT}=4.0
          chat         |-----|                                    role=llm model=n out=100 {TTFT}=5.0
          chat               |------|                             role=llm model=o out=150 {TTFT}=6.0
          chat                      |----|                        role=llm model=p out=100 {TTFT}=3.5
          chat                           |>                       role=llm model=q out=100 {TTFT}=9.0
        """,
        unit=SECOND,
    )

    assert [late.component for late in found_by("slow_first_token", tree)] == ["o", "n"]


STEADY = Config(slow_llm_ms=60_000)  # so that no average is told instead


@pytest.mark.parametrize(
    ("first_s", "found"),
    [
        pytest.param(2.0, (), id="at its end: a gateway hands the answer on when it is complete"),
        pytest.param(1.9999, (), id="so near to it that no model writes as fast"),
        pytest.param(1.5, ids(4), id="early enough to tell how fast it was written"),
    ],
)
def test_an_answer_that_came_in_one_piece_is_no_speed_to_hold_another_against(
    first_s: float, found: tuple[str, ...]
) -> None:
    tree = draw(
        f"""
        agent    |---------|   role=agent
          chat   |-|           role=llm model=m out=100 {TTFT}={first_s}
          chat     |-|         role=llm model=m out=100 {TTFT}={first_s}
          chat       |----|    role=llm model=m out=100 {TTFT}=1.0
        """,
        unit=SECOND,
    )

    assert [slow.span_ids for slow in found_by("slow_generation", tree, STEADY)] == ([found] if found else [])


def test_short_answers_are_not_slow_since_their_start_weighs_more() -> None:
    # 2 s to the first token and 100 tokens a second from there on, whatever the length
    tree = draw(
        """
        agent    |---------------------------------------------------------------|   role=agent
          chat   |--------------------|                                              role=llm model=m out=1800
          chat                        |---|                                          role=llm model=m out=100
          chat                            |--------------------|                     role=llm model=m out=1800
          chat                                                 |---|                 role=llm model=m out=100
          chat                                                     |----------|      role=llm model=m out=800
        """,
        unit=SECOND,
    )

    assert found_by("slow_generation", tree, STEADY) == []


def test_a_short_answer_that_takes_longer_than_long_ones_is_slow() -> None:
    tree = draw(
        """
        agent    |-----------------------------------------------|   role=agent
          chat   |-----|                                             role=llm model=m out=400
          chat         |-----|                                       role=llm model=m out=400
          chat               |------|                                role=llm model=m out=500
          chat                      |--------------|                 role=llm model=m out=200
        """,
        unit=SECOND // 2,
    )

    (slow,) = found_by("slow_generation", tree, STEADY)

    # The median of 3, 3 and 3.5 s, each for more tokens than its 200: it takes 3 s at most.
    assert slow.title == "m writes slowly in 1 of 4 calls: 27 tokens/s, start included, usually 67"
    assert (slow.saving_ns, slow.span_ids) == (9 * SECOND // 2, ids(5))
    assert found_by("slow_generation", tree, replace(STEADY, outlier_ratio=2.5)) == []
    assert found_by("slow_generation", tree, replace(STEADY, outlier_ms=4501)) == []


def test_a_long_answer_is_slow_when_it_takes_more_than_its_share_of_what_shorter_ones_take() -> None:
    tree = draw(
        """
        agent    |-----------------------------------------------|   role=agent
          chat   |---|                                               role=llm model=m out=200
          chat       |---|                                           role=llm model=m out=200
          chat           |---|                                       role=llm model=m out=100
          chat               |------------------------|              role=llm model=m out=400
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_generation", tree, STEADY)

    # 4 s for 200 tokens are 8 s for 400 at most, by two of three.
    assert (slow.saving_ns, slow.span_ids) == (17 * SECOND, ids(5))
