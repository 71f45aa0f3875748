"""Optuna's samplers as optimizers; the only module that imports optuna."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from algorithms.search.optimizers.raw_space import Kind, Raw, RawSide, RawSpace
from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate
from algorithms.search.shell.novelty import seed_from
from algorithms.search.shell.penalties import LARGEST_LOSS
from algorithms.space.encoding import Cube
from events.spec.space import Assignment

optuna.logging.set_verbosity(optuna.logging.ERROR)
MOST_GOOD = 25
"""Results that count as good at most where `gamma` is given, as in Hyperopt."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """How to make one of Optuna's samplers, and what it can do."""

    make: Callable[[int], BaseSampler]
    """Makes the sampler from a seed below 2**32."""
    stateless: bool
    """Does a suggestion depend on the trials alone? Then the sampler is made anew for each, with a
    seed of its own."""
    takes_failures: bool
    """Can it be told failures and missed constraints as they are?"""
    ranks_pruned: bool = False
    """Does it rank trials that were stopped early, or failed, behind all others?"""
    attempts: int = 10
    """How often it is asked for a new point before a random one is taken, as each call may take
    long."""


class OptunaOptimizer:
    """One study in memory; handles are its trials. Global random states are not changed.

    Optuna sees a parameter with a step, a list or categories as an index, and any other as a float
    in [0, 1] that the cube decodes, so that a uniform prior is exactly the distribution of the
    parameter.
    """

    def __init__(self, cube: Cube, seed: int, sampler: Sampler, objectives: int = 1) -> None:
        self.stateless, self.takes_failures = sampler.stateless, sampler.takes_failures
        self._space, self._seed, self._sampler = RawSpace(cube), seed, sampler
        self._distributions = {side.name: _distribution(side) for side in self._space}
        self._asked = (0, 0)
        self._rounding = Rounding(self._space, self._make_sampler())
        self._replaying = optuna.samplers.RandomSampler(seed=0)
        self._study = optuna.create_study(
            directions=["minimize"] * objectives, sampler=self._rounding
        )

    def ask(self, number: int) -> Candidate:
        last, attempt = self._asked
        self._asked = number, attempt + 1 if number == last else 0
        if self.stateless:
            spent = self._asked[1] >= self._sampler.attempts
            self._rounding.inner = (
                optuna.samplers.RandomSampler(self._next_seed()) if spent else self._make_sampler()
            )
        self._rounding.drawn = {}
        with np.errstate(all="ignore"):
            trial = self._study.ask(self._distributions)
        candidate = Candidate(self._space.assignment(trial.params | self._rounding.drawn), trial)
        if trial.params.keys() <= candidate.assignment.keys():
            return candidate
        existing = self.foreign(candidate.assignment)  # without the parameters that are absent
        if existing is None:
            return candidate  # the constraints forbid it
        self.drop(candidate)
        return existing

    def foreign(self, assignment: Assignment) -> Candidate | None:
        raws = self._space.raws(assignment)
        if raws is None:
            return None
        self._study.enqueue_trial(raws)
        self._study.sampler = (
            self._replaying
        )  # the values are given: the real sampler has nothing to do
        trial = self._study.ask({name: self._distributions[name] for name in raws})
        self._study.sampler = self._rounding
        if isinstance(
            self._rounding.inner, optuna.samplers.NSGAIISampler | optuna.samplers.NSGAIIISampler
        ):
            frozen = self._study.get_trials(deepcopy=False)[trial.number]
            self._rounding.inner.get_trial_generation(
                self._study, frozen
            )  # it joins the current population
        return Candidate(assignment, trial)

    def drop(self, candidate: Candidate) -> None:
        self._study.tell(candidate.handle, state=TrialState.FAIL)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        trial = candidate.handle
        losses = [min(max(loss, -LARGEST_LOSS), LARGEST_LOSS) for loss in outcome.losses]
        for index, amount in enumerate(outcome.violations):
            trial.set_constraint(str(index), min(amount, LARGEST_LOSS))
        if self._sampler.ranks_pruned and (outcome.failed or outcome.partial):
            if len(losses) == 1:
                trial.report(losses[0], step=1)
            self._study.tell(trial, state=TrialState.PRUNED)
        elif outcome.failed:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, losses)

    def _make_sampler(self) -> BaseSampler:
        warnings.filterwarnings(
            "ignore", category=FutureWarning, message="`(gamma|prior_weight)`"
        )  # to go in Optuna 6
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        return self._sampler.make(self._next_seed())

    def _next_seed(self) -> int:
        """A seed below 2**32, a function of the search's seed, the suggestion's number and the
        attempt at it.
        """
        number, attempt = self._asked
        return seed_from(f"{self._seed}/optuna/{number}/{attempt}", 2**32)


