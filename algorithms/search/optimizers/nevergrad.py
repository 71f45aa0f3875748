"""Nevergrad behind the port: the only module that imports it."""

import random
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from algorithms.search.optimizers.portfolio import OF_SEVERAL, NevergradName, Pick
from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate, Learning
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.space import Assignment

_before = random.getstate(), np.random.get_state()
import nevergrad as ng  # noqa: E402 - its import draws from both global random states, which are left as they were

random.setstate(_before[0])
np.random.set_state(_before[1])


class NevergradOptimizer:
    """Ask and tell over one flat array in [0, 1]^d (Rapin and Teytaud 2018); handles are Nevergrad's candidates.

    Its memory is pruned by Nevergrad at about 1,000 points. All randomness comes from `seed`; the global states of
    numpy and Python are left as they were.
    """

    stateless = False
    honest = False

    def __init__(self, cube: Cube, seed: int, pick: Pick, budget: int, parallel: int) -> None:
        self._cube, self._seed, self._pick = cube, seed, pick
        self._budget, self._workers = budget, max(2, parallel)
        self._begin = np.full(cube.width, MIDDLE)
        self._starts = 0
        self._tells = 0
        self._best: tuple[float, Any] | None = None
        self._lent = Globals(seed).lent if pick.optimizer is NevergradName.NGOPT else nullcontext
        with self._lent():
            self._optimizer = self._started()

    def begin_at(self, point: Sequence[float], loss: float | None = None) -> None:
        """Before the first suggestion: begin there instead of in the middle; if its loss is known, go on from there."""
        self._begin = np.clip(np.asarray(point, dtype=float), 0, 1)
        self._starts = 0
        with np.errstate(all="ignore"), self._lent():
            self._optimizer = self._started()
            if loss is not None:
                self._pass_start(loss, self._begin)

    def ask(self, number: int) -> Candidate:
        with np.errstate(all="ignore"), self._lent():
            candidate = self._optimizer.ask()
        return Candidate(self._cube.decode(candidate.value), candidate)

    def foreign(self, assignment: Assignment) -> Candidate | None:
        point = self._cube.encode(assignment)
        return None if point is None else Candidate(assignment, self._spawned(point))

    def drop(self, candidate: Candidate) -> None:
        self._optimizer._asked.discard(candidate.handle.uid)  # it will never be told; else the set would grow

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        loss, *others = outcome.losses
        if self._best is None or loss < self._best[0]:
            self._best = loss, candidate.handle
        self._tells += 1
        with np.errstate(all="ignore"), self._lent():
            self._optimizer.tell(candidate.handle, [loss, *others] if others else loss)
            if self._pick.restart_every and self._tells % self._pick.restart_every == 0:
                self._restart(*self._best)

    def _restart(self, loss: float, best: Any) -> None:
        """Begin anew at the best point, with the first step size; what still runs is learnt from when it is told."""
        self._optimizer = self._started()
        self._pass_start(loss, best.value)

    def _pass_start(self, loss: float, point: Any) -> None:
        self._best = loss, self._spawned(point)
        self._optimizer.ask()  # where it began, which is no news
        self._optimizer.tell(self._best[1], loss)

    def _started(self) -> Any:
        """A new optimizer; its random numbers follow from the seed and how many there were before it."""
        # pycma warns of missing matplotlib, of results out of order, of long steps: of nothing that a user could change
        for category in (UserWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=r"(cma|nevergrad)(\.|$)")
        array = ng.p.Array(init=self._begin).set_mutation(sigma=1 / 6)
        everybodys = np.random.get_state()
        array.set_bounds(0, 1, full_range_sampling=True)  # it draws a seed, which does not count
        np.random.set_state(everybodys)
        array.random_state = np.random.RandomState(np.random.MT19937([self._seed, self._starts]))
        self._starts += 1
        factory = ng.optimizers.registry[self._pick.optimizer.value]
        optimizer = factory(array, budget=self._budget, num_workers=self._workers)
        if self._pick.optimizer in OF_SEVERAL:
            alone = optimizer._internal_tell_not_asked
            optimizer._internal_tell_not_asked = partial(_tell_foreign, optimizer, alone)
        return optimizer

    def _spawned(self, point: Any) -> Any:
        return self._optimizer.parametrization.spawn_child(new_value=np.clip(np.asarray(point, dtype=float), 0, 1))


class NevergradSearch(Learning):
    """Learns earlier results by beginning at the best of them, which is tried first.

    To tell them to the optimizer instead makes OnePlusOne shrink its steps with each, and never leave an earlier value
    that cannot be reached any more. Measured in docs/experiment.md.
    """

    def __init__(self, cube: Cube, seed: int, optimizer: NevergradOptimizer) -> None:
        super().__init__(cube, seed, optimizer)
        self._cube, self._nevergrad = cube, optimizer
        self._known: float | None = None
        self._first: Assignment | None = None

    def learn(self, assignment: Assignment, outcome: Outcome) -> None:
        point = self._cube.encode(assignment)
        if point is None or outcome.failed or not outcome.feasible:
            return
        if self._known is None or outcome.losses[0] < self._known:
            self._known, self._first = outcome.losses[0], assignment
            self._nevergrad.begin_at(point)

    def _candidate(self) -> Candidate | None:
        first, self._first = self._first, None
        if first is not None and self._novelty.claim(first):
            return self._nevergrad.foreign(first)
        return super()._candidate()


def _tell_foreign(optimizer: Any, alone: Callable[[Any, float], None], candidate: Any, loss: float) -> None:
    """Let differential evolution take in a point of others. With several losses Nevergrad makes room for it by a set of
    random names, so no replay would be the same; here the oldest goes that is not on the front."""
    if optimizer.num_objectives > 1 and len(optimizer.population) >= optimizer.llambda:
        front = {one.uid for one in optimizer.pareto_front()}
        weak = [lineage for lineage, one in optimizer.population.items() if one.uid not in front]
        if candidate.uid not in front or not weak:
            return
        del optimizer.population[weak[0]]
        optimizer._uid_queue.discard(weak[0])
    alone(candidate, loss)


class Globals:
    """The global random states of Python and numpy, from which NGOpt draws, as one search has them."""

    alone = threading.Lock()

    def __init__(self, seed: int) -> None:
        self._own = random.Random(seed).getstate(), np.random.RandomState(np.random.MT19937(seed)).get_state()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Put the search's own states in the place of everybody's, for as long as it runs."""
        with self.alone:
            others = _swapped(self._own)
            try:
                yield
            finally:
                self._own = _swapped(others)


def _swapped(states: tuple[Any, Any]) -> tuple[Any, Any]:
    before = random.getstate(), np.random.get_state()
    random.setstate(states[0])
    np.random.set_state(states[1])
    return before
