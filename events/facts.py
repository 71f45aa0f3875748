"""Every fact that the controller decides, as one closed union: the public stream of an experiment.

Facts are named in the past tense and carry no identity and no clock of their own: the envelope
around them does. Readers ignore fields they do not know, so fields may be added, never removed or
changed.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeGuard, get_args

from pydantic import Field, model_validator

from events.diagnosis import Diagnosis
from events.ids import Trial
from events.model import (
    Int32,
    Int64,
    Many,
    Message,
    MessageText,
    Name,
    Positive,
    Text,
    Time,
)
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Observation
from events.spec.space import Assignment


class TrialState(StrEnum):
    PROPOSED = "Proposed"
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    EARLY_STOPPED = "EarlyStopped"
    KILLED = "Killed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"


TERMINAL = frozenset(
    {
        TrialState.SUCCEEDED,
        TrialState.FAILED,
        TrialState.EARLY_STOPPED,
        TrialState.KILLED,
        TrialState.METRICS_UNAVAILABLE,
    }
)


class Cause(StrEnum):
    """How an attempt ended, told apart because each has its own retry rule."""

    COMPLETED = "Completed"
    """Exit status 0."""
    ERROR = "Error"
    """Another exit status."""
    SIGNAL = "Signal"
    """Killed by a signal that was not ours."""
    OUT_OF_MEMORY = "OutOfMemory"
    SPAWN_FAILURE = "SpawnFailure"
    """The program could not be started."""
    TIMEOUT = "Timeout"
    LOST = "Lost"
    """What ran it is gone (machine, node, supervisor), so the exit status is unknown."""
    PREEMPTED = "Preempted"
    """Ended by the cluster to make room for something else."""
    CANCELLED = "Cancelled"
    """Stopped because we asked for it."""


class StopReason(StrEnum):
    """Why a running trial is asked to stop."""

    EARLY_STOPPING = "EarlyStopping"
    EXPERIMENT_ENDED = "ExperimentEnded"
    EXPERIMENT_PAUSED = "ExperimentPaused"


class ExperimentState(StrEnum):
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"


class Reason(StrEnum):
    """Why an experiment ended; Katib's words where Katib has one."""

    GOAL_REACHED = "ExperimentGoalReached"
    MAX_TRIALS_REACHED = "ExperimentMaxTrialsReached"
    SEARCH_EXHAUSTED = "ExperimentSuggestionEndReached"
    WALL_CLOCK_REACHED = "ExperimentWallClockReached"
    MAX_FAILED_REACHED = "ExperimentMaxFailedTrialsReached"
    SEARCH_FAILED = "ExperimentSuggestionFailed"
    STOPPED = "ExperimentStopped"


class ExperimentAdmitted(Message):
    type: Literal["experiment.admitted"] = "experiment.admitted"
    name: Name
    namespace: Name
    spec: ExperimentSpec
    seed: Int64
    origin: Text | None = None
    """The folder of the experiment file, where local trials start."""
    deadline: Time | None = None


class SuggestionsRequested(Message):
    """The search is asked to suggest `count` trials; requests of an experiment are numbered from
    1."""

    type: Literal["suggestions.requested"] = "suggestions.requested"
    request: Int64
    count: Int64


class TrialProposed(Message):
    type: Literal["trial.proposed"] = "trial.proposed"
    trial: Trial
    assignment: Assignment
    told: Int32
    """How many conclusions the search had been told when it made this suggestion."""


class TrialScheduled(Message):
    """An attempt of the trial is to start; attempts are numbered from 1."""

    type: Literal["trial.scheduled"] = "trial.scheduled"
    trial: Trial
    attempt: Positive


class TrialWaiting(Message):
    """The attempt cannot start yet; `reason` is a word of Kubernetes, such as Unschedulable."""

    type: Literal["trial.waiting"] = "trial.waiting"
    trial: Trial
    attempt: Positive
    reason: MessageText
    message: MessageText = ""


class TrialStarted(Message):
    type: Literal["trial.started"] = "trial.started"
    trial: Trial
    attempt: Positive


class TrialStopRequested(Message):
    type: Literal["trial.stop-requested"] = "trial.stop-requested"
    trial: Trial
    attempt: Positive
    reason: StopReason
    message: MessageText = ""


class AttemptEnded(Message):
    """The attempt's workload ended; its last metrics are still awaited, or the trial is tried
    again."""

    type: Literal["attempt.ended"] = "attempt.ended"
    trial: Trial
    attempt: Positive
    cause: Cause
    exit_code: Int32 | None = None
    message: MessageText = ""


