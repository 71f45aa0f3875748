"""The shell around an optimizer, which makes a search of it."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from algorithms.search.outcome import Outcome
from algorithms.search.shell.novelty import Novelty
from algorithms.search.shell.penalties import Penalties
from algorithms.space.encoding import Cube
from events.spec.space import Assignment

ATTEMPTS = 10
"""How often the optimizer is asked for a point that is new and allowed, before a random one is
taken.

Measured with Nevergrad on three constrained problems (4 and 5 dimensions; 60, 150 and 200 trials, 1
to 10 in parallel; median of 11 seeds): 30 or 100 attempts find no better points than 10. Telling
forbidden points as failures instead is worse on the ordinal problem at 60 trials (0.29 against
0.09, random 0.24), better at 200 with 10 in parallel (0.02 against 0.05). Nevergrad's own
`register_cheap_constraint` finds as good points as dropping, takes 50 times as long, and gives up
with a warning after 500 points."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point that may be suggested, and the optimizer's own handle of it."""

    assignment: Assignment
    handle: Any


class Optimizer(Protocol):
    """Suggests without bookkeeping: it may repeat a point, and is told each candidate at most
    once.
    """

    stateless: bool
    """Is a suggestion a function of its number, the results and what runs? Then a replay need not
    ask for it."""
    takes_failures: bool
    """Does it take outcomes as they are? Else failures and missed constraints become finite
    losses."""

    def ask(self, number: int) -> Candidate:
        """A candidate for suggestion `number`, from 1."""
        ...

    def foreign(self, assignment: Assignment) -> Candidate | None:
        """A candidate for a point that it did not suggest; None if that is not of this space."""
        ...

    def drop(self, candidate: Candidate) -> None:
        """Forget `candidate`, which will never be told: it was not suggested, or its trial is over
        without a result.
        """
        ...

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Learn the outcome of `candidate`; it has losses, unless `takes_failures`."""
        ...


class LearningSearch:
    """The port Search around an optimizer: no point twice, results by the number of the trial.

    Its state, beside the optimizer's own, is the set of suggested points and the trials without an
    outcome.
    """

    def __init__(self, cube: Cube, seed: int, optimizer: Optimizer) -> None:
        self._novelty = Novelty(cube, seed)
        self._optimizer = optimizer
        self._pending: dict[int, Candidate] = {}
        self._count = 0
        self._penalties: Penalties[Candidate] = Penalties()

    def ask(self, count: int) -> list[Assignment]:
        suggestions: list[Assignment] = []
        while len(suggestions) < count and (candidate := self._candidate()) is not None:
            self._note(candidate)
            suggestions.append(candidate.assignment)
        return suggestions

    def tell(self, trial: int, outcome: Outcome) -> None:
        candidate = self._pending.pop(trial, None)
        if candidate is not None and outcome.withdrawn:
            self._optimizer.drop(candidate)
        elif candidate is not None:
            self._learn(candidate, outcome)

    def resume(self, assignment: Assignment) -> bool:
        if not self._turn().stateless:
            return self.ask(1) == [assignment]
        self.adopt(assignment)
        return True

    def adopt(self, assignment: Assignment) -> None:
        self._novelty.claim(assignment)
        self._note(self._optimizer.foreign(assignment))

    def learn(self, assignment: Assignment, outcome: Outcome) -> None:
        candidate = self._optimizer.foreign(assignment)
        if candidate is not None:
            self._learn(candidate, replace(outcome, earlier=True))

    @property
    def exhausted(self) -> bool:
        return self._novelty.exhausted

    def _candidate(self) -> Candidate | None:
        """The optimizer's next point that is new, else a random one; None if the space is used
        up.
        """
        if self.exhausted:
            return None
        optimizer = self._turn()
        for _ in range(ATTEMPTS):
            candidate = optimizer.ask(self._count + 1)
            if self._novelty.claim(candidate.assignment):
                return candidate
            optimizer.drop(candidate)
        fresh = self._novelty.random(self._count)
        return None if fresh is None else optimizer.foreign(fresh)

    def _turn(self) -> Optimizer:
        """The optimizer that makes the next suggestion."""
        return self._optimizer

    def _note(self, candidate: Candidate | None) -> None:
        self._count += 1
        if candidate is not None:
            self._pending[self._count] = candidate

    def _learn(self, candidate: Candidate, outcome: Outcome) -> None:
        if self._optimizer.takes_failures:
            self._optimizer.tell(candidate, outcome)
            return
        for known, losses in self._penalties.ready(candidate, outcome):
            self._optimizer.tell(known, Outcome(losses, partial=outcome.partial))
