"""What the results so far let one believe: fitted models, the best point, and the limits; kept for the next call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx

from algorithms.search.optimizers.gp.acquisition import Constraint
from algorithms.search.optimizers.gp.geometry import Array, Mask
from algorithms.search.optimizers.gp.history import History, squash, to_values
from algorithms.search.optimizers.gp.model import Hyper, Posterior, fit, prior

PARTIAL_NOISE = 0.1
"""Variance of the noise of partial results, in units of warped losses."""
EARLIER_NOISE, EARLIER_DOUBLING = 0.2, 8
"""The same of results of another experiment, which grows by as much with each PATIENCE results of this one: where they
contradict each other, only these are true. Measured with the benchmark `transfer`: trusted to the end (0.03) or with
patience for ever (0.3), they keep a search away from an optimum that has moved far for 100 trials."""
AUGMENT = 0.05
"""Weight of the sum beside the largest loss (Knowles 2006)."""
CENTRES = 5
MOST_KEPT, MOST_FITTED, MOST_FIT_WORK = 200, 128, 300_000
"""The most results in the model, in a fit, and of sides times squared results in a fit."""
FIT_EACH_UNTIL, FIT_SHARE = 20, 10
"""Up to so many results hyperparameters are fitted at each one, then at about each tenth more."""


@dataclass(frozen=True, slots=True)
class View:
    """How the results are looked at for one suggestion."""

    unit: float
    """The quantile of the losses' excess that is the unit of their warp: a large one sees less of what is near."""
    fitted: bool = True
    """Are hyperparameters fitted, or those that the prior holds for likeliest?"""


@dataclass(frozen=True)
class Surrogate:
    """The model of the loss; the least posterior mean at a feasible result, if any; the best results' points."""

    posterior: Posterior
    best: float | None
    centres: Array
    constraints: tuple[Constraint, ...]


class Surrogates:
    """`of` is a function of its arguments; what each view saw last is kept for the next suggestion, and so are fits."""

    def __init__(self, categorical: Mask) -> None:
        self._categorical, self._width = categorical, len(categorical)
        self._fits: dict[float, tuple[bytes, list[Hyper]]] = {}
        self._seen: dict[View, tuple[tuple[bytes, bytes], Surrogate]] = {}

    def of(self, history: History, weights: Array, view: View) -> Surrogate:
        """The belief after `history` with two losses or more; `weights` (m,) of the m objectives."""
        key = history.key(), weights.tobytes()
        if view not in self._seen or self._seen[view][0] != key:
            self._seen[view] = key, self._learn(history, weights, view)
        return self._seen[view][1]

    def _learn(self, history: History, weights: Array, view: View) -> Surrogate:
        objectives = len(weights)
        hypers = self._hypers(history, view)
        hyper, y = scalarise(hypers[:objectives], targets(history, view.unit)[:, :objectives], weights)
        rows = active_rows(y, MOST_KEPT)
        history, y = history.rows(rows), y[rows]
        posterior = self._posterior(hyper, history, self._imputed(hyper, history, y))
        limits = tuple(
            Constraint(self._posterior(limit, history.rows(told), column[told]), 0.0)
            for limit, column in zip(hypers[objectives:], map(squash, history.violations.T), strict=True)
            if (told := np.flatnonzero(np.isfinite(column))).size
        )
        feasible = history.feasible
        if (own := feasible & ~history.earlier).any():
            feasible = own
        means = np.where(feasible, posterior.mean(history.points), np.inf)
        order = np.argsort(means, kind="stable")
        best = float(means[order[0]])
        return Surrogate(posterior, best if math.isfinite(best) else None, history.points[order[:CENTRES]], limits)

    def _hypers(self, history: History, view: View) -> list[Hyper]:
        """Hyperparameters of all objectives, then of all constraints."""
        if not view.fitted:
            return [Hyper.of(prior(self._width)[0])] * (history.losses.shape[1] + history.violations.shape[1])
        history = history.head(fit_count(len(history)))
        key = history.key()
        if view.unit not in self._fits or self._fits[view.unit][0] != key:
            self._fits[view.unit] = key, [self._fit(history, column) for column in targets(history, view.unit).T]
        return self._fits[view.unit][1]

    def _fit(self, history: History, column: Array) -> Hyper:
        rows = np.flatnonzero(np.isfinite(column))
        if len(rows) < 2:
            return Hyper.of(prior(self._width)[0])
        rows = rows[active_rows(column[rows], min(MOST_FITTED, math.isqrt(MOST_FIT_WORK // self._width)))]
        return fit(history.points[rows], column[rows], noise_variance(history.rows(rows)), self._categorical)

    def _posterior(self, hyper: Hyper, history: History, y: Array) -> Posterior:
        return Posterior(hyper, self._categorical, history.points, y, noise_variance(history))

    def _imputed(self, hyper: Hyper, history: History, y: Array) -> Array:
        """Partial losses as what finished ones let expect beyond them (right-censored data, Hutter et al. 2011)."""
        some, whole = np.flatnonzero(history.partial), np.flatnonzero(~history.partial)
        if not some.size or not whole.size:
            return y
        mean, deviation = self._posterior(hyper, history.rows(whole), y[whole]).predict(history.points[some])
        beyond = math.sqrt(2 / math.pi) / erfcx((y[some] - mean) / (deviation * math.sqrt(2)))
        y = y.copy()
        y[some] = np.maximum(y[some], mean + deviation * beyond)
        return y


def noise_variance(history: History) -> Array:
    """Variance (n,) of the noise that is known beforehand."""
    distrust = EARLIER_NOISE * (1 + np.count_nonzero(~history.earlier) / EARLIER_DOUBLING)
    return np.asarray(PARTIAL_NOISE * history.partial + distrust * history.earlier)


def targets(history: History, unit: float) -> Array:
    """Warped losses, then squashed violations, one column each."""
    losses = [to_values(column, unit) for column in history.losses.T]
    return np.column_stack(losses + [squash(column) for column in history.violations.T])


def scalarise(hypers: list[Hyper], losses: Array, weights: Array) -> tuple[Hyper, Array]:
    """One loss (n,) of several (n, m) by an augmented Chebyshev norm (ParEGO, Knowles 2006); fits are averaged."""
    if len(hypers) == 1:
        return hypers[0], losses[:, 0]
    low, high = losses.min(axis=0), losses.max(axis=0)
    scaled = weights * (losses - low) / np.where(high > low, high - low, 1.0)
    theta = np.sum([weight * hyper.theta for weight, hyper in zip(weights, hypers, strict=True)], axis=0)
    return Hyper.of(theta), to_values(scaled.max(axis=1) + AUGMENT * scaled.sum(axis=1))


def fit_count(count: int) -> int:
    """How many results the hyperparameters are fitted to where there are `count`: all at first, then in steps."""
    step = max(1, count // FIT_SHARE) if count > FIT_EACH_UNTIL else 1
    return count // step * step


def active_rows(y: Array, limit: int) -> NDArray[np.intp]:
    """The rows that a model is made of: all, or the best half of the limit and the latest."""
    if len(y) <= limit:
        return np.arange(len(y))
    best = np.argsort(y, kind="stable")[: limit // 2]
    rest = np.setdiff1d(np.arange(len(y)), best)[len(best) - limit :]
    return np.sort(np.concatenate([best, rest]))
