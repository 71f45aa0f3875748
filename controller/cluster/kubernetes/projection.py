"""What an experiment's object shows of it: a small status, recomputed from what is known, never read back as truth."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from controller.cluster.kubernetes.labels import EXPERIMENT, EXPERIMENT_ID, MANAGED_BY, TRIAL, US, Object
from controller.core.experiment import Experiment, LiveTrial
from events.facts import ExperimentState, TrialState
from events.ids import TrialNumber, trial_name
from events.spec.objective import Observation
from events.spec.placeholders import written
from events.spec.space import Assignment

MOST_NAMES = 100
"""In a list of the status."""
ENDS = {
    ExperimentState.SUCCEEDED: "Succeeded",
    ExperimentState.FAILED: "Failed",
    ExperimentState.STOPPED: "Stopped",
}
"""States and the conditions that say so."""
REFUSED = "Refused"
Status = dict[str, Any]


def moment(at: datetime) -> str:
    """As Kubernetes writes a time."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(thing: Object, known: Experiment, best: "Shown | None", at: datetime) -> Status:
    """The status of an experiment that was admitted. `best`: its best trial, if it has one."""
    progress, counts = known.progress, known.progress.counts
    pending = [number for number, trial in progress.live.items() if trial.state is not TrialState.RUNNING]
    running = [number for number, trial in progress.live.items() if trial.state is TrialState.RUNNING]
    budget = "" if known.spec.max_trial_count is None else f"/{known.spec.max_trial_count}"
    status: Status = {
        "state": progress.state.value,
        "progress": f"{counts.concluded}{budget}",
        "best": _best_words(known),
        "startTime": thing["metadata"].get("creationTimestamp"),
        "trials": progress.proposed,
        "trialsSucceeded": counts.succeeded,
        "trialsFailed": counts.failed,
        "trialsKilled": counts.killed,
        "trialsEarlyStopped": counts.early_stopped,
        "trialMetricsUnavailable": counts.metrics_unavailable,
        "trialsPending": len(pending),
        "trialsRunning": len(running),
        "pendingTrialList": _names(known, pending),
        "runningTrialList": _names(known, running),
        "conditions": _conditions(thing, known, at),
        "completionTime": None,
    }
    if known.done:
        before = (thing.get("status") or {}).get("completionTime")
        status["completionTime"] = before or moment(at)
    if best is not None:
        status["currentOptimalTrial"] = _optimal(known, best)
    if known.spec.several:
        members = [member.trial for member in progress.front]
        status["front"] = {"size": len(members), "trials": _names(known, members)}
    return status


def _best_words(known: Experiment) -> str:
    """The best value or, with several objectives, how many trials the front has."""
    best, front = known.progress.best, known.progress.front
    if front:
        return f"front of {len(front)}"
    return "" if best is None else written(best.value)


def refused(thing: Object, reason: str, message: str, at: datetime) -> Status:
    """The status of an experiment that cannot be admitted."""
    return {"state": REFUSED, "conditions": with_condition(thing, at, "Failed", True, reason, message)}


class Shown:
    """A trial as it is shown."""

    def __init__(self, number: TrialNumber, assignment: Assignment, observation: Observation) -> None:
        self.number, self.assignment, self.observation = number, assignment, observation


def with_condition(
    thing: Object, at: datetime, kind: str, holds: bool, reason: str, message: str
) -> list[dict[str, Any]]:
    """The conditions of an object, with this one set."""
    return _set(list((thing.get("status") or {}).get("conditions") or ()), thing, at, kind, holds, reason, message)


def _set(
    conditions: list[dict[str, Any]], thing: Object, at: datetime, kind: str, holds: bool, reason: str, message: str
) -> list[dict[str, Any]]:
    """As Katib has it: what has changed last comes last; the transition is that of the status alone."""
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
        "lastUpdateTime": moment(at),
        "lastTransitionTime": before["lastTransitionTime"] if same and before else moment(at),
        "observedGeneration": thing["metadata"].get("generation", 0),
    }
    return [*(one for one in conditions if one is not before), changed]


