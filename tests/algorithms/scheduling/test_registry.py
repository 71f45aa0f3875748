"""What the registry of schedulers refuses, in words that say what to do, and the catalogue that
people read."""

from dataclasses import replace

import pytest

from algorithms.scheduling import (
    RULES,
    Clone,
    Continue,
    Pause,
    Promote,
    create_scheduler,
    scheduler_catalogue,
    scheduler_problems,
)
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.problem import Problem
from events.spec.space import Scalar
from tests.algorithms.spaces import MIXED, algorithm_spec, experiment

PLACE = ("spec", "earlyStopping")


def stopping(name: str, **settings: Scalar) -> ExperimentSpec:
    return experiment(MIXED).model_copy(update={"early_stopping": algorithm_spec(name, settings)})


def test_nothing_is_stopped_early_by_one_objective_of_several() -> None:
    losses = tuple(
        Objective(type=Direction.MINIMIZE, objectiveMetricName=metric) for metric in ("a", "b")
    )
    spec = stopping("medianstop").model_copy(update={"objective": None, "objectives": losses})
    (problem,) = scheduler_problems(spec)
    assert problem.path == PLACE
    assert "several objectives" in problem.message


def test_settings_are_checked() -> None:
    assert list(scheduler_problems(experiment(MIXED))) == []
    assert (
        list(scheduler_problems(stopping("medianstop", start_step="5", min_trials_required=1)))
        == []
    )
    assert list(scheduler_problems(stopping("hyperband"))) == [
        Problem((*PLACE, "algorithmName"), "'hyperband' is not a known rule; there are: medianstop")
    ]
    assert list(
        scheduler_problems(
            stopping("medianstop", start_step="0", patience=3, min_trials_required="few")
        )
    ) == [
        Problem(
            (*PLACE, "algorithmSettings", 0, "value"),
            "'0' is not allowed for start_step; give a whole number, at least 1",
        ),
        Problem(
            (*PLACE, "algorithmSettings", 1, "name"),
            "'patience' is not a setting of medianstop; it has: min_trials_required, start_step",
        ),
        Problem(
            (*PLACE, "algorithmSettings", 2, "value"),
            "'few' is not allowed for min_trials_required; give a whole number, at least 1",
        ),
    ]


def test_a_scheduler_that_decides_what_no_controller_can_do_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ambitious = replace(RULES["medianstop"], decisions=frozenset({Continue, Promote, Pause, Clone}))
    monkeypatch.setitem(RULES, "ambitious", ambitious)
    message = "ambitious needs to clone and pause and promote trials, which is not supported yet"
    assert list(scheduler_problems(stopping("ambitious"))) == [
        Problem((*PLACE, "algorithmName"), message)
    ]


def test_a_scheduler_is_made_only_where_one_is_wanted() -> None:
    assert create_scheduler(experiment(MIXED)) is None
    assert create_scheduler(stopping("medianstop")) is not None


def test_the_catalogue_lists_all_settings() -> None:
    (median,) = scheduler_catalogue()
    assert [(setting.name, setting.default, setting.allowed) for setting in median.settings] == [
        ("min_trials_required", "3", "a whole number, at least 1"),
        ("start_step", "4", "a whole number, at least 1"),
    ]
    assert all(setting.summary for setting in median.settings)