class ObservationRecorded(Message):
    """All metrics of the attempt are in; its workload's end is still awaited."""

    type: Literal["observation.recorded"] = "observation.recorded"
    trial: Trial
    attempt: Positive
    observation: Observation
    diagnosis: Diagnosis | None = None
    """What the collector saw beside the values, where metrics are missing or some were left out."""


class TrialPaused(Message):
    type: Literal["trial.paused"] = "trial.paused"
    trial: Trial
    attempt: Positive


class TrialConcluded(Message):
    """The trial has its one conclusion. `value` is the first objective's value that counts, if
    there is one."""

    type: Literal["trial.concluded"] = "trial.concluded"
    trial: Trial
    attempt: Positive
    state: TrialState
    cause: Cause
    exit_code: Int32 | None = None
    message: MessageText = ""
    observation: Observation = Field(default_factory=dict)
    value: float | None = None
    values: Annotated[tuple[float | None, ...], Many] = ()
    """The values that count, one an objective; None where there is no finite one."""
    violations: Annotated[tuple[float | None, ...], Many] = ()
    """One an outcome constraint: by how much it is missed, 0 where it holds, None where its metric
    has no value."""
    best: bool = False
    """Was it now the best trial or, with several objectives, one of the Pareto front?"""
    diagnosis: Diagnosis | None = None
    """What the collector saw beside the values, where the trial was left without an objective, or
    values were left out."""

    @model_validator(mode="before")
    @classmethod
    def _with_values(cls, data: Any) -> Any:
        """Facts written before there could be several objectives have one value."""
        if isinstance(data, dict) and "values" not in data and data.get("value") is not None:
            return {**data, "values": (data["value"],)}
        return data


class SearchExhausted(Message):
    """The search has nothing more to suggest."""

    type: Literal["search.exhausted"] = "search.exhausted"


class BudgetExtended(Message):
    type: Literal["budget.extended"] = "budget.extended"
    max_trial_count: Int64


class SpecEdited(Message):
    """The spec has these limits from now on; None = no limit."""

    type: Literal["spec.edited"] = "spec.edited"
    parallel_trial_count: Int64
    max_trial_count: Int64 | None = None
    max_failed_trial_count: Int64 | None = None


class ExperimentPaused(Message):
    type: Literal["experiment.paused"] = "experiment.paused"
    seconds_left: float | None = None
    """What is left of the wall-clock budget."""


class ExperimentResumed(Message):
    type: Literal["experiment.resumed"] = "experiment.resumed"
    deadline: Time | None = None


class ExperimentEnding(Message):
    """The experiment will conclude so once the trials that still run have been stopped."""

    type: Literal["experiment.ending"] = "experiment.ending"
    state: ExperimentState
    reason: Reason
    message: MessageText


class ExperimentConcluded(Message):
    type: Literal["experiment.concluded"] = "experiment.concluded"
    state: ExperimentState
    reason: Reason
    message: MessageText
    best: Trial | None = None
    """With one objective, the best trial."""
    front: Annotated[tuple[Trial, ...], Many] = ()
    """With several, the trials of the Pareto front, at most 100 of them."""
    seconds_left: float | None = None
    """What is left of the wall-clock budget, should the experiment be resumed."""


class ExperimentDeleting(Message):
    """The experiment is deleted as soon as nothing of it runs any more."""

    type: Literal["experiment.deleting"] = "experiment.deleting"


class ExperimentDeleted(Message):
    """The last fact of an experiment: what is known of it is deleted now."""

    type: Literal["experiment.deleted"] = "experiment.deleted"


Fact = (
    ExperimentAdmitted
    | SuggestionsRequested
    | TrialProposed
    | TrialScheduled
    | TrialWaiting
    | TrialStarted
    | TrialStopRequested
    | AttemptEnded
    | ObservationRecorded
    | TrialPaused
    | TrialConcluded
    | SearchExhausted
    | BudgetExtended
    | SpecEdited
    | ExperimentPaused
    | ExperimentResumed
    | ExperimentEnding
    | ExperimentConcluded
    | ExperimentDeleting
    | ExperimentDeleted
)
AnyFact = Annotated[Fact, Field(discriminator="type")]
_FACTS = frozenset(get_args(Fact))


def is_fact(message: object) -> TypeGuard[Fact]:
    """As `isinstance(message, Fact)`, but faster: that compares with one class after the other."""
    return type(message) in _FACTS
