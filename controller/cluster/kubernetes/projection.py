"""An experiment → the small status that its object shows; always computed anew, never read back as
truth."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.cluster.kubernetes.objects import (
    Condition,
    ExperimentObject,
    format_time,
    set_condition,
)
from controller.cluster.kubernetes.reading import text_of
from controller.cluster.kubernetes.trial_objects import (
    ShownTrial,
    pairs,
    shown_number,
)
from controller.core.experiment import Experiment
from events.facts import ExperimentState, TrialState
from events.ids import TrialNumber, trial_name

MOST_NAMES = 100
"""At most, in each list of the status."""
ENDS = {
    ExperimentState.SUCCEEDED: "Succeeded",
    ExperimentState.FAILED: "Failed",
    ExperimentState.STOPPED: "Stopped",
}
"""Final states and the types of their conditions."""
LIFE = ("Created", "Running", "Restarting", *ENDS.values())
"""Conditions that tell how far it is. They come last: what reads Katib's status reads the last
condition alone."""
REFUSED = "Refused"
FAILED = "ExperimentFailed"
"""Katib's one reason for an experiment that has failed; the message says why."""
FINISHED = {
    TrialState.SUCCEEDED: ("succeeded", "succeededTrialList"),
    TrialState.FAILED: ("failed", "failedTrialList"),
    TrialState.KILLED: ("killed", "killedTrialList"),
    TrialState.EARLY_STOPPED: ("early_stopped", "earlyStoppedTrialList"),
    TrialState.METRICS_UNAVAILABLE: ("metrics_unavailable", "metricsUnavailableTrialList"),
}
"""Final states of trials: the counter, and the list of the latest trials."""
Status = dict[str, Any]
_Stage = tuple[str, bool, str, str]
Listed = Mapping[TrialState, Sequence[TrialNumber]]
"""The concluded trials that are listed, by state, in the order of their numbers."""


def status_of(
    obj: ExperimentObject,
    experiment: Experiment,
    best: ShownTrial | None,
    finished: Listed,
    at: datetime,
) -> Status:
    """The status of an experiment that was admitted. `best`: its best trial, if it has one."""
    progress, counts = experiment.progress, experiment.progress.counts
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
        "conditions": _conditions(obj, experiment, at),
        "completionTime": None,
        **_lists(experiment, finished),
    }
    if experiment.done:
        before = text_of(obj.status, "completionTime")
        status["completionTime"] = before or format_time(at)
    if best is not None:
        status["currentOptimalTrial"] = _optimal(experiment, best)
    if experiment.spec.multi_objective:
        members = [member.trial for member in progress.front]
        status["front"] = {"size": len(members), "trials": _names(experiment, members)}
    return status


def most_listed(experiment: Experiment) -> dict[TrialState, int]:
    """Of each state that trials have been concluded with, how many may have to be listed. Of the
    live trials each may have been concluded since."""
    counts, live = experiment.progress.counts, len(experiment.progress.live)
    known = {state: getattr(counts, counter) for state, (counter, _) in FINISHED.items()}
    return {state: min(MOST_NAMES, count + live) for state, count in known.items() if count}


def _lists(experiment: Experiment, finished: Listed) -> Status:
    """The lists of trials, none longer than MOST_NAMES, and which of them leave some out."""
    live = experiment.progress.live.items()
    running = [number for number, trial in live if trial.state is TrialState.RUNNING]
    pending = [number for number, trial in live if trial.state is not TrialState.RUNNING]
    lists = {"runningTrialList": running, "pendingTrialList": pending}
    short = [name for name, numbers in lists.items() if len(numbers) > MOST_NAMES]
    counts = experiment.progress.counts
    for state, (counter, name) in FINISHED.items():
        lists[name] = list(finished.get(state, ()))
        if len(lists[name]) < getattr(counts, counter):
            short.append(name)
    return {
        "trialsPending": len(pending),
        "trialsRunning": len(running),
        **{name: _names(experiment, numbers) for name, numbers in lists.items()},
        "truncatedTrialLists": short,
    }


