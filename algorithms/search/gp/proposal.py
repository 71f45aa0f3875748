"""From the results so far to the next points: a pure function, whose costly parts are kept for the next call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import qmc

from algorithms.search.gp.acquisition import Acquisition
from algorithms.search.gp.belief import Beliefs
from algorithms.search.gp.geometry import Array, Geometry
from algorithms.search.gp.history import History
from algorithms.search.gp.hunt import Allowed, Hunt

START = 8
"""Points of the starting design."""
SPARE = 256
"""Random points that stand in where the one wanted is not allowed, or not new."""
MANY = 16
"""From so many points that run on, the next is sought in haste."""


class Proposer:
    """Suggestion `index` is a function of seed, index, history and pending points; what is kept is a cache."""

    def __init__(self, geometry: Geometry, seed: int, allowed: Allowed | None = None) -> None:
        self._geometry, self._seed, self._allowed = geometry, seed % 2**64, allowed
        self._width = len(geometry.sides)
        self.beliefs = Beliefs(geometry.categorical)

    def propose(self, history: History, pending: Array, index: int) -> Array:
        """The point (d,) of suggestion number `index`, from 0, where the points `pending` (p, d) run."""
        rng = np.random.default_rng([self._seed, index])
        history, pending = replace(history, points=self._geometry.snap(history.points)), self._geometry.snap(pending)
        if index >= START and np.count_nonzero(history.known) >= 2:
            try:
                with np.errstate(all="ignore"):
                    return self._fresh(self._promising(history, pending, rng), history, pending)
            except (np.linalg.LinAlgError, ValueError):
                pass  # the design goes on: a point is always found
        points = np.vstack([self._design(index), rng.random((SPARE, self._width))])
        return self._fresh(self._geometry.snap(points), history, pending)

    def batch(self, history: History, pending: Array, index: int, count: int) -> Array:
        """Suggestions `index` to `index` + `count` - 1, (count, d), each with those before it pending."""
        first = len(pending)
        for offset in range(count):
            pending = np.vstack([pending, self.propose(history, pending, index + offset)])
        return pending[first:]

    def _design(self, index: int) -> Array:
        """Point (1, d) of Sobol's sequence with Owen's scrambling (Owen 1998)."""
        sobol = qmc.Sobol(self._width, scramble=True, rng=self._seed)
        if index:  # scipy cannot skip nothing
            sobol.fast_forward(index)
        return np.asarray(sobol.random(1))

    def _promising(self, history: History, pending: Array, rng: np.random.Generator) -> Array:
        """Points, most promising first, with new random weights of the objectives where there are several."""
        objectives = history.losses.shape[1]
        belief = self.beliefs.of(history, rng.dirichlet(np.ones(objectives)) if objectives > 1 else np.ones(1))
        posterior = belief.posterior.given(pending)
        acquisition = Acquisition(posterior, belief.best, belief.constraints)
        hasty = len(pending) >= MANY
        points, scores = Hunt(self._geometry, acquisition, rng, hasty, self._allowed).run(belief.centres)
        return points if scores[0] == -np.inf else points[scores > -np.inf]

    def _fresh(self, points: Array, history: History, pending: Array) -> Array:
        """The first of `points` that is allowed and new, else one that is allowed, else any."""
        if self._allowed is not None and (fine := self._allowed(points)).any():
            points = points[fine]
        seen = {point.tobytes() for point in np.vstack([history.points, pending])}
        return np.asarray(next((point for point in points if point.tobytes() not in seen), points[0]))
