"""Every search keeps the promises of its port (that the suite sees a broken one is tested with
plugins)."""

from collections.abc import Iterator
from typing import Any

import pytest

from algorithms.conformance.promises import PROMISES
from algorithms.conformance.subject import Subject
from algorithms.search.registry import ALGORITHMS
from events.spec.space import Scalar
from tests.algorithms.spaces import FAMILIES, OPTIMIZERS

SLOW: dict[str, dict[str, Scalar]] = {
    "skopt.forest": {"n_initial_points": 6, "acq_func": "EI"},
    "skopt.gp": {"n_initial_points": 6, "acq_func": "LCB", "acq_optimizer": "sampling"},
    "optuna.gp": {"n_startup_trials": 6},
}
"""A model is fitted for each suggestion: watched for a few trials only, and with the model soon."""
FEW = 9
CHEAP = ("in space", "deterministic", "batches", "settings")
"""Promises that take no time to examine, whatever the algorithm."""
AS_OTHERS = ("nevergrad", "auto", "bayesianoptimization")
"""Nevergrad's optimizers are listed below; the others begin as `gp`: test_auto.py examines what
comes later."""


def subjects() -> Iterator[Subject]:
    for name in ALGORITHMS:
        if name not in AS_OTHERS:
            yield Subject(name, SLOW[name], FEW) if name in SLOW else Subject(name)
    for optimizer in OPTIMIZERS:
        yield Subject("nevergrad", {"optimizer": optimizer})
    yield Subject("tpe", {"gamma": 0.3, "prior_weight": 0.5, "n_EI_candidates": 5})
    yield Subject("optuna.tpe", {"multivariate": "false", "n_startup_trials": 3})
    yield Subject(
        "bayesianoptimization",
        {"n_initial_points": 6, "base_estimator": "GBRT", "acq_func": "PI"},
        FEW,
    )
    yield Subject("hyperopt.tpe", {"n_startup_jobs": 6})
    yield Subject("optuna.qmc", {"qmc_type": "halton"})
    yield Subject("optuna.nsga2", {"population_size": 4})
    yield Subject("optuna.nsga3", {"population_size": 4})
    for restarts in ("ipop", "bipop"):
        yield Subject("cmaes", {"restart_strategy": restarts})


def installed(subject: Subject) -> Subject:
    extra = subject.algorithm.extra
    if extra is not None and extra.missing:
        pytest.skip(f"{extra.module} is not installed: pip install 'trialstream[{extra.name}]'")
    return subject


def is_quick(subject: Subject, promise: str) -> bool:
    """Nevergrad's optimizers of one family are alike; libraries of others may take half a minute
    for a promise."""
    if subject.name == "nevergrad":
        return subject.settings["optimizer"] in FAMILIES
    return promise in CHEAP or not (subject.settings or subject.algorithm.extra)


def cases() -> Iterator[Any]:
    for subject in subjects():
        for promise in PROMISES:
            name = "-".join([subject.name, *map(str, subject.settings.values()), promise])
            yield pytest.param(
                subject,
                promise,
                id=name,
                marks=() if is_quick(subject, promise) else pytest.mark.long,
            )


@pytest.mark.parametrize(("subject", "promise"), list(cases()))
def test_every_algorithm_keeps_every_promise(subject: Subject, promise: str) -> None:
    PROMISES[promise](installed(subject))
