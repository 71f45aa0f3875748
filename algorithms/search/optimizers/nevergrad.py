"""Nevergrad's optimizers; the only module that imports nevergrad."""

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
from algorithms.search.shell.learning import Candidate, LearningSearch
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.space import Assignment

_states_before_import = random.getstate(), np.random.get_state()
import nevergrad as ng  # noqa: E402 - the import draws from both global random states, which are restored below

random.setstate(_states_before_import[0])
np.random.set_state(_states_before_import[1])


class NevergradOptimizer:
    """One of Nevergrad's optimizers over a flat array in [0, 1]^d (Rapin and Teytaud 2018); handles
    are its candidates.

    Nevergrad prunes its memory at about 1,000 points. All randomness comes from `seed`; the global
    random states of numpy and Python are restored after each call.
    """

    stateless = False
    takes_failures = False

    def __init__(self, cube: Cube, seed: int, pick: Pick, budget: int, parallel: int) -> None:
        self._cube, self._seed, self._pick = cube, seed, pick
        self._budget, self._workers = budget, max(2, parallel)
        self._begin = np.full(cube.width, MIDDLE)
        self._starts = 0
        self._tells = 0
        self._best: tuple[float, Any] | None = None
        self._random_states = (
            GlobalRandomStates(seed).swapped_in
            if pick.optimizer is NevergradName.NGOPT
            else nullcontext
        )
        with self._random_states():
            self._optimizer = self._start()

    def begin_at(self, point: Sequence[float], loss: float | None = None) -> None:
        """Begin at `point` (d,) instead of in the middle; with its `loss`, as if it were the first
        result.

        To be called before the first suggestion.
        """
        self._begin = np.clip(np.asarray(point, dtype=float), 0, 1)
        self._starts = 0
        with np.errstate(all="ignore"), self._random_states():
            self._optimizer = self._start()
            if loss is not None:
                self._pass_start(loss, self._begin)

    def ask(self, number: int) -> Candidate:
        with np.errstate(all="ignore"), self._random_states():
            candidate = self._optimizer.ask()
        return Candidate(self._cube.decode(candidate.value), candidate)

    def foreign(self, assignment: Assignment) -> Candidate | None:
        point = self._cube.encode(assignment)
        return None if point is None else Candidate(assignment, self._spawn(point))

    def drop(self, candidate: Candidate) -> None:
        self._optimizer._asked.discard(
            candidate.handle.uid
        )  # it will never be told, and the set would only grow

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        loss, *others = outcome.losses
        if self._best is None or loss < self._best[0]:
            self._best = loss, candidate.handle
        self._tells += 1
        with np.errstate(all="ignore"), self._random_states():
            self._optimizer.tell(candidate.handle, [loss, *others] if others else loss)
            if self._pick.restart_every and self._tells % self._pick.restart_every == 0:
                self._restart(*self._best)

    def _restart(self, loss: float, best: Any) -> None:
        """Begin anew at the best point, with the first step size. Trials that run are told to the
        new optimizer.
        """
        self._optimizer = self._start()
        self._pass_start(loss, best.value)

    def _pass_start(self, loss: float, point: Any) -> None:
        self._best = loss, self._spawn(point)
        self._optimizer.ask()  # its first suggestion is where it begins
        self._optimizer.tell(self._best[1], loss)

    def _start(self) -> Any:
        """A new optimizer, whose random numbers depend on the seed and on how many were made before
        it.
        """
        # pycma warns of a missing matplotlib, results out of order and long steps, none of which a
        # user can change
        for category in (UserWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=r"(cma|nevergrad)(\.|$)")
        array = ng.p.Array(init=self._begin).set_mutation(sigma=1 / 6)
        global_state = np.random.get_state()
        array.set_bounds(
            0, 1, full_range_sampling=True
        )  # it draws a seed from the global state, which is restored
        np.random.set_state(global_state)
        array.random_state = np.random.RandomState(np.random.MT19937([self._seed, self._starts]))
        self._starts += 1
        factory = ng.optimizers.registry[self._pick.optimizer.value]
        optimizer = factory(array, budget=self._budget, num_workers=self._workers)
        if self._pick.optimizer in OF_SEVERAL:
            tell_not_asked = optimizer._internal_tell_not_asked
            optimizer._internal_tell_not_asked = partial(_tell_foreign, optimizer, tell_not_asked)
        return optimizer

    def _spawn(self, point: Any) -> Any:
        return self._optimizer.parametrization.spawn_child(
            new_value=np.clip(np.asarray(point, dtype=float), 0, 1)
        )


class NevergradSearch(LearningSearch):
    """A search that uses earlier results by beginning at the best of them, which is tried first.

    Told all of them, OnePlusOne would shrink its steps with each, and stay for ever at an earlier
    loss that cannot be reached any more. Measured in docs/experiment.md.
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


def _tell_foreign(
    optimizer: Any, tell_not_asked: Callable[[Any, float], None], candidate: Any, loss: float
) -> None:
    """Tell differential evolution a point that it did not suggest, in a way that a replay repeats.

    With several losses, Nevergrad picks the member that makes room by a set of random names, so
    that each replay would differ. Here the oldest member that is not on the front makes room.
    """
    if optimizer.num_objectives > 1 and len(optimizer.population) >= optimizer.llambda:
        front = {one.uid for one in optimizer.pareto_front()}
        weak = [lineage for lineage, one in optimizer.population.items() if one.uid not in front]
        if candidate.uid not in front or not weak:
            return
        del optimizer.population[weak[0]]
        optimizer._uid_queue.discard(weak[0])
    tell_not_asked(candidate, loss)


class GlobalRandomStates:
    """The values of the global random states of Python and numpy that belong to one search: NGOpt
    draws from them.
    """

    _lock = threading.Lock()

    def __init__(self, seed: int) -> None:
        self._own = (
            random.Random(seed).getstate(),
            np.random.RandomState(np.random.MT19937(seed)).get_state(),
        )

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Within the context the global states are those of this search; afterwards they are as
        before.
        """
        with self._lock:
            others = _swap(self._own)
            try:
                yield
            finally:
                self._own = _swap(others)


def _swap(states: tuple[Any, Any]) -> tuple[Any, Any]:
    before = random.getstate(), np.random.get_state()
    random.setstate(states[0])
    np.random.set_state(states[1])
    return before
