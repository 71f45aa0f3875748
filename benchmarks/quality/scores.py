"""Regrets of contenders over the same (problem, seed) pairs, their means and ranks, with bootstrap
intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import rankdata

from benchmarks.quality.problem import Problem
from benchmarks.quality.results import Result

RESAMPLES = 1_000
CONFIDENCE = 0.95

Array = Any
"""A numpy array of floats."""


@dataclass(frozen=True, slots=True)
class Scores:
    """`regrets` has the shape (contenders, pairs, results), not a number where a run is missing or
    was shorter."""

    contenders: tuple[str, ...]
    pairs: tuple[tuple[str, int], ...]
    regrets: Array

    @classmethod
    def of(cls, results: Iterable[Result], problem: Callable[[str], Problem], trials: int) -> Self:
        """Those of results with the same number of workers."""
        known = {(one.key.contender, one.key.problem, one.key.seed): one for one in results}
        contenders = tuple(dict.fromkeys(contender for contender, _, _ in known))
        pairs = tuple(sorted({(name, seed) for _, name, seed in known}))
        regrets = np.full((len(contenders), len(pairs), trials), np.nan)
        for (contender, name, seed), one in known.items():
            regrets[contenders.index(contender), pairs.index((name, seed))] = _curve(
                one, problem(name), trials
            )
        return cls(contenders, pairs, regrets)

    def among(self, contenders: Sequence[str], results: int) -> Self:
        """These contenders on the pairs for which all of them have so many results."""
        rows = [self.contenders.index(contender) for contender in contenders]
        there = ~np.isnan(self.regrets[rows, :, results - 1]).any(axis=0)
        return self._kept(rows, there)

    def on(self, problems: Iterable[str]) -> Self:
        wanted = set(problems)
        return self._kept(
            range(len(self.contenders)),
            np.array([name in wanted for name, _ in self.pairs], dtype=bool),
        )

    def until(self, results: int) -> Self:
        """The first `results` of each run."""
        return type(self)(self.contenders, self.pairs, self.regrets[:, :, :results])

    def _kept(self, rows: Sequence[int], there: Array) -> Self:
        pairs = tuple(pair for pair, kept in zip(self.pairs, there, strict=True) if kept)
        return type(self)(
            tuple(self.contenders[row] for row in rows), pairs, self.regrets[list(rows)][:, there]
        )

    def counts(self, results: int) -> dict[str, int]:
        """How many pairs each contender has with so many results."""
        there = (~np.isnan(self.regrets[:, :, results - 1])).sum(axis=1)
        return dict(zip(self.contenders, (int(count) for count in there), strict=True))

    def ranks(self) -> Array:
        """Of each contender on each pair, 1 for the least regret, the mean of their places for
        equals."""
        return rankdata(self.regrets, axis=0)

    def weights(self) -> Array:
        """How often each resample, a row, draws each pair: first problems, then as many seeds of
        each."""
        random = np.random.default_rng(0)
        names = sorted({name for name, _ in self.pairs})
        places = [
            np.array([place for place, (name, _) in enumerate(self.pairs) if name == one])
            for one in names
        ]
        drawn = np.zeros((RESAMPLES, len(self.pairs)))
        for row in drawn:
            for number in random.integers(len(places), size=len(places)):
                own = places[number]
                np.add.at(row, own[random.integers(len(own), size=len(own))], 1 / len(own))
        return drawn / len(names)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval, numbers or arrays of one shape."""

    mean: Array
    low: Array
    high: Array


def mean(scores: Scores, values: Array) -> Estimate:
    """Over the pairs, the middle axis of `values`; each problem counts the same."""
    resampled = np.einsum("rp,cpt->rct", scores.weights(), values, optimize=True)
    return _estimate(np.einsum("p,cpt->ct", _even(scores), values), resampled)


def ratio(scores: Scores, ours: str, theirs: str, results: int) -> Estimate | None:
    """The mean regret of `ours` over that of `theirs`, on the pairs that both have; None if there
    are none."""
    if ours not in scores.contenders or theirs not in scores.contenders:
        return None
    both = scores.among([ours, theirs], results)
    if not both.pairs:
        return None
    ends = both.regrets[:, :, results - 1]
    resampled = both.weights() @ ends.T
    means = ends @ _even(both)
    with np.errstate(divide="ignore", invalid="ignore"):  # a peer without any regret
        return _estimate(means[0] / means[1], resampled[:, 0] / resampled[:, 1])


def _even(scores: Scores) -> Array:
    """A weight for each pair, so that problems weigh the same however many seeds they have."""
    names = [name for name, _ in scores.pairs]
    return np.array([1 / names.count(name) for name in names]) / len(set(names))


def _estimate(value: Array, resampled: Array) -> Estimate:
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return Estimate(value, low, high)


def _curve(result: Result, problem: Problem, trials: int) -> Array:
    curve = np.full(trials, np.nan)
    for count, loss in sorted(result.incumbents):
        curve[count - 1 : result.trials] = problem.regret(loss)
    return curve
