"""The Gaussian process behind the port: ask, tell and adopt."""

from __future__ import annotations

import math

import numpy as np

from algorithms.encoding import Cube
from algorithms.search.gp.geometry import Array, Geometry
from algorithms.search.gp.history import History
from algorithms.search.gp.proposal import Proposer
from algorithms.search.novelty import Novelty
from events.space import Assignment


class GaussianProcessSearch:
    """Suggestion i is a function of seed, i, the results in their order, and the points that run."""

    def __init__(self, cube: Cube, seed: int) -> None:
        self._cube = cube
        self._novelty = Novelty(cube, seed)
        self._proposer = Proposer(Geometry.of(cube), seed)
        self._count = 0
        self._pending: dict[int, list[float]] = {}
        self._told: list[tuple[list[float], float]] = []

    def ask(self, count: int) -> list[Assignment]:
        suggestions: list[Assignment] = []
        while len(suggestions) < count and not self.exhausted:
            point = self._proposer.propose(self._history(), self._array(list(self._pending.values())), self._count)
            assignment = self._cube.decode(point.tolist())
            if not self._novelty.claim(assignment):
                fresh = self._novelty.random(self._count)
                if fresh is None:
                    break
                assignment = fresh
            self._note(assignment)
            suggestions.append(assignment)
        return suggestions

    def tell(self, trial: int, loss: float | None) -> None:
        point = self._pending.pop(trial, None)
        if point is not None:
            self._told.append((point, math.nan if loss is None else loss))

    def adopt(self, assignment: Assignment) -> None:
        self._novelty.claim(assignment)
        self._note(assignment)

    @property
    def exhausted(self) -> bool:
        return self._novelty.exhausted

    def _note(self, assignment: Assignment) -> None:
        self._count += 1
        point = self._cube.encode(assignment)
        if point is not None:
            self._pending[self._count] = point

    def _history(self) -> History:
        losses = np.array([[loss] for _, loss in self._told]).reshape(-1, 1)
        return History(
            self._array([point for point, _ in self._told]),
            losses,
            np.zeros(len(losses), dtype=bool),
            np.zeros((len(losses), 0)),
        )

    def _array(self, points: list[list[float]]) -> Array:
        return np.array(points, dtype=float).reshape(len(points), self._cube.width)
