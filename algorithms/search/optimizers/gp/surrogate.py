"""The surrogate of a search: models fitted to its results, kept for the next suggestion."""

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
"""Noise variance of results that were stopped early, in units of the warped losses."""
EARLIER_NOISE, EARLIER_DOUBLING = 0.2, 8
"""Noise variance of results of another experiment; it grows by as much with each EARLIER_DOUBLING
results of this one, which are right where the two differ. Measured with the benchmark `transfer`:
with a constant variance (0.03 or 0.3), they keep a search for 100 trials away from an optimum that
has moved far."""
AUGMENT = 0.05
"""Weight of the sum of losses beside the largest one, when several become one (Knowles 2006)."""
CENTRES = 5
"""How many of the best results the maximiser starts near."""
MOST_KEPT, MOST_FITTED, MOST_FIT_WORK = 200, 128, 300_000
"""How many results a model and a fit have at most, and the largest product of sides and squared
results of a fit."""
FIT_EACH_UNTIL, FIT_SHARE = 20, 10
"""Hyperparameters are fitted anew at each result up to so many, then each time that there are a
tenth more."""


@dataclass(frozen=True, slots=True)
class View:
    """How results are transformed and the model is fitted, for one suggestion."""

    unit: float
    """The quantile of the losses' excess that is the unit of their warp; a large one shrinks
    distances near the best."""
    fitted: bool = True
    """Are hyperparameters fitted? Else they are the mean of the prior."""


@dataclass(frozen=True)
class Surrogate:
    """The posterior of the loss, the least mean at a feasible result, if any, the best points (k,
    d), and constraints.
    """

    posterior: Posterior
    best: float | None
    centres: Array
    constraints: tuple[Constraint, ...]


class Surrogates:
    """Makes surrogates; the latest of each view and the fits are kept, and change no result."""

    def __init__(self, categorical: Mask) -> None:
        self._categorical, self._width = categorical, len(categorical)
        self._fits: dict[float, tuple[bytes, list[Hyper]]] = {}
        self._seen: dict[View, tuple[tuple[bytes, bytes], Surrogate]] = {}

    def of(self, history: History, weights: Array, view: View) -> Surrogate:
        """The surrogate of `history`, which has two losses or more, with `weights` (m,) of the m
        objectives.

        Raises LinAlgError.
        """
        key = history.key(), weights.tobytes()
        if view not in self._seen or self._seen[view][0] != key:
            self._seen[view] = key, self._learn(history, weights, view)
        return self._seen[view][1]

    def _learn(self, history: History, weights: Array, view: View) -> Surrogate:
        objectives = len(weights)
        hypers = self._hypers(history, view)
        hyper, y = scalarise(
            hypers[:objectives], targets(history, view.unit)[:, :objectives], weights
        )
        rows = active_rows(y, MOST_KEPT)
        history, y = history.rows(rows), y[rows]
        posterior = self._posterior(hyper, history, self._imputed(hyper, history, y))
        limits = tuple(
            Constraint(self._posterior(limit, history.rows(told), column[told]), 0.0)
            for limit, column in zip(
                hypers[objectives:], map(squash, history.violations.T), strict=True
            )
            if (told := np.flatnonzero(np.isfinite(column))).size
        )
        feasible = history.feasible
        if (own := feasible & ~history.earlier).any():
            feasible = own
        means = np.where(feasible, posterior.mean(history.points), np.inf)
        order = np.argsort(means, kind="stable")
        best = float(means[order[0]])
        return Surrogate(
            posterior,
            best if math.isfinite(best) else None,
            history.points[order[:CENTRES]],
            limits,
        )

    def _hypers(self, history: History, view: View) -> list[Hyper]:
        """The hyperparameters of all objectives, then those of all constraints."""
        if not view.fitted:
            return [Hyper.of(prior(self._width)[0])] * (
                history.losses.shape[1] + history.violations.shape[1]
            )
        history = history.head(fit_count(len(history)))
        key = history.key()
        if view.unit not in self._fits or self._fits[view.unit][0] != key:
            self._fits[view.unit] = (
                key,
                [self._fit(history, column) for column in targets(history, view.unit).T],
            )
        return self._fits[view.unit][1]

    def _fit(self, history: History, column: Array) -> Hyper:
        rows = np.flatnonzero(np.isfinite(column))
        if len(rows) < 2:
            return Hyper.of(prior(self._width)[0])
        rows = rows[
            active_rows(column[rows], min(MOST_FITTED, math.isqrt(MOST_FIT_WORK // self._width)))
        ]
        return fit(
            history.points[rows],
            column[rows],
            noise_variance(history.rows(rows)),
            self._categorical,
        )

    def _posterior(self, hyper: Hyper, history: History, y: Array) -> Posterior:
        return Posterior(hyper, self._categorical, history.points, y, noise_variance(history))

    def _imputed(self, hyper: Hyper, history: History, y: Array) -> Array:
        """`y` (n,) with each partial loss replaced by its expectation, given that it is a lower
        bound.

        Right-censored data, Hutter et al. 2011; the expectation is by a model of the finished
        trials.
        """
        some, whole = np.flatnonzero(history.partial), np.flatnonzero(~history.partial)
        if not some.size or not whole.size:
            return y
        mean, deviation = self._posterior(hyper, history.rows(whole), y[whole]).predict(
            history.points[some]
        )
        beyond = math.sqrt(2 / math.pi) / erfcx((y[some] - mean) / (deviation * math.sqrt(2)))
        y = y.copy()
        y[some] = np.maximum(y[some], mean + deviation * beyond)
        return y


def noise_variance(history: History) -> Array:
    """The noise variance (n,) of each result that is known beforehand."""
    distrust = EARLIER_NOISE * (1 + np.count_nonzero(~history.earlier) / EARLIER_DOUBLING)
    return np.asarray(PARTIAL_NOISE * history.partial + distrust * history.earlier)


def targets(history: History, unit: float) -> Array:
    """Warped losses and then squashed violations, (n, m + c)."""
    losses = [to_values(column, unit) for column in history.losses.T]
    return np.column_stack(losses + [squash(column) for column in history.violations.T])


def scalarise(hypers: list[Hyper], losses: Array, weights: Array) -> tuple[Hyper, Array]:
    """One loss (n,) of several (n, m), and averaged hyperparameters, by an augmented Chebyshev norm
    (Knowles 2006).
    """
    if len(hypers) == 1:
        return hypers[0], losses[:, 0]
    low, high = losses.min(axis=0), losses.max(axis=0)
    scaled = weights * (losses - low) / np.where(high > low, high - low, 1.0)
    theta = np.sum(
        [weight * hyper.theta for weight, hyper in zip(weights, hypers, strict=True)], axis=0
    )
    return Hyper.of(theta), to_values(scaled.max(axis=1) + AUGMENT * scaled.sum(axis=1))


def fit_count(count: int) -> int:
    """To how many of `count` results the hyperparameters are fitted: to all at first, then in
    steps.
    """
    step = max(1, count // FIT_SHARE) if count > FIT_EACH_UNTIL else 1
    return count // step * step


def active_rows(y: Array, limit: int) -> NDArray[np.intp]:
    """Indices of the rows that a model is made of: all, or the best `limit` / 2 and the latest
    others.
    """
    if len(y) <= limit:
        return np.arange(len(y))
    best = np.argsort(y, kind="stable")[: limit // 2]
    rest = np.setdiff1d(np.arange(len(y)), best)[len(best) - limit :]
    return np.sort(np.concatenate([best, rest]))
