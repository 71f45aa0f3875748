"""What a search refuses, in words that say what to do, and the catalogue that people read."""

from dataclasses import replace

import pytest

from algorithms.search import ALGORITHMS, TO_COME, create_search, search_catalogue, search_problems
from algorithms.search.catalogue import katib
from algorithms.search.catalogue.algorithm import Extra
from algorithms.search.features import Feature
from events.spec.algorithm import Setting
from events.spec.experiment import ExperimentSpec
from events.spec.nas import NasConfig
from events.spec.objective import Direction, Objective
from events.spec.problem import Problem
from events.spec.space import Scalar
from tests.algorithms.spaces import DOUBLE, MIXED, SMALL, TREE, experiment, ranged, several

NAME = ("spec", "algorithm", "algorithmName")
SETTINGS = ("spec", "algorithm", "algorithmSettings")
WORDS = (
    "auto, OnePlusOne, CauchyOnePlusOne, PortfolioDiscreteOnePlusOne, DiscreteOnePlusOne, "
    "DoubleFastGADiscreteOnePlusOne, CMA, DiagonalCMA, DE, TwoPointsDE, RotatedTwoPointsDE, PSO, "
    "TBPSA, "
    "RandomSearch, NGOpt"
)
KNOWN = (
    "auto, gp, nevergrad, random, grid, sobol, tpe, multivariate-tpe, cmaes, "
    "bayesianoptimization, optuna.tpe, "
    "optuna.gp, optuna.cmaes, optuna.nsga2, optuna.nsga3, optuna.qmc, hyperopt.tpe, "
    "hyperopt.anneal, skopt.gp, "
    "skopt.forest"
)


def found(spec: ExperimentSpec) -> list[Problem]:
    return list(search_problems(spec))


@pytest.mark.parametrize(
    "name",
    [
        "gp",
        "nevergrad",
        "random",
        "sobol",
        "tpe",
        "multivariate-tpe",
        "cmaes",
        "optuna.nsga2",
        None,
    ],
)
def test_a_good_experiment_has_no_problems(name: str | None) -> None:
    assert found(experiment(MIXED, name)) == []


def test_a_grid_may_be_smaller_than_the_budget() -> None:
    assert found(experiment(SMALL, "grid", {"random_state": 3}, trials=1000)) == []


def test_an_unknown_algorithm_is_told_the_known_ones() -> None:
    message = f"'rnadom' is not a known algorithm; there are: {KNOWN}"
    assert found(experiment(MIXED, "rnadom")) == [Problem(NAME, message)]


@pytest.mark.parametrize("name", TO_COME)
def test_katibs_other_algorithms_are_not_supported_yet(name: str) -> None:
    message = f"{name!r} is not supported yet; there are: {KNOWN}"
    assert found(experiment(MIXED, name)) == [Problem(NAME, message)]


@pytest.mark.parametrize(
    ("algorithm", "setting", "value", "field", "message"),
    [
        (
            "random",
            "gamma",
            "1",
            "name",
            "'gamma' is not a setting of random; it has: random_state",
        ),
        (
            "nevergrad",
            "sigma",
            1,
            "name",
            "'sigma' is not a setting of nevergrad; it has: random_state, optimizer",
        ),
        (
            "random",
            "random_state",
            "-1",
            "value",
            "'-1' is not allowed for random_state; give a whole number, at least 0",
        ),
        (
            "sobol",
            "random_state",
            1.5,
            "value",
            "1.5 is not allowed for random_state; give a whole number, at least 0",
        ),
        (
            "grid",
            "random_state",
            "x",
            "value",
            "'x' is not allowed for random_state; give a whole number, at least 0",
        ),
        (
            "random",
            "random_state",
            True,
            "value",
            "True is not allowed for random_state; give a whole number, at least 0",
        ),
        (
            "tpe",
            "gamma",
            "1",
            "value",
            "'1' is not allowed for gamma; give a number, above 0, below 1",
        ),
        (
            "tpe",
            "prior_weight",
            "0",
            "value",
            "'0' is not allowed for prior_weight; give a number, above 0",
        ),
        (
            "tpe",
            "n_ei_candidates",
            "5",
            "name",
            (
                "'n_ei_candidates' is not a setting of tpe; it has: random_state, gamma, "
                "prior_weight, n_EI_candidates"
            ),
        ),
        (
            "cmaes",
            "sigma",
            "1.5",
            "value",
            "'1.5' is not allowed for sigma; give a number, above 0, at most 1",
        ),
        (
            "cmaes",
            "restart_strategy",
            "None",
            "value",
            "'None' is not allowed for restart_strategy; give one of none, ipop, bipop",
        ),
        (
            "optuna.tpe",
            "multivariate",
            "si",
            "value",
            "'si' is not allowed for multivariate; give true or false",
        ),
        (
            "nevergrad",
            "optimizer",
            "BO",
            "value",
            f"'BO' is not allowed for optimizer; give one of {WORDS}",
        ),
    ],
)
def test_settings_are_checked(
    algorithm: str, setting: str, value: Scalar, field: str, message: str
) -> None:
    spec = experiment(SMALL, algorithm, {setting: value})
    assert found(spec) == [Problem((*SETTINGS, 0, field), message)]