def _best_text(experiment: Experiment) -> str:
    """The best value or, with several objectives, how many trials the front has."""
    best, front = experiment.progress.best, experiment.progress.front
    if front:
        return f"front of {len(front)}"
    return "" if best is None or best.value is None else shown_number(best.value)


def refused_status(obj: ExperimentObject, reason: str, message: str, at: datetime) -> Status:
    """The status of an experiment that cannot be admitted."""
    return {
        "state": REFUSED,
        "conditions": with_condition(obj, at, "Failed", True, reason, message),
    }


def with_condition(
    obj: ExperimentObject, at: datetime, kind: str, holds: bool, reason: str, message: str
) -> list[Condition]:
    """The conditions of an object, with this one set."""
    return set_condition(obj.conditions, obj.generation, at, kind, holds, reason, message)


def _conditions(obj: ExperimentObject, experiment: Experiment, at: datetime) -> list[Condition]:
    ended = {kind for state, kind in ENDS.items() if state is not experiment.progress.state}
    found = [one for one in obj.conditions if one.get("type") not in ended]
    for kind, holds, reason, message in _stages(obj, experiment):
        found = set_condition(found, obj.generation, at, kind, holds, reason, message)
    return sorted(found, key=lambda one: one.get("type") in LIFE)


def _stages(obj: ExperimentObject, experiment: Experiment) -> Iterator[_Stage]:
    """The conditions to set, the last one last: type, whether it holds, reason, message."""
    state, verdict = experiment.progress.state, experiment.progress.verdict
    yield "Created", True, "ExperimentCreated", "Experiment is created"
    yield from _waiting(obj, experiment)
    if not experiment.done and _ended(obj):
        yield "Restarting", True, "ExperimentRestarting", "Experiment is restarted"
    if state is ExperimentState.RUNNING:
        yield "Running", True, "ExperimentRunning", "Experiment is running"
        return
    reason = "ExperimentPaused" if verdict is None else verdict.reason.value
    message = "Experiment is paused" if verdict is None else verdict.message
    yield "Running", False, reason, message
    if state in ENDS:
        reason = FAILED if state is ExperimentState.FAILED else reason
        yield ENDS[state], True, reason, message


def _ended(obj: ExperimentObject) -> bool:
    """Does the object say that an experiment has ended? One that was refused never began."""
    return obj.status.get("state") != REFUSED and any(
        one.get("type") in ENDS.values() and one["status"] == "True" for one in obj.conditions
    )


def _waiting(obj: ExperimentObject, experiment: Experiment) -> Iterator[_Stage]:
    """TrialsWaiting: does something unusual delay a trial?"""
    delayed = next(
        ((number, one) for number, one in experiment.progress.live.items() if one.waiting), None
    )
    if delayed is not None:
        number, trial = delayed
        message = f"{trial_name(experiment.identity.name, number)}: {trial.waiting_message}"
        yield "TrialsWaiting", True, trial.waiting, message
    elif any(one.get("type") == "TrialsWaiting" for one in obj.conditions):
        yield "TrialsWaiting", False, "TrialsStart", "No trial waits"


def _names(experiment: Experiment, numbers: list[TrialNumber]) -> list[str]:
    return [trial_name(experiment.identity.name, number) for number in numbers[:MOST_NAMES]]


def _optimal(experiment: Experiment, best: ShownTrial) -> dict[str, Any]:
    metrics = [
        {
            "name": name,
            "min": _number(one.min),
            "max": _number(one.max),
            "latest": _number(one.latest) if one.text is None else one.text,
        }
        for name, one in best.observation.items()
    ]
    return {
        "bestTrialName": trial_name(experiment.identity.name, best.number),
        "parameterAssignments": pairs(best.assignment),
        "observation": {"metrics": metrics},
    }


def _number(value: float | None) -> str:
    return "unavailable" if value is None else shown_number(value)
