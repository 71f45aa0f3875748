"""Means, ranks and ratios are those of the same problems and seeds for all that are compared."""

import numpy as np
import pytest

from benchmarks.quality.problem import Half, Kind, Problem, double, exact
from benchmarks.quality.report import fields, figures, sections, shown
from benchmarks.quality.results import Key, Result
from benchmarks.quality.scores import Scores, mean, ratio


def unit(name: str) -> Problem:
    """Its regret is its loss."""
    return Problem(
        name, Kind.SYNTHETIC, Half.TUNING, exact((double("x", 0, 1),), lambda one: 0.0), 0.0, 1.0
    )


def made(contender: str, problem: str, seed: int, *losses: float, workers: int = 1) -> Result:
    """One loss for each result."""
    incumbents = list(enumerate(losses, 1))
    return Result(
        Key(contender, "1", problem, workers, seed),
        len(losses),
        len(losses),
        incumbents,
        1.0,
        1.0,
        1.0,
    )


TWO = [
    made("a", "p", 0, 0.8, 0.2), made("b", "p", 0, 0.6, 0.4),
    made("a", "q", 0, 0.4, 0.4), made("b", "q", 0, 0.8, 0.4),
]  # fmt: skip


def scores(*results: Result) -> Scores:
    return Scores.of(results, unit, 2)


def test_means_and_ranks() -> None:
    both = scores(*TWO)
    assert np.allclose(mean(both, both.regrets).mean, [[0.6, 0.3], [0.7, 0.4]])
    assert both.ranks().tolist() == [[[2, 1], [1, 1.5]], [[1, 2], [2, 1.5]]]


def test_a_ratio_is_of_the_pairs_that_both_have() -> None:
    compared = ratio(scores(*TWO, made("a", "r", 0, 0.9, 0.9)), "a", "b", 2)
    assert compared is not None
    assert float(compared.mean) == pytest.approx(0.3 / 0.4)
    assert compared.low <= compared.mean <= compared.high
    assert ratio(scores(*TWO), "a", "c", 2) is None
    assert (
        ratio(scores(made("a", "p", 0, 1.0, 1.0), made("b", "q", 0, 1.0, 1.0)), "a", "b", 2) is None
    )


def test_a_problem_with_more_seeds_weighs_no_more() -> None:
    more = scores(*TWO, made("a", "p", 1, 0.8, 0.2), made("b", "p", 1, 0.6, 0.4))
    assert np.allclose(mean(more, more.regrets).mean, [[0.6, 0.3], [0.7, 0.4]])


def test_a_shorter_run_is_missing_beyond_its_end() -> None:
    short = scores(*TWO, made("c", "p", 0, 0.1))
    assert short.counts(1) == {"a": 2, "b": 2, "c": 1}
    assert short.counts(2) == {"a": 2, "b": 2, "c": 0}
    assert short.among(["a", "c"], 1).pairs == (("p", 0),)


def test_a_run_that_ended_early_keeps_its_last_incumbent() -> None:
    ended = Result(Key("a", "1", "p", 1, 0), 2, 1, [(1, 0.3)], 1.0, 1.0, 1.0)
    assert scores(ended).regrets.tolist() == [[[0.3, 0.3]]]


def test_the_interval_shrinks_to_nothing_where_all_runs_are_alike() -> None:
    alike = scores(*(made("a", name, seed, 0.5, 0.5) for name in "pqr" for seed in range(4)))
    estimate = mean(alike, alike.regrets)
    assert np.allclose([estimate.low, estimate.high], 0.5)


def test_resamples_draw_whole_problems() -> None:
    """The interval of a mean of two problems, each always the same, reaches from one to the
    other."""
    apart = scores(
        *(
            made("a", name, seed, loss, loss)
            for name, loss in (("p", 0.2), ("q", 0.6))
            for seed in range(9)
        )
    )
    estimate = mean(apart, apart.regrets)
    assert (estimate.low[0, 0], estimate.mean[0, 0], estimate.high[0, 0]) == pytest.approx(
        (0.2, 0.4, 0.6)
    )


def test_slow_contenders_are_compared_on_what_all_have() -> None:
    seeds = range(10)
    full = [made(name, "p", seed, 0.5, 0.5) for name in ("a", "b") for seed in seeds]
    slow = [made("slow", "p", seed, 0.1) for seed in (3, 4)]
    whole, more, everyone = fields(scores(*full, *slow, made("slowest", "p", 3, 0.1)), (1, 2))
    assert (whole.scores.contenders, whole.seeds, whole.budgets) == (("a", "b"), 10, (1, 2))
    assert (more.scores.contenders, more.scores.pairs, more.budgets) == (
        ("a", "b", "slow"), (("p", 3), ("p", 4)), (1,),
    )  # fmt: skip
    assert (everyone.scores.contenders, everyone.scores.pairs) == (
        ("a", "b", "slow", "slowest"),
        (("p", 3),),
    )


def long(contender: str, problem: str, loss: float, workers: int) -> Result:
    return made(contender, problem, 0, *[loss] * 200, workers=workers)


@pytest.mark.parametrize(("ours", "best"), [(0.5, 0.0), (0.05, 1.0)])
def test_figures_are_of_the_reporting_half(ours: float, best: float) -> None:
    """camel2 is to report on, branin2 to tune with: best and median losses are -1.03 and 2.23, 0.40
    and 34.5."""
    results = [
        long(name, problem, loss, workers)
        for workers in (1, 10)
        for name, loss in (
            ("us", -1.03162845 + ours * 3.26331013),
            ("optuna.tpe", -1.03162845 + 0.1 * 3.26331013),
        )
        for problem in ("camel2", "branin2")
    ]
    told = figures(shown("us", results))
    assert told["regret_ratio_w1"] == pytest.approx(ours / 0.1, rel=1e-3)
    assert told["regret_ratio_w10"] == pytest.approx(ours / 0.1, rel=1e-3)
    assert told["best_rank"] == best
    assert "gp_ratio_w1" not in told


@pytest.mark.parametrize(("seeds", "best"), [(4, 1.0), (5, 0.0)])
def test_ranks_among_slow_contenders_count_from_five_seeds_on(seeds: int, best: float) -> None:
    results = [made("us", "camel2", seed, *[0.0] * 200) for seed in range(20)]
    results += [made("slow", "camel2", seed, *[-1.0] * 200) for seed in range(seeds)]
    assert figures(shown("us", results))["best_rank"] == best


def test_nothing_to_show_is_no_error() -> None:
    assert figures(shown("us", [])) == {}
    assert sections(shown("us", [])).strip() == ""
