"""What is known of a search so far, and how its losses become values that a Gaussian process can believe."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from scipy.special import ndtri

from algorithms.search.gp.geometry import Array, Mask

WORSE = 0.25
"""A failure is worse than the worst by this share of the range of the warped losses."""


@dataclass(frozen=True)
class History:
    """Results in the order in which they were told.

    points (n, d); losses (n, m) to be minimised, all NaN for a failure; partial (n,): the loss is of a trial that was
    stopped early, which is at least about as bad; violations (n, c): above 0 where an outcome constraint is broken.
    """

    points: Array
    losses: Array
    partial: Mask
    violations: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def __len__(self) -> int:
        return len(self.points)

    def head(self, count: int) -> History:
        return History(self.points[:count], self.losses[:count], self.partial[:count], self.violations[:count])

    @property
    def known(self) -> Mask:
        """Which results have losses?"""
        return np.isfinite(self.losses).all(axis=1)

    def key(self) -> bytes:
        parts = (self.points, self.losses, self.partial, self.violations)
        return blake2b(b"".join(np.ascontiguousarray(part).tobytes() for part in parts), digest_size=16).digest()


def warp(losses: Array) -> Array:
    """Losses (n,), any finite ones, to mean 0 and deviation 1.

    The better half keeps its distances; the worse half is placed by rank, as normal quantiles of the better half's
    spread, so that no outlier hides what is near the best (half-rank warping, Song et al. 2024, appendix B).
    """
    y = losses / 4 - np.median(losses / 4)  # a quarter cannot overflow
    good = y <= 0
    ranks = np.searchsorted(np.sort(y), y)
    y = np.where(good, y, 0.0)
    if (spread := np.abs(y).max()) > 0:
        y = y / spread
        y = y / np.sqrt(np.mean(y[good] ** 2))
    y = np.where(good, y, ndtri((ranks + 0.5) / len(y)))
    deviation = y.std()
    return (y - y.mean()) / deviation if deviation > 0 else np.zeros(len(y))


def values(losses: Array) -> Array:
    """Warped losses (n,), with failures, NaN, as worse than the worst."""
    known = np.isfinite(losses)
    if not known.any():
        return np.zeros(len(losses))
    warped = np.empty(len(losses))
    warped[known] = good = warp(losses[known])
    warped[~known] = good.max() + WORSE * (good.max() - good.min())
    return warped
