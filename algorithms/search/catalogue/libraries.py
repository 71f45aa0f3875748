"""Algorithms named after their library: `optuna.tpe`, `hyperopt.anneal`, `skopt.gp` and others."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import Field

from algorithms.search.catalogue.algorithm import Algorithm, Extra, Seeded
from algorithms.search.features import Feature
from algorithms.search.port import Search
from algorithms.search.sampling import random_search
from algorithms.search.shell.learning import LearningSearch, Optimizer
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec

if TYPE_CHECKING:
    from algorithms.search.optimizers.optuna import Sampler

UNLEARNING = frozenset({Feature.WARM_START})
OPTUNA = ("algorithms.search.optimizers.optuna",)
ONE_LOSS = frozenset({Feature.SEVERAL_OBJECTIVES})
TORCH = Extra("optuna-gp", "torch")
HYPEROPT = Extra("hyperopt", "hyperopt")
SKOPT = Extra("skopt", "skopt")


class Sequence(StrEnum):
    SOBOL = "sobol"
    HALTON = "halton"


class Startup(Seeded):
    n_startup_trials: int = Field(
        default=10, ge=0, description="results before the model is used; random until then"
    )


class OptunaTpe(Startup):
    n_ei_candidates: int = Field(
        default=24, ge=1, description="points among which the model picks the next one"
    )
    multivariate: bool = Field(
        default=True, description="model the parameters together, not each by itself"
    )


class OptunaCmaEs(Seeded):
    n_startup_trials: int = Field(
        default=1, ge=1, description="results before the model is used; random until then"
    )
    popsize: int | None = Field(
        default=None, ge=2, description="results in a generation; none: 4 + 3 ln d"
    )


class Population(Seeded):
    population_size: int = Field(default=50, ge=2, description="results in a generation")


class OptunaQmc(Seeded):
    qmc_type: Sequence = Field(default=Sequence.SOBOL, description="the sequence")


class HyperoptTpe(Seeded):
    n_startup_jobs: int = Field(
        default=20, ge=1, description="suggestions before the model is used; random until then"
    )
    n_EI_candidates: int = Field(  # noqa: N815 - Hyperopt's name
        default=24, gt=0, description="points among which the model picks the next one"
    )
    gamma: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="ceil(gamma sqrt(n)) of n results, at most 25, are good",
    )
    prior_weight: float = Field(
        default=1.0, gt=0, description="weight of the prior distribution beside one result"
    )


class SkoptAcquisition(StrEnum):
    """skopt's names of acquisition functions, without EIps and PIps, which need durations that no
    search is told.
    """

    HEDGE = "gp_hedge"
    LCB = "LCB"
    EI = "EI"
    PI = "PI"


class SkoptModel(Seeded):
    n_initial_points: int = Field(
        default=10,
        ge=0,
        description="results before the model is used; random until then; 0 counts as 1",
    )
    acq_func: SkoptAcquisition = Field(
        default=SkoptAcquisition.HEDGE, description="what the next point is chosen by"
    )


class AcquisitionOptimizer(StrEnum):
    AUTO = "auto"
    SAMPLING = "sampling"
    LBFGS = "lbfgs"


class SkoptGp(SkoptModel):
    acq_optimizer: AcquisitionOptimizer = Field(
        default=AcquisitionOptimizer.AUTO,
        description="how that point is looked for; auto takes lbfgs for GP",
    )


class Forest(StrEnum):
    RF = "RF"
    ET = "ET"
    GBRT = "GBRT"


class SkoptForest(SkoptModel):
    base_estimator: Forest = Field(
        default=Forest.ET, description="random forest, extra trees or gradient boosted trees"
    )


def learning_search(
    spec: ExperimentSpec, seed: int, optimizer: Callable[[Cube], Optimizer]
) -> Search:
    """A search with this optimizer; of a space of one point, random search, as libraries fail
    there.
    """
    cube = Cube.of(spec)
    return (
        random_search(cube, seed) if cube.size == 1 else LearningSearch(cube, seed, optimizer(cube))
    )


def optuna_search(spec: ExperimentSpec, seed: int, sampler: "Sampler") -> Search:
    """A search with one of Optuna's samplers."""
    from algorithms.search.optimizers.optuna import OptunaOptimizer

    return learning_search(
        spec, seed, lambda cube: OptunaOptimizer(cube, seed, sampler, len(spec.all_objectives))
    )


