"""CMA-ES over the unit cube, with restarts; the only module that imports cmaes."""

import math
from typing import Any

import cmaes
import numpy as np

from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate
from algorithms.search.shell.novelty import seed_from, uniform
from algorithms.space.encoding import Cube
from events.spec.space import Assignment

GROWTH = 2
"""The factor by which each restart with a larger population grows it, as in Katib."""
WARM = 10
"""Earlier results from which on the first distribution is estimated from them."""
LEAST_SIGMA = 1e-3


class CmaEsOptimizer:
    """One evolution strategy after the other (Hansen 2016); handles are points (d,) of the cube and
    their generation.

    A generation ends when it has as many results as its population is large: results of its own
    suggestions, in the order in which they are told, and known results of points that it suggested
    again. Results of other generations and of points of another origin are left out, as in Optuna.
    `restarts` is `none`, `ipop` (Auger and Hansen 2005) or `bipop` (Hansen 2009); `sigma` is the
    first step size as a share of each side.
    """

    stateless = False
    takes_failures = False

    def __init__(self, cube: Cube, seed: int, parallel: int, sigma: float, restarts: str) -> None:
        self._cube, self._seed, self._sigma, self._restarts = cube, seed, sigma, restarts
        self._least = max(4 + math.floor(3 * math.log(cube.width)), parallel)
        """The smallest population. If fewer than run at a time, most results would be too late for
        their generation."""
        self._known: dict[int | None, float] = {}
        self._warm: list[tuple[Any, float]] = []
        self._population: list[tuple[Any, float]] = []
        self._generation = 0
        self._spent = {"large": 0, "small": 0}
        """Results that strategies with large and with small populations have used, for bipop."""
        self._regime = "large"
        self._doublings = 0
        self._strategy: Any = None
        self._converged = False

    def ask(self, number: int) -> Candidate:
        if self._strategy is None:
            self._strategy = self._first()
        point = self._strategy.ask()
        return Candidate(self._cube.decode(point), (point, self._generation))

    def foreign(self, assignment: Assignment) -> Candidate | None:
        point = self._cube.encode(assignment)
        return None if point is None else Candidate(assignment, (np.asarray(point), None))

    def drop(self, candidate: Candidate) -> None:
        loss = self._known.get(self._cube.key(candidate.assignment))
        if loss is not None:
            self._add(candidate, loss)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        (loss,) = outcome.losses
        self._known[self._cube.key(candidate.assignment)] = loss
        if self._strategy is None:
            self._warm.append((candidate.handle[0], loss))
        self._add(candidate, loss)

    def _add(self, candidate: Candidate, loss: float) -> None:
        point, generation = candidate.handle
        if generation != self._generation:
            return
        self._population.append((point, loss))
        if len(self._population) == self._strategy.population_size:
            self._evolve()

    def _evolve(self) -> None:
        """Close the generation; without restarts, a strategy that has converged is not changed any
        more.
        """
        self._spent[self._regime] += len(self._population)
        with np.errstate(all="ignore"):
            if not self._converged:
                self._strategy.tell(self._population)
            self._converged = self._converged or self._strategy.should_stop()
        self._population = []
        self._generation += 1
        if self._converged and self._restarts != "none":
            self._converged = False
            self._restart()

    def _first(self) -> Any:
        """The first strategy: from the middle, or from earlier results (Nomura et al. 2021)."""
        if len(self._warm) < WARM:
            return self._start(np.full(self._cube.width, 0.5), self._sigma, self._least)
        mean, sigma, covariance = cmaes.get_warm_start_mgd(self._warm)
        sigma = min(max(sigma, LEAST_SIGMA), self._sigma)
        return self._start(np.clip(mean, 0, 1), sigma, self._least, covariance)

    def _restart(self) -> None:
        """Restart from a random point with twice the population; bipop: with a small one while
        those have cost less.
        """
        draws = uniform(f"{self._seed}/cmaes/restart/{self._generation}", self._cube.width + 2)
        self._regime = (
            "small"
            if self._restarts == "bipop" and self._spent["small"] < self._spent["large"]
            else "large"
        )
        if self._doublings == 0:
            self._regime = "large"
        if self._regime == "large":
            self._doublings += 1
            size, sigma = self._least * GROWTH**self._doublings, self._sigma
        else:
            size = math.floor(self._least * (GROWTH**self._doublings / 2) ** (draws[-1] ** 2))
            sigma = self._sigma * 10 ** (-2 * draws[-2])
        self._strategy = self._start(np.asarray(draws[: self._cube.width]), sigma, size)

    def _start(self, mean: Any, sigma: float, size: int, covariance: Any = None) -> Any:
        seed = seed_from(f"{self._seed}/cmaes/{self._generation}", 2**32)
        bounds = np.tile([0.0, 1.0], (self._cube.width, 1))
        return cmaes.CMA(
            mean=mean, sigma=sigma, cov=covariance, bounds=bounds, population_size=size, seed=seed
        )
