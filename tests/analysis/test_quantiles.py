from __future__ import annotations

import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof.analysis.quantiles import LEVEL, Quantile, interval_ranks, quantile
from otel_agentprof.analysis.shift import Shift, shift


@pytest.mark.parametrize(
    ("count", "percent", "ranks"),
    [(6, 50, (1, 6)), (30, 50, (10, 21)), (100, 50, (40, 61)), (72, 95, (64, 72)), (1_000, 50, (469, 532))],
)
def test_the_ranks_are_those_of_the_textbook(count: int, percent: int, ranks: tuple[int, int]) -> None:
    assert interval_ranks(count, percent) == ranks


@pytest.mark.parametrize("percent", [50, 95, 99])
@pytest.mark.parametrize("count", [1, 2, 5, 6, 20, 71, 72, 200, 367, 368, 500])
def test_each_limit_is_the_tightest_that_keeps_its_promise(count: int, percent: int) -> None:
    def below(rank: int) -> float:  # the probability that fewer than so many lie below the percentile
        share = percent / 100
        return sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(rank))

    low, high = interval_ranks(count, percent)

    tail = (1 - LEVEL) / 2 + 1e-12
    assert below(low) <= tail < below(low + 1) + 2e-12
    assert 1 - below(high) <= tail or high == count + 1
    assert high == 1 or 1 - below(high - 1) > tail - 2e-12


@pytest.mark.parametrize(("percent", "least"), [(50, 6), (95, 72), (99, 368)])
def test_too_few_observations_set_no_upper_limit(percent: int, least: int) -> None:
    enough = quantile(range(least), percent)
    too_few = quantile(range(least - 1), percent)

    assert enough.high == least - 1
    assert too_few.high is None


def test_the_percentile_is_an_observation() -> None:
    assert quantile([7], 99) == Quantile(7, 7, None)
    assert quantile([1, 2, 3, 4], 50).value == 2
    assert quantile(range(1, 101), 95).value == 95


@pytest.mark.parametrize(("percent", "count"), [(50, 12), (50, 101), (95, 90), (99, 400)])
def test_intervals_hold_the_truth_as_often_as_they_say(percent: int, count: int) -> None:
    chance = random.Random(percent)  # noqa: S311 - the same samples each time, no secrets
    rounds, held = 1_500, 0
    for _ in range(rounds):
        found = quantile(sorted(chance.random() for _ in range(count)), percent)
        held += (found.low or 0) <= percent / 100 <= (1 if found.high is None else found.high)

    assert held / rounds >= LEVEL - 0.015  # two and a half standard deviations of the simulation


@given(st.integers(1, 3_000_000), st.integers(1, 99))
def test_ranks_lie_around_the_percentile_however_many_there_are(count: int, percent: int) -> None:
    low, high = interval_ranks(count, percent)

    assert 0 <= low <= count * percent / 100 + 1
    assert count * percent / 100 <= high <= count + 1


@pytest.mark.parametrize(
    ("before", "after", "limits"),
    [
        ([1, 2, 3, 4], [11, 12, 13, 14], Shift(7, 13)),
        ([5] * 4, [5] * 4, Shift(0, 0)),
        ([4] * 5, [5] * 5, Shift(1, 1)),
        (list(range(10)), list(range(10)), Shift(-3, 3)),
    ],
)
def test_the_interval_of_a_shift(before: list[int], after: list[int], limits: Shift) -> None:
    assert shift(before, after) == limits


def test_three_runs_are_too_few_to_tell_and_so_is_one() -> None:
    assert shift([1, 2, 3], [11, 12, 13]) is None
    assert shift([1], list(range(30))) is None
    assert shift([], [1, 2, 3, 4]) is None


def test_a_shift_beyond_the_noise_goes_either_way() -> None:
    slower, faster, same = Shift(1, 2), Shift(-2, -1), Shift(-1, 1)

    assert (slower.is_beyond_noise, faster.is_beyond_noise, same.is_beyond_noise) == (True, True, False)


@pytest.mark.parametrize("count", [4, 9, 25])
def test_chance_alone_seldom_looks_like_a_change(count: int) -> None:
    chance = random.Random(count)  # noqa: S311 - likewise
    rounds = 1_000
    alarms = 0
    for _ in range(rounds):
        first, second = ([round(chance.lognormvariate(10, 1)) for _ in range(count)] for _ in range(2))
        found = shift(first, second)
        alarms += found is not None and found.is_beyond_noise

    assert alarms / rounds <= 0.05 + 0.017  # two and a half standard deviations of the simulation


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=12),
    st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=12),
    st.integers(-(10**9), 10**9),
)
def test_the_interval_moves_with_the_runs_and_turns_with_the_sides(
    before: list[int], after: list[int], move: int
) -> None:
    found, moved = shift(before, after), shift(before, [value + move for value in after])
    turned = shift(after, before)

    assert found is not None
    assert moved == Shift(found.low + move, found.high + move)
    assert turned == Shift(-found.high, -found.low)


def test_very_many_runs_are_thinned_and_still_found_out() -> None:
    found = shift(range(0, 1_000_000, 100), range(50_000, 1_050_000, 100))

    assert found is not None
    assert 0 < found.low < 50_000 < found.high < 100_000