def _conditions(thing: Object, known: Experiment, at: datetime) -> list[dict[str, Any]]:
    state, verdict = known.progress.state, known.progress.verdict
    found = list((thing.get("status") or {}).get("conditions") or ())
    found = _set(found, thing, at, "Created", True, "ExperimentCreated", "Experiment is created")
    found = _waiting(found, thing, known, at)
    for ended, kind in ENDS.items():
        if state is not ended and any(one.get("type") == kind and one["status"] == "True" for one in found):
            found = _set(found, thing, at, kind, False, "ExperimentRestarting", "Experiment goes on")
    if state is ExperimentState.RUNNING:
        return _set(found, thing, at, "Running", True, "ExperimentRunning", "Experiment is running")
    reason = "ExperimentPaused" if verdict is None else verdict.reason.value
    message = "Experiment is paused" if verdict is None else verdict.message
    found = _set(found, thing, at, "Running", False, reason, message)
    return _set(found, thing, at, ENDS[state], True, reason, message) if state in ENDS else found


def _waiting(found: list[dict[str, Any]], thing: Object, known: Experiment, at: datetime) -> list[dict[str, Any]]:
    """Does something unusual keep a trial?"""
    kept = next(((number, one) for number, one in known.progress.live.items() if one.waiting), None)
    if kept is not None:
        number, trial = kept
        words = f"{trial_name(known.identity.name, number)}: {trial.waiting_message}"
        return _set(found, thing, at, "TrialsWaiting", True, trial.waiting, words)
    if any(one.get("type") == "TrialsWaiting" for one in found):
        return _set(found, thing, at, "TrialsWaiting", False, "TrialsStart", "No trial is kept waiting")
    return found


def _names(known: Experiment, numbers: list[TrialNumber]) -> list[str]:
    return [trial_name(known.identity.name, number) for number in numbers[:MOST_NAMES]]


def _optimal(known: Experiment, best: Shown) -> dict[str, Any]:
    metrics = [
        {"name": name, **{of: _number(getattr(one, of)) for of in ("min", "max", "latest")}}
        for name, one in best.observation.items()
    ]
    return {
        "bestTrialName": trial_name(known.identity.name, best.number),
        "parameterAssignments": _pairs(best.assignment),
        "observation": {"metrics": metrics},
    }


def _number(value: float | None) -> str:
    return "unavailable" if value is None else written(value)


def _pairs(assignment: Assignment) -> list[dict[str, str]]:
    return [{"name": name, "value": written(value)} for name, value in assignment.items()]


def trial_of(
    thing: Object, known: Experiment, number: TrialNumber, assignment: Assignment, status: Mapping[str, Any]
) -> dict[str, Any]:
    """The object that shows a trial; it belongs to the experiment's object `thing`, and goes with it."""
    owner = {
        "apiVersion": thing["apiVersion"], "kind": "Experiment", "name": known.identity.name,
        "uid": thing["metadata"]["uid"], "controller": True,
    }  # fmt: skip
    return {
        "apiVersion": "trialstream.io/v1alpha1",
        "kind": "Trial",
        "metadata": {
            "name": trial_name(known.identity.name, number),
            "namespace": known.identity.namespace,
            "labels": {
                MANAGED_BY: US,
                EXPERIMENT: known.identity.name,
                EXPERIMENT_ID: str(known.identity.id),
                TRIAL: str(number),
            },
            "ownerReferences": [owner],
        },
        "spec": {"experiment": known.identity.name, "trial": number, "parameterAssignments": _pairs(assignment)},
        "status": dict(status),
    }


def live_status(trial: LiveTrial) -> dict[str, Any]:
    return {"state": trial.state.value, "attempt": trial.attempt, "reason": trial.waiting}
