"""Nevergrad behind the port: the only module that imports it."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import nevergrad as ng
import numpy as np

from algorithms.encoding import Cube
from algorithms.search.novelty import Novelty
from algorithms.search.portfolio import Pick
from events.space import Assignment, Scalar

ATTEMPTS = 10
"""Times the optimizer is asked again for a point that is new."""
LARGEST = 1e18
"""Losses are cut off here: Nevergrad squares them, and warns from 5e20 on."""
MARGIN = 0.1
"""A failed trial counts as worse than the worst by this share of the losses' range."""


class NevergradSearch:
    """Ask and tell over one flat array in [0, 1]^d (Rapin and Teytaud 2018), without duplicates.

    State beyond the optimizer's own (pruned by Nevergrad at about 1,000 points) is the set of suggested points and the
    trials not yet told. All randomness comes from `seed`; the global states of numpy and Python are left alone.
    """

    def __init__(self, cube: Cube, seed: int, pick: Pick, budget: int, parallel: int) -> None:
        self._cube, self._seed, self._pick = cube, seed, pick
        self._budget, self._workers = budget, max(2, parallel)
        self._novelty = Novelty(cube, seed)
        self._pending: dict[int, Any] = {}
        self._count = 0
        self._losses = Losses()
        self._starts = 0
        self._tells = 0
        self._best: tuple[float, Any] | None = None
        self._optimizer = self._started()

    def ask(self, count: int) -> list[Assignment]:
        suggestions: list[Assignment] = []
        while len(suggestions) < count and (assignment := self._suggestion()) is not None:
            suggestions.append(assignment)
        return suggestions

    def tell(self, trial: int, loss: float | None) -> None:
        candidate = self._pending.pop(trial, None)
        if candidate is None:
            return
        for known, value in self._losses.ready(candidate, loss):
            self._learn(known, value)

    def adopt(self, assignment: Assignment) -> None:
        self._novelty.claim(assignment)
        self._count += 1
        point = self._cube.encode(assignment)
        if point is not None:
            self._pending[self._count] = self._foreign(point)

    @property
    def exhausted(self) -> bool:
        return self._novelty.exhausted

    def _suggestion(self) -> dict[str, Scalar] | None:
        """The optimizer's next new point, else a random one that it will be told of as not its own."""
        if self.exhausted:
            return None
        for _ in range(ATTEMPTS):
            with np.errstate(all="ignore"):
                candidate = self._optimizer.ask()
            assignment = self._cube.decode(candidate.value)
            if self._novelty.claim(assignment):
                return self._noted(assignment, candidate)
            self._optimizer._asked.discard(candidate.uid)  # it will never be told; else the set would grow
        fresh = self._novelty.random(self._count)
        point = None if fresh is None else self._cube.encode(fresh)
        return None if fresh is None or point is None else self._noted(fresh, self._foreign(point))

    def _noted(self, assignment: dict[str, Scalar], candidate: Any) -> dict[str, Scalar]:
        self._count += 1
        self._pending[self._count] = candidate
        return assignment

    def _learn(self, candidate: Any, loss: float) -> None:
        if self._best is None or loss < self._best[0]:
            self._best = loss, candidate
        with np.errstate(all="ignore"):
            self._optimizer.tell(candidate, loss)
        self._tells += 1
        if self._pick.restart_every and self._tells % self._pick.restart_every == 0:
            self._restart(*self._best)

    def _restart(self, loss: float, best: Any) -> None:
        """Begin anew at the best point, with the first step size; what still runs is learnt from when it is told."""
        self._optimizer = self._started()
        self._best = loss, self._foreign(best.value)
        self._optimizer.ask()  # the centre, which is no news
        self._optimizer.tell(self._best[1], loss)

    def _started(self) -> Any:
        """A new optimizer; its random numbers follow from the seed and how many there were before it."""
        # pycma warns of missing matplotlib, of results out of order, of long steps: of nothing that a user could change
        warnings.filterwarnings("ignore", category=UserWarning, module=r"(cma|nevergrad)(\.|$)")
        array = ng.p.Array(init=np.full(self._cube.width, 0.5)).set_mutation(sigma=1 / 6)
        array.set_bounds(0, 1, full_range_sampling=True)
        array.random_state = np.random.RandomState(np.random.MT19937([self._seed, self._starts]))
        self._starts += 1
        factory = ng.optimizers.registry[self._pick.optimizer.value]
        return factory(array, budget=self._budget, num_workers=self._workers)

    def _foreign(self, point: Any) -> Any:
        return self._optimizer.parametrization.spawn_child(new_value=np.clip(np.asarray(point, dtype=float), 0, 1))


@dataclass(slots=True)
class Losses:
    """Turns failures into finite losses: worse than the worst seen; held back until a loss was seen."""

    best: float | None = None
    worst: float = 0.0
    held: list[Any] = field(default_factory=list)

    def ready(self, candidate: Any, loss: float | None) -> list[tuple[Any, float]]:
        """What can be told now that `candidate` has `loss` (None: it failed), in the order of telling."""
        if loss is None and self.best is None:
            self.held.append(candidate)
            return []
        if loss is None:
            return [(candidate, self._penalty())]
        loss = min(max(loss, -LARGEST), LARGEST)
        self.worst = loss if self.best is None else max(self.worst, loss)
        self.best = loss if self.best is None else min(self.best, loss)
        failed, self.held = self.held, []
        return [(candidate, loss), *((one, self._penalty()) for one in failed)]

    def _penalty(self) -> float:
        assert self.best is not None
        spread = self.worst - self.best
        return self.worst + MARGIN * (spread or abs(self.worst) or 1.0)
