"""What the status of an experiment's object shows of it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from controller.cluster.kubernetes.objects import ExperimentObject
from controller.cluster.kubernetes.projection import (
    MOST_NAMES,
    most_listed,
    refused_status,
    status_of,
    with_condition,
)
from controller.cluster.kubernetes.trial_objects import ShownTrial, best_status, live_status
from controller.core.experiment import Experiment, LiveTrial, Verdict
from controller.flows.reconcile.finished import FinishedTrials
from deploy.crds.definitions import definitions
from events.facts import Cause, ExperimentState, Reason, TrialState
from events.ids import TrialNumber
from events.spec.objective import Summary
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
    status = status_of(OBJECT, front(3), None, {}, START)
    assert status["best"] == "front of 3"
    assert status["front"] == {"size": 3, "trials": ["e-1", "e-2", "e-3"]}
    assert "currentOptimalTrial" not in status
    assert len(status_of(OBJECT, front(150), None, {}, START)["front"]["trials"]) == MOST_NAMES


def test_of_one_objective_it_is_the_value() -> None:
    watch = running(experiment(9, 3), 1)
    end(watch, 1, Cause.COMPLETED, outcome(0.5, None, None))
    status = status_of(OBJECT, watch.state, None, {}, START)
    assert (status["best"], "front" in status) == ("0.5", False)


def test_the_definition_knows_what_is_shown() -> None:
    (version,) = definitions()["experiments.trialstream.io.yaml"]["spec"]["versions"]
    known = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert (
        json.loads(json.dumps(status_of(OBJECT, front(2), None, {}, START))).keys() <= known.keys()
    )


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
        for one in status_of(OBJECT, failed, None, {}, START)["conditions"]
        if one["type"] == "Failed"
    ]
    assert (told["status"], told["reason"], told["message"]) == (
        "True", "ExperimentFailed", "too many",
    )  # fmt: skip


def test_the_best_trial_says_when_it_was_stopped_early() -> None:
    best = ShownTrial(TrialNumber(1), {}, {}, TrialState.EARLY_STOPPED)
    status = best_status(best, 0.5, [], START)
    assert (status["state"], status["value"]) == ("EarlyStopped", "0.5")
    assert told(status["conditions"])[-1] == ("EarlyStopped", "True", "TrialEarlyStopped")


def test_a_text_is_the_latest_value_of_its_metric() -> None:
    watch = running(experiment(9, 3), 1)
    seen = {"loss": Summary(text="Genotype()")}
    end(watch, 1, Cause.COMPLETED, seen)
    best = ShownTrial(TrialNumber(1), {}, seen, TrialState.SUCCEEDED)
    status = status_of(OBJECT, watch.state, best, {}, START)
    (metric,) = status["currentOptimalTrial"]["observation"]["metrics"]
    assert metric == {
        "name": "loss", "min": "unavailable", "max": "unavailable", "latest": "Genotype()",
    }  # fmt: skip
    assert (status["best"], best_status(best, None, [], START)["value"]) == ("", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (-0.25, "-0.25"), (0.1 + 0.2, "0.30000000000000004"), (1e-05, "1e-05"),
     (1e22, "1e+22"), (-0.0, "-0"), (None, "unavailable")],
)  # fmt: skip
def test_a_number_is_the_shortest_that_reads_back_the_same(value: float | None, text: str) -> None:
    """What the trial printed, 0.90 or 9e-1, is not kept: docs/decisions/numbers-as-reported.md."""
    watch = running(experiment(9, 3), 1)
    end(watch, 1, Cause.COMPLETED, outcome(0.5 if value is None else value, None, None))
    summary = Summary(min=value, max=value, latest=value, count=1)
    best = ShownTrial(TrialNumber(1), {}, {"loss": summary}, TrialState.SUCCEEDED)
    status = status_of(OBJECT, watch.state, best, {}, START)
    (metric,) = status["currentOptimalTrial"]["observation"]["metrics"]
    assert metric == {"name": "loss", "min": text, "max": text, "latest": text}
    if value is not None:
        shown = best_status(best, value, [], START)["value"]
        assert (status["best"], shown) == (text, text)
        assert float(text) == value


def test_a_trial_has_katib_s_conditions() -> None:
    live = LiveTrial(state=TrialState.PENDING, attempt=1)
    pending = live_status(live, [], START)["conditions"]
    assert told(pending) == [("Created", "True", "TrialCreated")]
    runs = replace(live, state=TrialState.RUNNING)
    running = live_status(runs, pending, START)["conditions"]
    assert told(running)[1:] == [("Running", "True", "TrialRunning")]
    later = START + timedelta(seconds=1)
    assert live_status(runs, running, later)["conditions"] == running
    best = ShownTrial(TrialNumber(1), {}, {}, TrialState.SUCCEEDED)
    assert told(best_status(best, 0.5, running, later)["conditions"])[1:] == [
        ("Running", "False", "TrialRunning"),
        ("Succeeded", "True", "TrialSucceeded"),
    ]


def test_finished_trials_are_listed_and_lists_that_leave_some_out_are_named() -> None:
    watch = running(experiment(1000, 500), 150)
    for trial in range(1, 131):
        end(watch, trial, Cause.COMPLETED, outcome(trial, None, None))
    end(watch, 131, Cause.ERROR, outcome(1, None, None))
    finished = FinishedTrials()
    for trial in [*range(130, 0, -1), 77, 7]:
        finished.add(TrialState.SUCCEEDED, TrialNumber(trial))
    assert most_listed(watch.state) == {TrialState.SUCCEEDED: MOST_NAMES, TrialState.FAILED: 20}
    finished.complete_with({TrialState.FAILED: [TrialNumber(131)]})
    status = status_of(OBJECT, watch.state, None, finished.numbers, START)
    assert status["succeededTrialList"] == [f"e-{number}" for number in range(31, 131)]
    assert (status["failedTrialList"], status["killedTrialList"]) == (["e-131"], [])
    assert status["truncatedTrialLists"] == ["succeededTrialList"]


def shown(
    experiment: Experiment, before: list[dict[str, Any]], **status: Any
) -> list[dict[str, Any]]:
    """The conditions of an object that had those of `before`."""
    obj = replace(OBJECT, status={**status, "conditions": before})
    found: list[dict[str, Any]] = status_of(obj, experiment, None, {}, START)["conditions"]
    return found


def in_state(state: ExperimentState) -> Experiment:
    watch = running(experiment(9, 3), 1)
    over = Verdict(state, Reason.MAX_TRIALS_REACHED, "spent")
    verdict = over if state is ExperimentState.SUCCEEDED else None
    progress = replace(watch.state.progress, state=state, verdict=verdict)
    return replace(watch.state, progress=progress)


def told(conditions: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["type"], one["status"], one["reason"]) for one in conditions]


def test_a_restart_is_a_condition_of_its_own_and_takes_the_end_away() -> None:
    over = shown(in_state(ExperimentState.SUCCEEDED), shown(in_state(ExperimentState.RUNNING), []))
    assert told(over)[-1] == ("Succeeded", "True", "ExperimentMaxTrialsReached")
    assert told(shown(in_state(ExperimentState.RUNNING), over)) == [
        ("Created", "True", "ExperimentCreated"),
        ("Restarting", "True", "ExperimentRestarting"),
        ("Running", "True", "ExperimentRunning"),
    ]


def test_what_was_refused_at_first_was_not_restarted() -> None:
    refused = refused_status(OBJECT, "InvalidSpec", "no", START)
    found = shown(in_state(ExperimentState.RUNNING), refused["conditions"], state=refused["state"])
    assert [kind for kind, _, _ in told(found)] == ["Created", "Running"]


def test_the_last_condition_tells_how_far_it_is() -> None:
    waits = with_condition(OBJECT, START, "EditRefused", True, "NotEditable", "no")
    before = [*shown(in_state(ExperimentState.RUNNING), []), *waits]
    assert told(shown(in_state(ExperimentState.RUNNING), before))[-1][0] == "Running"


def test_katib_s_columns_are_printed() -> None:
    (version,) = definitions()["experiments.kubeflow.org.yaml"]["spec"]["versions"]
    columns = [(one["name"], one["jsonPath"]) for one in version["additionalPrinterColumns"]]
    assert columns[:3] == [
        ("Type", ".status.conditions[-1:].type"),
        ("Status", ".status.conditions[-1:].status"),
        ("Age", ".metadata.creationTimestamp"),
    ]