def test_a_setting_is_listed_once() -> None:
    spec = experiment(SMALL, "random")
    assert spec.algorithm is not None
    twice = tuple(Setting(name="random_state", value=value) for value in ("1", "2"))
    spec = spec.model_copy(
        update={"algorithm": spec.algorithm.model_copy(update={"algorithm_settings": twice})}
    )
    assert found(spec) == [
        Problem((*SETTINGS, 1, "name"), "'random_state' is listed twice; remove one")
    ]


def test_grid_needs_steps_for_doubles() -> None:
    place = ("spec", "parameters", 0, "feasibleSpace", "step")
    message = (
        "grid cannot honour a double without a step; give a step, or use type int; "
        f"these can as it is: {KNOWN.replace(' grid,', '')}"
    )
    assert found(experiment([ranged("x", DOUBLE, 0, 1)], "grid")) == [Problem(place, message)]
    assert found(experiment([ranged("x", DOUBLE, 1, 1)], "grid")) == []


def test_what_is_not_supported_yet_is_said() -> None:
    losses = tuple(
        Objective(type=Direction.MINIMIZE, objectiveMetricName=metric) for metric in ("a", "b")
    )
    spec = experiment(MIXED).model_copy(update={"objectives": losses, "nas_config": NasConfig()})
    assert found(spec) == [
        Problem(
            ("spec", "nasConfig"),
            "architecture search is not supported yet; give parameters instead",
        ),
    ]


def test_conditions_and_constraints_are_named_where_an_algorithm_lacks_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simple = replace(
        ALGORITHMS["random"], lacks=frozenset({Feature.CONDITIONS, Feature.CONSTRAINTS})
    )
    monkeypatch.setitem(ALGORITHMS, "simple", simple)
    able = f"these can as it is: {KNOWN}"
    assert found(experiment(TREE, "simple", constraints=("layers <= 3",)))[-2:] == [
        Problem(
            ("spec", "parameters", 4, "condition"),
            f"simple cannot honour conditional parameters; remove the condition; {able}",
        ),
        Problem(
            ("spec", "constraints"),
            f"simple cannot honour constraints between parameters; remove them; {able}",
        ),
    ]
    for name in ("nevergrad", "random", "grid", "sobol", "tpe", "optuna.nsga2"):
        assert found(experiment(TREE, name, constraints=("layers <= 3",))) == []


def test_several_objectives_need_an_optimizer_that_looks_at_all_of_them() -> None:
    for fit in (several("random"), several("grid"), several("sobol"), several("nevergrad")):
        assert found(fit) == []
    assert found(several("nevergrad", optimizer="TwoPointsDE")) == []
    message = (
        "the optimizer CMA cannot honour several objectives; these can: auto, DE, TwoPointsDE, "
        "RotatedTwoPointsDE"
    )
    assert found(several("nevergrad", optimizer="CMA")) == [Problem(SETTINGS, message)]
    assert len(found(several("nevergrad", optimizer="nonsense"))) == 1


