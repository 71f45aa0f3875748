"""What is known of a search so far, and how its losses become values that a Gaussian process can believe."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from scipy.special import ndtri

from algorithms.search.gp.geometry import Array, Mask
from algorithms.search.gp.tuning import K

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
    if K.warp != "half":
        return other(losses)
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


def standard(y: Array) -> Array:
    d = y.std()
    return (y - y.mean()) / d if d > 1e-12 * max(1e-300, np.abs(y).max()) else np.zeros(len(y))


def other(losses: Array) -> Array:
    y = losses / 4
    y = y - y.min()
    if y.max() <= 0:
        return np.zeros(len(y))
    if K.warp.startswith("log"):
        q = np.quantile(y, int(K.warp[3:]) / 100)
        if q <= 0:
            q = y.max()
        return standard(np.log1p(y / max(q, 1e-300 * y.max())))
    if K.warp == "win":
        q1, q2 = np.quantile(y, [0.25, 0.5])
        top = q2 + 3 * (q2 - y.min())
        return standard(np.minimum(y, top) / y.max()) if top > 0 else standard(y / y.max())
    if K.warp == "yj":
        z = standard(np.minimum(y / y.max(), 1e300))
        best = None
        for lam in np.linspace(-2, 2, 17):
            pos = z >= 0
            t = np.empty_like(z)
            t[pos] = np.log1p(z[pos]) if abs(lam) < 1e-9 else ((z[pos] + 1) ** lam - 1) / lam
            t[~pos] = -np.log1p(-z[~pos]) if abs(lam - 2) < 1e-9 else -((1 - z[~pos]) ** (2 - lam) - 1) / (2 - lam)
            ll = -0.5 * len(z) * np.log(t.var() + 1e-300) + (lam - 1) * np.sum(np.sign(z) * np.log1p(np.abs(z)))
            if best is None or ll > best[0]:
                best = ll, t
        return standard(best[1])
    return standard(y / y.max())


def values(losses: Array) -> Array:
    """Warped losses (n,), with failures, NaN, as worse than the worst."""
    known = np.isfinite(losses)
    if not known.any():
        return np.zeros(len(losses))
    warped = np.empty(len(losses))
    warped[known] = good = warp(losses[known])
    warped[~known] = good.max() + WORSE * (good.max() - good.min())
    return warped
