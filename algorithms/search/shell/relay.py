"""Two optimizers one after the other: the second begins at the best point of the first."""

from collections.abc import Callable

from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate, LearningSearch, Optimizer
from algorithms.space.encoding import Cube
from events.spec.space import Assignment

Best = tuple[Assignment, float]


Successor = Callable[[Best | None], Optimizer]
"""Makes the second optimizer, given the best feasible point so far and its loss, if any."""


class Relay(LearningSearch):
    """A search of one objective whose first `last` suggestions come from `first`, and all others
    from its successor.

    Trials that run at the change are told to the successor as points that it did not suggest.
    """

    def __init__(
        self, cube: Cube, seed: int, first: Optimizer, last: int, successor: Successor
    ) -> None:
        super().__init__(cube, seed, first)
        self._last = last
        self._successor: Successor | None = successor
        self._best: Best | None = None

    def _turn(self) -> Optimizer:
        if self._count >= self._last and self._successor is not None:
            self._optimizer, self._successor = self._successor(self._best), None
            running = {
                trial: self._optimizer.foreign(one.assignment)
                for trial, one in self._pending.items()
            }
            self._pending = {trial: one for trial, one in running.items() if one is not None}
        return self._optimizer

    def _learn(self, candidate: Candidate, outcome: Outcome) -> None:
        super()._learn(candidate, outcome)
        if (
            outcome.losses
            and outcome.feasible
            and (self._best is None or outcome.losses[0] < self._best[1])
        ):
            self._best = candidate.assignment, outcome.losses[0]