def test_the_catalogue_lists_all_settings() -> None:
    settings = {
        entry.name: [setting.name for setting in entry.settings] for entry in search_catalogue()
    }
    assert list(settings) == KNOWN.split(", ")
    assert settings["nevergrad"] == ["random_state", "optimizer"]
    assert settings["tpe"] == ["random_state", "gamma", "prior_weight", "n_EI_candidates"]
    assert settings["multivariate-tpe"] == ["random_state", "n_startup_trials", "n_ei_candidates"]
    assert settings["cmaes"] == ["random_state", "sigma", "restart_strategy"]
    bayesian = ["random_state", "n_initial_points", "acq_func", "acq_optimizer", "base_estimator"]
    assert settings["bayesianoptimization"] == bayesian
    assert all(settings[name] == ["random_state"] for name in ("random", "grid", "sobol"))
    assert settings["gp"] == ["random_state", "n_initial_points"]
    state, optimizer = next(
        entry.settings for entry in search_catalogue() if entry.name == "nevergrad"
    )
    assert (state.type, state.default, state.allowed) == (
        "int",
        "none",
        "a whole number, at least 0",
    )
    assert (optimizer.type, optimizer.default, optimizer.allowed) == (
        "word",
        "auto",
        f"one of {WORDS}",
    )
    assert all(setting.summary for entry in search_catalogue() for setting in entry.settings)


def test_cmaes_needs_two_numbers() -> None:
    message = (
        "cmaes needs two parameters of type double or int, as in Katib; there are 1: give another "
        "one"
    )
    one = [MIXED[0], *MIXED[3:]]
    assert found(experiment(one, "cmaes")) == [Problem(("spec", "parameters"), message)]


def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it() -> None:
    missing = Extra("some-extra", "no_such_module")
    assert missing.missing
    assert not Extra("x", "json").missing
    message = "some.thing needs no_such_module: pip install 'trialstream[some-extra]'"
    assert missing.problem("some.thing") == Problem(NAME, message)


@pytest.mark.parametrize(
    "name", [name for name, one in ALGORITHMS.items() if one.extra and one.extra.missing]
)
def test_an_algorithm_without_its_library_is_refused(name: str) -> None:
    (problem,) = found(experiment(SMALL[:2], name))
    assert problem.path == NAME
    assert "pip install 'trialstream[" in problem.message


def test_trees_have_no_gradient_to_climb() -> None:
    spec = experiment(
        SMALL, "bayesianoptimization", {"base_estimator": "RF", "acq_optimizer": "lbfgs"}
    )
    problem = found(spec)[-1]
    assert problem == Problem(
        SETTINGS, "lbfgs needs base_estimator GP, not RF; give auto or sampling"
    )


def test_bayesian_optimization_is_ours_until_something_else_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(katib, "SKOPT", Extra("some-extra", "no_such_module"))
    assert (
        found(
            experiment(
                SMALL, "bayesianoptimization", {"n_initial_points": 5, "acq_optimizer": "lbfgs"}
            )
        )
        == []
    )
    ours, gp = (
        experiment(MIXED, "bayesianoptimization", {"n_initial_points": 8}),
        experiment(MIXED, "gp"),
    )
    assert create_search(ours, 1).ask(10) == create_search(gp, 1).ask(10)
    other = experiment(SMALL, "bayesianoptimization", {"base_estimator": "RF", "acq_func": "LCB"})
    message = (
        "bayesianoptimization with base_estimator RF, acq_func LCB needs no_such_module: "
        "pip install 'trialstream[some-extra]'"
    )
    assert found(other) == [Problem(NAME, message)]


@pytest.mark.parametrize(
    "name",
    ["portfolio-discrete", "one-plus-one", "de", "pso", "tbpsa", "cma", "ngopt", "TwoPointsDE"],
)
def test_nevergrads_optimizers_have_names_like_katibs_too(name: str) -> None:
    assert found(experiment(SMALL, "nevergrad", {"optimizer": name})) == []
