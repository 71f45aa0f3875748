"""Ratios of times: their direction, their interval, and which figures are rates."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bars import BARS
from benchmarks.ratios import CONFIDENCE, compared

VALUES = st.floats(1e-6, 1e6)
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12)


def test_twice_the_time_is_two_and_twice_the_rate_is_a_half() -> None:
    assert compared([1, 2, 3], [2, 4, 6], rate=False).ratio == pytest.approx(2)
    assert compared([1, 2, 3], [2, 4, 6], rate=True).ratio == pytest.approx(0.5)
    assert compared([1, 2, 3], [2, 4, 6], rate=False).medians == (2, 4)


def test_the_interval_is_that_of_student() -> None:
    ratio = compared([1, 1, 1], [math.exp(log) for log in (0.1, 0.2, 0.3)], rate=False)
    reach = 4.302653 * 0.1 / math.sqrt(3)
    assert ratio.ratio == pytest.approx(math.exp(0.2))
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(0.2 - reach), math.exp(0.2 + reach)))
    assert ratio.surely_above(math.exp(0.19 - reach))
    assert not ratio.surely_above(math.exp(0.21 - reach))


@given(PAIRS, st.floats(0.01, 100))
def test_the_other_way_round_it_is_the_inverse_and_a_faster_machine_changes_nothing(
    pairs: list[tuple[float, float]], speed: float
) -> None:
    old, new = zip(*pairs, strict=True)
    times, rates, swapped = (
        compared(old, new, rate=False),
        compared(old, new, rate=True),
        compared(new, old, rate=False),
    )
    faster = compared([speed * one for one in old], [speed * one for one in new], rate=False)
    assert times.low is not None
    assert times.ratio is not None
    assert times.high is not None
    assert times.low <= times.ratio * (1 + 1e-9)
    assert times.ratio <= times.high * (1 + 1e-9)
    for other in (rates, swapped):
        assert other.ratio == pytest.approx(1 / times.ratio)
        assert other.low == pytest.approx(1 / times.high)
        assert other.high == pytest.approx(1 / times.low)
    assert (faster.low, faster.ratio, faster.high) == pytest.approx(
        (times.low, times.ratio, times.high)
    )


def test_the_interval_has_the_truth_in_it_as_often_as_it_says() -> None:
    dice, times, truth = random.Random(1), 1000, 1.2
    hits = 0
    for _ in range(times):
        machine = [
            math.exp(dice.gauss(0, 0.5)) for _ in range(5)
        ]  # each pair finds the machine in another state
        old = [pace * math.exp(dice.gauss(0, 0.1)) for pace in machine]
        new = [truth * pace * math.exp(dice.gauss(0, 0.1)) for pace in machine]
        ratio = compared(old, new, rate=False)
        assert ratio.low is not None
        assert ratio.high is not None
        hits += ratio.low < truth < ratio.high
    assert hits / times == pytest.approx(CONFIDENCE, abs=0.02)


def test_one_pair_has_a_ratio_and_no_interval() -> None:
    ratio = compared([1], [3], rate=False)
    assert ratio.ratio == pytest.approx(3)
    assert ratio.low is ratio.high is None
    assert not ratio.surely_above(1.15)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_what_is_not_above_zero_has_no_ratio(value: float) -> None:
    ratio = compared([1, 1], [2, value], rate=False)
    assert ratio.ratio is ratio.low is None
    assert ratio.medians == (1, (2 + value) / 2)
    assert not ratio.surely_above(1.15)


def test_these_figures_are_better_when_there_is_more_of_them() -> None:
    rates = {
        f"{name} {figure}"
        for name, bars in BARS.items()
        for figure, bar in bars.items()
        if bar.is_rate
    }
    assert rates == {
        "trials trials_per_second", "ingest points_per_second", "ingest points_per_cpu_second",
        "latency stops",
        "cluster running_at_once", "cluster trials_per_second", "cluster long_trials_per_second",
        "peers ray_ratio", "peers optuna_ratio", "quality best_rank",
        "collect lines_per_second", "collect matching_per_second", "collect auto_per_second",
        "collect event_points_per_second",
    }  # fmt: skip