def _tpe(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import tpe

    own = OptunaTpe.of(spec.algorithm)
    startup, candidates = own.n_startup_trials, own.n_ei_candidates
    return optuna_search(
        spec, seed, tpe(multivariate=own.multivariate, startup=startup, candidates=candidates)
    )


def _gp(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import gp

    return optuna_search(spec, seed, gp(Startup.of(spec.algorithm).n_startup_trials))


def _cmaes(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import cmaes

    own = OptunaCmaEs.of(spec.algorithm)
    return optuna_search(spec, seed, cmaes(own.n_startup_trials, own.popsize))


def _nsga2(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import nsga2

    return optuna_search(spec, seed, nsga2(Population.of(spec.algorithm).population_size))


def _nsga3(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import nsga3

    return optuna_search(spec, seed, nsga3(Population.of(spec.algorithm).population_size))


def _qmc(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.optuna import qmc

    return optuna_search(spec, seed, qmc(OptunaQmc.of(spec.algorithm).qmc_type.value))


def _hyperopt_tpe(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.hyperopt import HyperoptOptimizer, parzen

    own = HyperoptTpe.of(spec.algorithm)
    suggest = parzen(own.n_startup_jobs, own.n_EI_candidates, own.gamma, own.prior_weight)
    return learning_search(spec, seed, lambda cube: HyperoptOptimizer(cube, seed, suggest))


def _hyperopt_anneal(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.hyperopt import ANNEAL, HyperoptOptimizer

    return learning_search(spec, seed, lambda cube: HyperoptOptimizer(cube, seed, ANNEAL))


def skopt_search(
    spec: ExperimentSpec, seed: int, estimator: str, own: SkoptModel, optimizer: str = "auto"
) -> Search:
    """A search with one of skopt's models."""
    from algorithms.search.optimizers.skopt import Model, SkoptOptimizer

    model = Model(estimator, own.n_initial_points, own.acq_func.value, optimizer)
    return learning_search(spec, seed, lambda cube: SkoptOptimizer(cube, seed, model))


def _skopt_gp(spec: ExperimentSpec, seed: int) -> Search:
    own = SkoptGp.of(spec.algorithm)
    return skopt_search(spec, seed, "GP", own, own.acq_optimizer.value)


def _skopt_forest(spec: ExperimentSpec, seed: int) -> Search:
    own = SkoptForest.of(spec.algorithm)
    return skopt_search(spec, seed, own.base_estimator.value, own)


LIBRARY_ALGORITHMS = {
    "optuna.tpe": Algorithm(
        "Optuna's tree-structured Parzen estimators", OptunaTpe, _tpe, imports=OPTUNA
    ),
    "optuna.gp": Algorithm("Optuna's Gaussian process", Startup, _gp, imports=OPTUNA, extra=TORCH),
    "optuna.cmaes": Algorithm(
        "Optuna's CMA-ES",
        OptunaCmaEs,
        _cmaes,
        ONE_LOSS | {Feature.CATEGORICAL, Feature.ONE_PARAMETER},
        imports=OPTUNA,
    ),
    "optuna.nsga2": Algorithm("Optuna's NSGA-II", Population, _nsga2, imports=OPTUNA),
    "optuna.nsga3": Algorithm("Optuna's NSGA-III", Population, _nsga3, imports=OPTUNA),
    "optuna.qmc": Algorithm(
        "Optuna's quasi-random sequences, Sobol or Halton",
        OptunaQmc,
        _qmc,
        UNLEARNING,
        imports=OPTUNA,
    ),
    "hyperopt.tpe": Algorithm(
        "Hyperopt's tree-structured Parzen estimators",
        HyperoptTpe,
        _hyperopt_tpe,
        ONE_LOSS,
        imports=("algorithms.search.optimizers.hyperopt",),
        extra=HYPEROPT,
    ),
    "hyperopt.anneal": Algorithm(
        "Hyperopt's annealing",
        Seeded,
        _hyperopt_anneal,
        ONE_LOSS,
        imports=("algorithms.search.optimizers.hyperopt",),
        extra=HYPEROPT,
    ),
    "skopt.gp": Algorithm(
        "scikit-optimize's Gaussian process",
        SkoptGp,
        _skopt_gp,
        ONE_LOSS,
        imports=("algorithms.search.optimizers.skopt",),
        extra=SKOPT,
    ),
    "skopt.forest": Algorithm(
        "scikit-optimize's forests of trees",
        SkoptForest,
        _skopt_forest,
        ONE_LOSS,
        imports=("algorithms.search.optimizers.skopt",),
        extra=SKOPT,
    ),
}
