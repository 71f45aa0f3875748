"""Hyperopt's algorithms as optimizers; the only module that imports hyperopt."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hyperopt import JOB_STATE_DONE, JOB_STATE_ERROR, STATUS_OK, Trials, anneal, hp, tpe
from hyperopt.base import Domain

from algorithms.search.optimizers.raw_space import Kind, RawSide, RawSpace
from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate
from algorithms.search.shell.novelty import seed_from
from algorithms.space.encoding import Cube
from events.spec.space import Assignment

Document = dict[str, Any]
Suggest = Callable[[list[int], Domain, Trials, int], Sequence[Document]]
"""A `suggest` function of Hyperopt: of the ids of the new trials, the space, the known trials and a
seed."""


class HyperoptOptimizer:
    """Suggestions by a pure function of the trials and a seed; handles are Hyperopt's documents.

    Running trials count as the worst, which is what Hyperopt makes of trials without a loss.
    """

    stateless = True
    takes_failures = False

    def __init__(self, cube: Cube, seed: int, suggest: Suggest) -> None:
        self._space, self._seed, self._suggest = RawSpace(cube), seed, suggest
        self._domain = Domain(
            lambda point: None, {side.name: _expression(side) for side in self._space}
        )
        self._trials = Trials()
        self._latest: Document | None = None
        """The latest candidate, which may still be dropped, and so is not among the trials yet."""
        self._asked = (0, 0)
        self._count = 0

    def ask(self, number: int) -> Candidate:
        self._settle()
        last, attempt = self._asked
        self._asked = number, attempt + 1 if number == last else 0
        seed = seed_from(f"{self._seed}/hyperopt/{number}/{self._asked[1]}", 2**31)
        (document,) = self._suggest([self._next_id()], self._domain, self._trials, seed)
        drawn = {side.name: document["misc"]["vals"][side.name][0] for side in self._space}
        assignment = self._space.assignment(drawn)
        self._note(document, assignment)
        return Candidate(assignment, document)

    def foreign(self, assignment: Assignment) -> Candidate | None:
        if self._space.raws(assignment) is None:
            return None
        self._settle()
        tid = self._next_id()
        misc = {"tid": tid, "cmd": self._domain.cmd, "workdir": self._domain.workdir}
        (document,) = self._trials.new_trial_docs(
            [tid], [None], [self._domain.new_result()], [misc]
        )
        self._note(document, assignment)
        return Candidate(assignment, document)

    def drop(self, candidate: Candidate) -> None:
        if self._latest is candidate.handle:
            self._latest = None
        else:
            candidate.handle["state"] = JOB_STATE_ERROR

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._settle()
        (loss,) = outcome.losses
        candidate.handle["state"] = JOB_STATE_DONE
        candidate.handle["result"] = {"status": STATUS_OK, "loss": loss}

    def _note(self, document: Document, assignment: Assignment) -> None:
        """Write into `document` the point as a journal would give it back, without absent
        parameters.
        """
        raws = self._space.raws(assignment) or {}
        document["misc"]["vals"] = {
            side.name: [raws[side.name]] if side.name in raws else [] for side in self._space
        }
        document["misc"]["idxs"] = {
            name: [document["tid"]] * len(v) for name, v in document["misc"]["vals"].items()
        }
        self._latest = document

    def _settle(self) -> None:
        if self._latest is not None:
            self._trials.insert_trial_doc(self._latest)
            self._latest = None
        self._trials.refresh()

    def _next_id(self) -> int:
        self._count += 1
        return self._count


def _expression(side: RawSide) -> Any:
    match side.kind:
        case Kind.UNIT:
            return hp.uniform(side.name, 0, 1)
        case Kind.ORDER:
            return hp.uniformint(side.name, 0, side.size - 1)
        case Kind.CHOICE:
            return hp.randint(side.name, side.size)


def parzen(startup: int, candidates: int, gamma: float, prior_weight: float) -> Suggest:
    """Tree-structured Parzen estimators (Bergstra et al. 2011)."""
    return partial(
        tpe.suggest,
        n_startup_jobs=startup,
        n_EI_candidates=candidates,
        gamma=gamma,
        prior_weight=prior_weight,
        verbose=False,
    )


ANNEAL: Suggest = anneal.suggest
"""Draws near good points, nearer with each result, in the manner of simulated annealing."""
