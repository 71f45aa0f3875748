"""The results of a search, and their transformation to values that suit a Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from algorithms.search.optimizers.gp.geometry import Array, Mask

HIGHEST = 5.0
"""The largest warped loss before scaling, of 150 times the unit; beyond it all losses are equally
bad."""
MEDIAN = 0.5
"""The quantile of the losses' excess that is the unit of their warp, unless another is given."""
WORSE = 0.25
"""A failure is worse than the worst by this share of the range of the warped losses."""


@dataclass(frozen=True)
class History:
    """Results in the order in which they were told.

    points (n, d) in the unit cube; losses (n, m), to be minimised, all NaN for a failure; partial
    (n,), true for a trial that was stopped early, whose final loss may be worse; violations (n, c),
    above 0 where an outcome constraint is missed, NaN where that is not known; earlier (n,), true
    for a result of another experiment.
    """

    points: Array
    losses: Array
    partial: Mask
    violations: Array
    earlier: Mask

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, chosen: NDArray[np.intp] | slice) -> History:
        return History(
            self.points[chosen], self.losses[chosen], self.partial[chosen], self.violations[chosen],
            self.earlier[chosen],
        )  # fmt: skip

    def head(self, count: int) -> History:
        return self.rows(slice(count))

    @property
    def known(self) -> Mask:
        """Mask (n,) of the results that have losses."""
        return np.asarray(np.isfinite(self.losses).all(axis=1))

    @property
    def feasible(self) -> Mask:
        """Mask (n,) of the results that have losses and keep all outcome constraints."""
        return np.asarray(self.known & (self.violations <= 0).all(axis=1))

    def key(self) -> bytes:
        parts = self.points, self.losses, self.partial, self.violations, self.earlier
        return blake2b(
            b"".join(np.ascontiguousarray(part).tobytes() for part in parts), digest_size=16
        ).digest()


def warp(losses: Array, unit: float = MEDIAN) -> Array:
    """Finite losses (n,) as log(1 + excess / scale), standardised; the scale is the quantile `unit`
    of the excess.

    The excess is that over the best loss. Distances near the best are kept and those far off
    shrink, so that no outlier hides what is near the best (a power transform as in HEBO,
    Cowen-Rivers et al. 2022).
    """
    excess = losses / 4 - losses.min() / 4  # a quarter cannot overflow
    if not excess.any():
        return np.zeros(len(losses))
    scale = np.log(np.quantile(excess[excess > 0], unit))
    with np.errstate(divide="ignore"):
        warped = np.minimum(np.logaddexp(np.log(excess), scale) - scale, HIGHEST)
    return np.asarray((warped - warped.mean()) / warped.std())


def to_values(losses: Array, unit: float = MEDIAN) -> Array:
    """Warped losses (n,); failures, which are NaN, become worse than the worst."""
    known = np.isfinite(losses)
    if not known.any():
        return np.zeros(len(losses))
    warped = np.empty(len(losses))
    warped[known] = good = warp(losses[known], unit)
    warped[~known] = good.max() + WORSE * (good.max() - good.min())
    return warped


def squash(violations: Array) -> Array:
    """Violations (n,) in units of their median size, large ones by their logarithm; 0 remains the
    limit.
    """
    told = np.isfinite(violations)
    sizes = np.abs(violations[told & (violations != 0)])
    squash = np.full(len(violations), np.nan)
    squash[told] = np.arcsinh(violations[told] / np.median(sizes)) if len(sizes) else 0.0
    return squash
