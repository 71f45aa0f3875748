"""Katib's algorithms, with Katib's names and settings."""

from collections.abc import Iterator
from enum import StrEnum

from pydantic import Field

from algorithms.search.catalogue.algorithm import Algorithm, Seeded
from algorithms.search.catalogue.libraries import (
    ONE_LOSS,
    OPTUNA,
    SKOPT,
    UNLEARNING,
    AcquisitionOptimizer,
    SkoptAcquisition,
    SkoptGp,
    learning_search,
    optuna_search,
    skopt_search,
)
from algorithms.search.catalogue.own import GP, gaussian_process
from algorithms.search.features import Feature
from algorithms.search.port import Search
from algorithms.search.sampling import grid_search, random_search, sobol_search
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem
from events.spec.space import ParameterType

NUMBER_TYPES = (ParameterType.DOUBLE, ParameterType.INT)
TO_COME = ("hyperband", "pbt", "enas", "darts")
"""Katib's algorithms that are not supported yet."""


class Restarts(StrEnum):
    NONE = "none"
    IPOP = "ipop"
    BIPOP = "bipop"


class TpeSettings(Seeded):
    gamma: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="ceil(gamma sqrt(n)) of n results, at most 25, are good; none: n / 10",
    )
    prior_weight: float = Field(
        default=1.0, gt=0, description="weight of the prior distribution beside one result"
    )
    n_EI_candidates: int = Field(  # noqa: N815 - Katib's name
        default=24, gt=0, description="points among which the model picks the next one"
    )


class MultivariateTpeSettings(Seeded):
    n_startup_trials: int = Field(
        default=10, ge=0, description="results before the model is used; random until then"
    )
    n_ei_candidates: int = Field(
        default=24, ge=1, description="points among which the model picks the next one"
    )


class CmaEsSettings(Seeded):
    sigma: float = Field(
        default=1 / 6, gt=0, le=1, description="first step size, a share of each parameter's range"
    )
    restart_strategy: Restarts = Field(
        default=Restarts.NONE, description="begin anew when it has converged"
    )


class Estimator(StrEnum):
    GP = "GP"
    RF = "RF"
    ET = "ET"
    GBRT = "GBRT"


class BayesianSettings(SkoptGp):
    acq_func: SkoptAcquisition = Field(
        default=SkoptAcquisition.EI, description="what the next point is chosen by"
    )
    base_estimator: Estimator = Field(
        default=Estimator.GP,
        description="Gaussian process, random forest, extra trees or gradient boosted trees",
    )


def _tpe(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import tpe

    own = TpeSettings.of(spec.algorithm)
    sampler = tpe(
        multivariate=False,
        candidates=own.n_EI_candidates,
        gamma=own.gamma,
        prior_weight=own.prior_weight,
    )
    return optuna_search(spec, seed, sampler)


def _multivariate_tpe(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import tpe

    own = MultivariateTpeSettings.of(spec.algorithm)
    return optuna_search(
        spec,
        seed,
        tpe(multivariate=True, startup=own.n_startup_trials, candidates=own.n_ei_candidates),
    )


def _cmaes(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.cmaes import CmaEsOptimizer

    own = CmaEsSettings.of(spec.algorithm)
    restarts = own.restart_strategy.value
    return learning_search(
        spec, seed, lambda cube: CmaEsOptimizer(cube, seed, spec.parallel, own.sigma, restarts)
    )


def _bayesian(spec: ExperimentSpec, seed: int) -> Search:
    own = BayesianSettings.of(spec.algorithm)
    if _of_skopt(own):
        return skopt_search(spec, seed, own.base_estimator.value, own, own.acq_optimizer.value)
    return learning_search(
        spec, seed, lambda cube: gaussian_process(spec, cube, seed, max(1, own.n_initial_points))
    )


def _of_skopt(own: BayesianSettings) -> str:
    """The settings that only scikit-optimize can honour, in words; empty if our Gaussian process
    can.
    """
    asked = {
        f"base_estimator {own.base_estimator}": own.base_estimator is not Estimator.GP,
        f"acq_func {own.acq_func}": own.acq_func is not SkoptAcquisition.EI,
        f"acq_optimizer {own.acq_optimizer}": own.acq_optimizer is AcquisitionOptimizer.SAMPLING,
    }
    return ", ".join(words for words, other in asked.items() if other)


def _bayesian_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Problems if scikit-optimize is needed and missing, and if lbfgs is asked for a model without
    gradients.
    """
    own = BayesianSettings.of(spec.algorithm)
    if (asked := _of_skopt(own)) and SKOPT.missing:
        yield SKOPT.problem(f"bayesianoptimization with {asked}")
    if own.acq_optimizer is AcquisitionOptimizer.LBFGS and own.base_estimator is not Estimator.GP:
        message = f"lbfgs needs base_estimator GP, not {own.base_estimator}; give auto or sampling"
        yield Problem(("spec", "algorithm", "algorithmSettings"), message)


def _two_numbers(spec: ExperimentSpec) -> Iterator[Problem]:
    numbers = sum(parameter.type in NUMBER_TYPES for parameter in spec.parameters)
    if numbers < 2:
        message = (
            f"cmaes needs two parameters of type double or int, as in Katib; there are {numbers}: "
            "give another one"
        )
        yield Problem(("spec", "parameters"), message)


KATIB_ALGORITHMS = {
    "random": Algorithm(
        "independent random points",
        Seeded,
        lambda spec, seed: random_search(Cube.of(spec), seed),
        UNLEARNING,
    ),
    "grid": Algorithm(
        "every combination once, in shuffled order",
        Seeded,
        lambda spec, seed: grid_search(Cube.of(spec), seed),
        UNLEARNING | {Feature.ENDLESS},
        exhaustive=True,
    ),
    "sobol": Algorithm(
        "scrambled Sobol points, more even than random",
        Seeded,
        lambda spec, seed: sobol_search(Cube.of(spec), seed),
        UNLEARNING,
        imports=("scipy.stats.qmc",),
    ),
    "tpe": Algorithm(
        "tree-structured Parzen estimators, one parameter at a time",
        TpeSettings,
        _tpe,
        imports=OPTUNA,
    ),
    "multivariate-tpe": Algorithm(
        "tree-structured Parzen estimators over all parameters together",
        MultivariateTpeSettings,
        _multivariate_tpe,
        imports=OPTUNA,
    ),
    "cmaes": Algorithm(
        "CMA-ES, an evolution strategy that adapts its covariance",
        CmaEsSettings,
        _cmaes,
        ONE_LOSS,
        imports=("algorithms.search.optimizers.cmaes",),
        rules=_two_numbers,
    ),
    "bayesianoptimization": Algorithm(
        "a model of the objective, by default the Gaussian process of gp",
        BayesianSettings,
        _bayesian,
        ONE_LOSS,
        imports=GP,
        rules=_bayesian_problems,
    ),
}
