"""The Gaussian process as an optimizer of the shell."""

from __future__ import annotations

import numpy as np

from algorithms.search.optimizers.gp.geometry import Array, Geometry, Mask
from algorithms.search.optimizers.gp.history import History
from algorithms.search.optimizers.gp.proposal import Proposer
from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate
from algorithms.space.encoding import Cube
from events.spec.space import Assignment


class GaussianProcess:
    """Bayesian optimisation (Jones et al. 1998); handles are points (d,) of the cube. See
    docs/algorithms.md.

    A suggestion is a function of its number, the results and the running points; all else that is
    kept is a cache. `start` is the number of initial points.
    """

    stateless = True
    takes_failures = True

    def __init__(
        self, cube: Cube, seed: int, start: int, objectives: int = 1, constraints: int = 0
    ) -> None:
        self._cube = cube
        self._proposer = Proposer(
            Geometry.of(cube), seed, start, self._allowed if cube.constraints else None
        )
        self._results = Results(cube.width, objectives, constraints)
        self._running: list[Array] = []
        self._dropped: tuple[int, list[Array]] = 0, []
        """The number of the latest suggestion, and its candidates that were dropped."""

    def ask(self, number: int) -> Candidate:
        if self._dropped[0] != number:
            self._dropped = number, []
        pending = [*self._running, *self._dropped[1]]
        points = np.array(pending).reshape(len(pending), self._cube.width)
        proposed = self._proposer.propose(self._results.history(), points, number - 1)
        assignment = self._cube.decode(proposed.tolist())
        encoded = self._cube.encode(assignment)
        return self._note(assignment, proposed if encoded is None else np.array(encoded))

    def foreign(self, assignment: Assignment) -> Candidate | None:
        point = self._cube.encode(assignment)
        return None if point is None else self._note(assignment, np.array(point))

    def drop(self, candidate: Candidate) -> None:
        self._forget(candidate.handle)
        self._dropped[1].append(candidate.handle)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._forget(candidate.handle)
        self._results.add(candidate.handle, outcome)

    def _note(self, assignment: Assignment, point: Array) -> Candidate:
        self._running.append(point)
        return Candidate(assignment, point)

    def _forget(self, point: Array) -> None:
        self._running = [one for one in self._running if one is not point]

    def _allowed(self, points: Array) -> Mask:
        return np.array(
            [self._cube.allows(self._cube.decode(point)) for point in points.tolist()], dtype=bool
        )


class Results:
    """Outcomes in the order in which they were told, in an array that grows by doubling."""

    def __init__(self, width: int, objectives: int, constraints: int) -> None:
        self._widths = width, objectives, constraints
        self._rows = np.empty((64, width + objectives + constraints + 2))
        self._count = 0

    def add(self, point: Array, outcome: Outcome) -> None:
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        _, objectives, constraints = self._widths
        losses = outcome.losses or (np.nan,) * objectives
        violations = outcome.violations or (np.nan,) * constraints
        self._rows[self._count] = [*point, *losses, *violations, outcome.partial, outcome.earlier]
        self._count += 1

    def history(self) -> History:
        rows, (width, objectives, _) = self._rows[: self._count], self._widths
        return History(
            points=rows[:, :width],
            losses=rows[:, width : width + objectives],
            violations=rows[:, width + objectives : -2],
            partial=rows[:, -2] > 0,
            earlier=rows[:, -1] > 0,
        )
