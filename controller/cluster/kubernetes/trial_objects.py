"""A trial → the object that shows it, with Katib's conditions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.cluster.kubernetes.labels import (
    EXPERIMENT,
    EXPERIMENT_ID,
    MANAGED_BY,
    MANAGER,
    TRIAL,
)
from controller.cluster.kubernetes.objects import Condition, ExperimentObject, set_condition
from controller.core.experiment import Experiment, LiveTrial
from events.facts import TrialState
from events.ids import TrialNumber, trial_name
from events.spec.objective import Observation
from events.spec.placeholders import written
from events.spec.space import Assignment

TRIAL_ENDS = {
    TrialState.SUCCEEDED: ("TrialSucceeded", "Trial has succeeded"),
    TrialState.FAILED: ("TrialFailed", "Trial has failed"),
    TrialState.KILLED: ("TrialKilled", "Trial is killed"),
    TrialState.EARLY_STOPPED: ("TrialEarlyStopped", "Trial is early stopped"),
    TrialState.METRICS_UNAVAILABLE: ("MetricsUnavailable", "Metrics are not available"),
}
"""Katib's reasons and messages of the conditions of trials, whose types are the states."""


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


def pairs(assignment: Assignment) -> list[dict[str, str]]:
    return [{"name": name, "value": written(value)} for name, value in assignment.items()]


def shown_number(value: float) -> str:
    """The shortest text that reads back as this number: what a trial printed is not kept."""
    return repr(value).removesuffix(".0")


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
            "parameterAssignments": pairs(assignment),
        },
        "status": dict(status),
    }


def live_status(trial: LiveTrial, before: Sequence[Condition], at: datetime) -> dict[str, Any]:
    """The status of a trial that is not concluded; `before`: the conditions that its object has."""
    return {
        "state": trial.state.value,
        "attempt": trial.attempt,
        "reason": trial.waiting,
        "conditions": _trial_conditions(trial.state, before, at),
    }


def best_status(
    best: ShownTrial, value: float | None, before: Sequence[Condition], at: datetime
) -> dict[str, Any]:
    """The status of the trial that is shown as the best one; `value`: None if that is a text, which
    stands in the status of the experiment."""
    return {
        "state": best.state.value,
        "value": "" if value is None else shown_number(value),
        "conditions": _trial_conditions(best.state, before, at),
    }


def _trial_conditions(
    state: TrialState, before: Sequence[Condition], at: datetime
) -> list[Condition]:
    """Katib's conditions of a trial, the last one last."""
    found = set_condition(list(before), 0, at, "Created", True, "TrialCreated", "Trial is created")
    runs = state in (TrialState.RUNNING, TrialState.EARLY_STOPPED)  # Katib leaves it so
    if runs or state in TRIAL_ENDS or any(one["type"] == "Running" for one in found):
        found = set_condition(found, 0, at, "Running", runs, "TrialRunning", "Trial is running")
    if state in TRIAL_ENDS:
        reason, message = TRIAL_ENDS[state]
        found = set_condition(found, 0, at, state.value, True, reason, message)
    return found
