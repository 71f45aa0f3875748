"""What the status of an experiment's object shows of it."""

import json
from dataclasses import replace
from uuid import UUID

from controller.cluster.kubernetes.objects import ExperimentObject
from controller.cluster.kubernetes.projection import MOST_NAMES, ShownTrial, best_status, status_of
from controller.core.experiment import Experiment, Verdict
from deploy.crds.definitions import definitions
from events.facts import Cause, ExperimentState, Reason, TrialState
from events.ids import TrialNumber
from tests.controller.core.histories import START, experiment, outcome
from tests.controller.core.test_decisions import end, running

OBJECT = ExperimentObject.read(
    {"metadata": {"name": "e", "uid": str(UUID(int=1)), "generation": 1}}
)


def front(members: int) -> Experiment:
    """An experiment whose trials all lie on one front."""
    watch = running(experiment(1000, 500, several=True), members)
    for trial in range(1, members + 1):
        end(watch, trial, Cause.COMPLETED, outcome(trial, trial, 0))
    return watch.state


def test_a_front_is_its_size_and_the_names_of_its_members() -> None:
    status = status_of(OBJECT, front(3), None, START)
    assert status["best"] == "front of 3"
    assert status["front"] == {"size": 3, "trials": ["e-1", "e-2", "e-3"]}
    assert "currentOptimalTrial" not in status
    assert len(status_of(OBJECT, front(150), None, START)["front"]["trials"]) == MOST_NAMES


def test_of_one_objective_it_is_the_value() -> None:
    watch = running(experiment(9, 3), 1)
    end(watch, 1, Cause.COMPLETED, outcome(0.5, None, None))
    status = status_of(OBJECT, watch.state, None, START)
    assert (status["best"], "front" in status) == ("0.5", False)


def test_the_definition_knows_what_is_shown() -> None:
    (version,) = definitions()["experiments.trialstream.io.yaml"]["spec"]["versions"]
    known = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert json.loads(json.dumps(status_of(OBJECT, front(2), None, START))).keys() <= known.keys()


def test_an_experiment_that_failed_says_so_in_katib_s_word() -> None:
    watch = running(experiment(9, 3), 1)
    failed = replace(
        watch.state,
        progress=replace(
            watch.state.progress,
            state=ExperimentState.FAILED,
            verdict=Verdict(ExperimentState.FAILED, Reason.MAX_FAILED_REACHED, "too many"),
        ),
    )
    (told,) = [
        one
        for one in status_of(OBJECT, failed, None, START)["conditions"]
        if one["type"] == "Failed"
    ]
    assert (told["status"], told["reason"], told["message"]) == (
        "True", "ExperimentFailed", "too many",
    )  # fmt: skip


def test_the_best_trial_says_when_it_was_stopped_early() -> None:
    best = ShownTrial(TrialNumber(1), {}, {}, TrialState.EARLY_STOPPED)
    assert best_status(best, 0.5) == {"state": "EarlyStopped", "value": "0.5"}
