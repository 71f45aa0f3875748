"""An experiment → the small status that its object shows; always computed anew, never read back as
truth."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from controller.cluster.kubernetes.labels import (
    EXPERIMENT,
    EXPERIMENT_ID,
    MANAGED_BY,
    MANAGER,
    TRIAL,
)
from controller.cluster.kubernetes.objects import ExperimentObject
from controller.core.experiment import Experiment, LiveTrial
from events.facts import ExperimentState, TrialState
from events.ids import TrialNumber, trial_name
from events.spec.objective import Observation
from events.spec.placeholders import written
from events.spec.space import Assignment

MOST_NAMES = 100
"""At most, in each list of the status."""
ENDS = {
    ExperimentState.SUCCEEDED: "Succeeded",
    ExperimentState.FAILED: "Failed",
    ExperimentState.STOPPED: "Stopped",
}
"""Final states and the types of their conditions."""
REFUSED = "Refused"
FAILED = "ExperimentFailed"
"""Katib's one reason for an experiment that has failed; the message says why."""
Status = dict[str, Any]


def format_time(at: datetime) -> str:
    """A time as Kubernetes writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(
    obj: ExperimentObject, experiment: Experiment, best: "ShownTrial | None", at: datetime
) -> Status:
    """The status of an experiment that was admitted. `best`: its best trial, if it has one."""
    progress, counts = experiment.progress, experiment.progress.counts
    pending = [
        number for number, trial in progress.live.items() if trial.state is not TrialState.RUNNING
    ]
    running = [
        number for number, trial in progress.live.items() if trial.state is TrialState.RUNNING
    ]
    budget = (
        "" if experiment.spec.max_trial_count is None else f"/{experiment.spec.max_trial_count}"
    )
    status: Status = {
        "state": progress.state.value,
        "progress": f"{counts.concluded}{budget}",
        "best": _best_text(experiment),
        "startTime": obj.created,
        "trials": progress.proposed,
        "trialsSucceeded": counts.succeeded,
        "trialsFailed": counts.failed,
        "trialsKilled": counts.killed,
        "trialsEarlyStopped": counts.early_stopped,
        "trialMetricsUnavailable": counts.metrics_unavailable,
        "trialsPending": len(pending),
        "trialsRunning": len(running),
        "pendingTrialList": _names(experiment, pending),
        "runningTrialList": _names(experiment, running),
        "conditions": _conditions(obj, experiment, at),
        "completionTime": None,
    }
    if experiment.done:
        before = obj.status.get("completionTime")
        status["completionTime"] = before or format_time(at)
    if best is not None:
        status["currentOptimalTrial"] = _optimal(experiment, best)
    if experiment.spec.multi_objective:
        members = [member.trial for member in progress.front]
        status["front"] = {"size": len(members), "trials": _names(experiment, members)}
    return status


def _best_text(experiment: Experiment) -> str:
    """The best value or, with several objectives, how many trials the front has."""
    best, front = experiment.progress.best, experiment.progress.front
    if front:
        return f"front of {len(front)}"
    return "" if best is None else written(best.value)


def refused_status(obj: ExperimentObject, reason: str, message: str, at: datetime) -> Status:
    """The status of an experiment that cannot be admitted."""
    return {
        "state": REFUSED,
        "conditions": with_condition(obj, at, "Failed", True, reason, message),
    }


class ShownTrial:
    """The trial that is shown as the best one."""

    def __init__(
        self,
        number: TrialNumber,
        assignment: Assignment,
        observation: Observation,
        state: TrialState,
    ) -> None:
        self.number, self.assignment, self.observation = number, assignment, observation
        self.state = state


def with_condition(
    obj: ExperimentObject, at: datetime, kind: str, holds: bool, reason: str, message: str
) -> list[dict[str, Any]]:
    """The conditions of an object, with this one set."""
    return _set(obj.conditions, obj, at, kind, holds, reason, message)


def _set(
    conditions: list[dict[str, Any]],
    obj: ExperimentObject,
    at: datetime,
    kind: str,
    holds: bool,
    reason: str,
    message: str,
) -> list[dict[str, Any]]:
    """As in Katib the last changed condition comes last; its transition time changes only with its
    status."""
    status = "True" if holds else "False"
    before = next((one for one in conditions if one.get("type") == kind), None)
    if before is not None and (before["status"], before.get("reason"), before.get("message")) == (
        status, reason, message,
    ):  # fmt: skip
        return conditions
    same = before is not None and before["status"] == status
    changed = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": format_time(at),
        "lastTransitionTime": before["lastTransitionTime"] if same and before else format_time(at),
        "observedGeneration": obj.generation,
    }
    return [*(one for one in conditions if one is not before), changed]


def _conditions(
    obj: ExperimentObject, experiment: Experiment, at: datetime
) -> list[dict[str, Any]]:
    state, verdict = experiment.progress.state, experiment.progress.verdict
    found = obj.conditions
    found = _set(found, obj, at, "Created", True, "ExperimentCreated", "Experiment is created")
    found = _waiting(found, obj, experiment, at)
    for ended, kind in ENDS.items():
        if state is not ended and any(
            one.get("type") == kind and one["status"] == "True" for one in found
        ):
            found = _set(
                found, obj, at, kind, False, "ExperimentRestarting", "Experiment is restarted"
            )
    if state is ExperimentState.RUNNING:
        return _set(found, obj, at, "Running", True, "ExperimentRunning", "Experiment is running")
    reason = "ExperimentPaused" if verdict is None else verdict.reason.value
    message = "Experiment is paused" if verdict is None else verdict.message
    found = _set(found, obj, at, "Running", False, reason, message)
    if state is ExperimentState.FAILED:
        reason = FAILED
    return _set(found, obj, at, ENDS[state], True, reason, message) if state in ENDS else found


def _waiting(
    found: list[dict[str, Any]], obj: ExperimentObject, experiment: Experiment, at: datetime
) -> list[dict[str, Any]]:
    """Set TrialsWaiting: does something unusual delay a trial?"""
    delayed = next(
        ((number, one) for number, one in experiment.progress.live.items() if one.waiting), None
    )
    if delayed is not None:
        number, trial = delayed
        message = f"{trial_name(experiment.identity.name, number)}: {trial.waiting_message}"
        return _set(found, obj, at, "TrialsWaiting", True, trial.waiting, message)
    if any(one.get("type") == "TrialsWaiting" for one in found):
        return _set(found, obj, at, "TrialsWaiting", False, "TrialsStart", "No trial waits")
    return found


def _names(experiment: Experiment, numbers: list[TrialNumber]) -> list[str]:
    return [trial_name(experiment.identity.name, number) for number in numbers[:MOST_NAMES]]


def _optimal(experiment: Experiment, best: ShownTrial) -> dict[str, Any]:
    metrics = [
        {"name": name, **{of: _number(getattr(one, of)) for of in ("min", "max", "latest")}}
        for name, one in best.observation.items()
    ]
    return {
        "bestTrialName": trial_name(experiment.identity.name, best.number),
        "parameterAssignments": _pairs(best.assignment),
        "observation": {"metrics": metrics},
    }


def _number(value: float | None) -> str:
    return "unavailable" if value is None else written(value)


def _pairs(assignment: Assignment) -> list[dict[str, str]]:
    return [{"name": name, "value": written(value)} for name, value in assignment.items()]


def trial_of(
    obj: ExperimentObject,
    experiment: Experiment,
    number: TrialNumber,
    assignment: Assignment,
    status: Mapping[str, Any],
) -> dict[str, Any]:
    """The object that shows a trial; its owner is the experiment's object `obj`, and it is deleted
    with that."""
    owner = {
        "apiVersion": obj.api_version, "kind": "Experiment", "name": experiment.identity.name,
        "uid": str(obj.id), "controller": True,
    }  # fmt: skip
    return {
        "apiVersion": "trialstream.io/v1alpha1",
        "kind": "Trial",
        "metadata": {
            "name": trial_name(experiment.identity.name, number),
            "namespace": experiment.identity.namespace,
            "labels": {
                MANAGED_BY: MANAGER,
                EXPERIMENT: experiment.identity.name,
                EXPERIMENT_ID: str(experiment.identity.id),
                TRIAL: str(number),
            },
            "ownerReferences": [owner],
        },
        "spec": {
            "experiment": experiment.identity.name,
            "trial": number,
            "parameterAssignments": _pairs(assignment),
        },
        "status": dict(status),
    }


def live_status(trial: LiveTrial) -> dict[str, Any]:
    return {"state": trial.state.value, "attempt": trial.attempt, "reason": trial.waiting}


def best_status(best: ShownTrial, value: float) -> dict[str, Any]:
    """The status of the trial that is shown as the best one."""
    return {"state": best.state.value, "value": written(value)}