class Rounding(BaseSampler):
    """Draws with the sampler `inner`, and rounds each draw to what the journal keeps of it.

    A float has more digits than the value that it decodes to. Without rounding, a search that is
    rebuilt from its journal would know slightly different points.
    """

    def __init__(self, space: RawSpace, inner: BaseSampler) -> None:
        self.inner = inner
        self.drawn: dict[str, Raw] = {}
        self._sides = {side.name: side for side in space}

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        drawn = self.inner.sample_relative(study, trial, search_space)
        return {name: self._rounded(name, raw) for name, raw in drawn.items()}

    def sample_independent(
        self, study: Any, trial: Any, name: str, distribution: BaseDistribution
    ) -> Any:
        return self._rounded(name, self.inner.sample_independent(study, trial, name, distribution))

    def before_trial(self, study: Any, trial: Any) -> None:
        self.inner.before_trial(study, trial)

    def after_trial(self, study: Any, trial: Any, state: TrialState, values: Any) -> None:
        self.inner.after_trial(study, trial, state, values)

    def _rounded(self, name: str, raw: Raw) -> Raw:
        self.drawn[name] = raw
        return self._sides[name].rounded(raw)


def _distribution(side: RawSide) -> BaseDistribution:
    match side.kind:
        case Kind.UNIT:
            return FloatDistribution(0, 1)
        case Kind.ORDER:
            return IntDistribution(0, side.size - 1)
        case Kind.CHOICE:
            return CategoricalDistribution(range(side.size))


def tpe(
    *,
    multivariate: bool,
    startup: int = 10,
    candidates: int = 24,
    gamma: float | None = None,
    prior_weight: float = 1.0,
) -> Sampler:
    """Tree-structured Parzen estimators (Bergstra et al. 2011; several objectives: Ozaki et al.
    2022).

    `gamma` is Hyperopt's: ceil(gamma · sqrt(n)) of n results, at most 25, count as good; None: a
    tenth of them.
    """

    def good(results: int) -> int:
        return min(math.ceil((gamma or 0.0) * math.sqrt(results)), MOST_GOOD)

    def make(seed: int) -> BaseSampler:
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=startup,
            n_ei_candidates=candidates,
            multivariate=multivariate,
            constant_liar=True,
            gamma=None if gamma is None else good,
            prior_weight=None if prior_weight == 1.0 else prior_weight,
        )

    return Sampler(make, stateless=True, takes_failures=True, ranks_pruned=True, attempts=3)


def gp(startup: int) -> Sampler:
    """A Gaussian process with log expected improvement (Ament et al. 2023), in torch."""
    return Sampler(
        lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=startup),
        stateless=True,
        takes_failures=False,
        attempts=1,
    )


def cmaes(startup: int, population: int | None) -> Sampler:
    """CMA-ES (Hansen 2016); categories are drawn at random beside it."""
    return Sampler(
        lambda seed: optuna.samplers.CmaEsSampler(
            seed=seed, n_startup_trials=startup, popsize=population, warn_independent_sampling=False
        ),
        stateless=False,
        takes_failures=False,
    )


def nsga2(population: int) -> Sampler:
    """NSGA-II (Deb et al. 2002)."""
    return Sampler(
        lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=population),
        stateless=False,
        takes_failures=True,
    )


def nsga3(population: int) -> Sampler:
    """NSGA-III (Deb and Jain 2014)."""
    return Sampler(
        lambda seed: optuna.samplers.NSGAIIISampler(seed=seed, population_size=population),
        stateless=False,
        takes_failures=True,
    )


def qmc(sequence: str) -> Sampler:
    """A scrambled sequence of low discrepancy (Bergstra and Bengio 2012)."""
    return Sampler(
        lambda seed: optuna.samplers.QMCSampler(
            seed=seed, qmc_type=sequence, scramble=True, warn_independent_sampling=False
        ),
        stateless=False,
        takes_failures=True,
    )
