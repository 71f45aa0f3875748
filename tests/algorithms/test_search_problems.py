"""What a search refuses, in words that say what to do, and the catalogue that people read."""

import pytest

from algorithms.search import TO_COME, catalogue, problems
from algorithms.stopping import catalogue as stopping_catalogue
from algorithms.stopping import create as create_stopper
from algorithms.stopping import problems as stopping_problems
from events.objective import Direction, Objective
from events.space import Condition, Scalar
from events.spec import ExperimentSpec, NasConfig, Setting
from events.validation import Problem
from tests.algorithms.spaces import DOUBLE, MIXED, SMALL, algorithm_spec, experiment, ranged

NAME = ("spec", "algorithm", "algorithmName")
SETTINGS = ("spec", "algorithm", "algorithmSettings")
WORDS = (
    "auto, OnePlusOne, CauchyOnePlusOne, PortfolioDiscreteOnePlusOne, DiscreteOnePlusOne, "
    "DoubleFastGADiscreteOnePlusOne, CMA, DiagonalCMA, DE, TwoPointsDE, RotatedTwoPointsDE, PSO, TBPSA, RandomSearch"
)


def found(spec: ExperimentSpec) -> list[Problem]:
    return list(problems(spec))


@pytest.mark.parametrize("name", ["nevergrad", "random", "sobol", None])
def test_a_good_experiment_has_no_problems(name: str | None) -> None:
    assert found(experiment(MIXED, name)) == []


def test_a_grid_may_be_smaller_than_the_budget() -> None:
    assert found(experiment(SMALL, "grid", {"random_state": 3}, trials=1000)) == []


def test_an_unknown_algorithm_is_told_the_known_ones() -> None:
    message = "'rnadom' is no known algorithm; there are: nevergrad, random, grid, sobol, gp"
    assert found(experiment(MIXED, "rnadom")) == [Problem(NAME, message)]


@pytest.mark.parametrize("name", TO_COME)
def test_katibs_other_algorithms_are_still_to_come(name: str) -> None:
    message = f"{name!r} is still to come; there are: nevergrad, random, grid, sobol, gp"
    assert found(experiment(MIXED, name)) == [Problem(NAME, message)]


@pytest.mark.parametrize(
    ("algorithm", "setting", "value", "field", "message"),
    [
        ("random", "gamma", "1", "name", "'gamma' is no setting of random; it has: random_state"),
        ("nevergrad", "sigma", 1, "name", "'sigma' is no setting of nevergrad; it has: random_state, optimizer"),
        (
            "random",
            "random_state",
            "-1",
            "value",
            "'-1' is not allowed for random_state; give a whole number, at least 0",
        ),
        ("sobol", "random_state", 1.5, "value", "1.5 is not allowed for random_state; give a whole number, at least 0"),
        ("grid", "random_state", "x", "value", "'x' is not allowed for random_state; give a whole number, at least 0"),
        (
            "random",
            "random_state",
            True,
            "value",
            "True is not allowed for random_state; give a whole number, at least 0",
        ),
        ("nevergrad", "optimizer", "BO", "value", f"'BO' is not allowed for optimizer; give one of {WORDS}"),
    ],
)
def test_settings_are_checked(algorithm: str, setting: str, value: Scalar, field: str, message: str) -> None:
    spec = experiment(SMALL, algorithm, {setting: value})
    assert found(spec) == [Problem((*SETTINGS, 0, field), message)]


def test_a_setting_stands_once() -> None:
    spec = experiment(SMALL, "random")
    assert spec.algorithm is not None
    twice = tuple(Setting(name="random_state", value=value) for value in ("1", "2"))
    spec = spec.model_copy(update={"algorithm": spec.algorithm.model_copy(update={"algorithm_settings": twice})})
    assert found(spec) == [Problem((*SETTINGS, 1, "name"), "'random_state' stands here twice; remove one")]


def test_grid_needs_steps_for_doubles() -> None:
    place = ("spec", "parameters", 0, "feasibleSpace", "step")
    message = "is required by grid for type double; give one, or use type int"
    assert found(experiment([ranged("x", DOUBLE, 0, 1)], "grid")) == [Problem(place, message)]
    assert found(experiment([ranged("x", DOUBLE, 1, 1)], "grid")) == []


def test_what_is_still_to_come_is_said() -> None:
    conditional = MIXED[0].model_copy(update={"condition": Condition(parameter="layers", equals=1)})
    losses = tuple(Objective(type=Direction.MINIMIZE, objectiveMetricName=metric) for metric in ("a", "b"))
    spec = experiment([conditional]).model_copy(update={"objectives": losses, "nas_config": NasConfig()})
    assert found(spec) == [
        Problem(("spec", "nasConfig"), "architecture search is still to come; give parameters instead"),
        Problem(("spec", "objectives"), "several objectives are still to come; give one"),
        Problem(
            ("spec", "parameters", 0, "condition"), "conditional parameters are still to come; remove the condition"
        ),
    ]


def stopping(name: str, **settings: Scalar) -> ExperimentSpec:
    return experiment(MIXED).model_copy(update={"early_stopping": algorithm_spec(name, settings)})


def test_stopping_rules_are_checked() -> None:
    place = ("spec", "earlyStopping")
    assert list(stopping_problems(experiment(MIXED))) == []
    assert list(stopping_problems(stopping("medianstop", start_step="5", min_trials_required=1))) == []
    assert list(stopping_problems(stopping("hyperband"))) == [
        Problem((*place, "algorithmName"), "'hyperband' is no known rule; there are: medianstop")
    ]
    assert list(stopping_problems(stopping("medianstop", start_step="0", patience=3, min_trials_required="few"))) == [
        Problem(
            (*place, "algorithmSettings", 0, "value"),
            "'0' is not allowed for start_step; give a whole number, at least 1",
        ),
        Problem(
            (*place, "algorithmSettings", 1, "name"),
            "'patience' is no setting of medianstop; it has: min_trials_required, start_step",
        ),
        Problem(
            (*place, "algorithmSettings", 2, "value"),
            "'few' is not allowed for min_trials_required; give a whole number, at least 1",
        ),
    ]


def test_the_rule_is_made_only_where_one_is_wanted() -> None:
    assert create_stopper(experiment(MIXED)) is None
    assert create_stopper(stopping("medianstop")) is not None


def test_the_catalogue_lists_all_settings() -> None:
    assert [(entry.name, [setting.name for setting in entry.settings]) for entry in catalogue()] == [
        ("nevergrad", ["random_state", "optimizer"]),
        ("random", ["random_state"]),
        ("grid", ["random_state"]),
        ("sobol", ["random_state"]),
        ("gp", ["random_state"]),
    ]
    state, optimizer = catalogue()[0].settings
    assert (state.type, state.default, state.allowed) == ("int", "none", "a whole number, at least 0")
    assert (optimizer.type, optimizer.default, optimizer.allowed) == ("word", "auto", f"one of {WORDS}")
    (median,) = stopping_catalogue()
    assert [(setting.name, setting.default, setting.allowed) for setting in median.settings] == [
        ("min_trials_required", "3", "a whole number, at least 1"),
        ("start_step", "4", "a whole number, at least 1"),
    ]
    assert all(setting.summary for entry in (*catalogue(), median) for setting in entry.settings)
