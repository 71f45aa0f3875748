"""What people ask for and what is observed of workloads, searches and the clock: the input of every
decision."""

from typing import Annotated, Literal, TypeGuard, get_args

from pydantic import Field

from events.diagnosis import Diagnosis
from events.facts import Cause
from events.ids import Trial
from events.model import (
    Count,
    Int32,
    Int64,
    Many,
    Message,
    MessageText,
    Name,
    Parallel,
    Positive,
    Seed,
    Text,
)
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Observation
from events.spec.space import Assignment


class ExperimentSubmitted(Message):
    type: Literal["experiment.submitted"] = "experiment.submitted"
    name: Name
    namespace: Name
    spec: ExperimentSpec
    seed: Seed
    origin: Text | None = None


class StopRequested(Message):
    type: Literal["experiment.stop"] = "experiment.stop"


class PauseRequested(Message):
    type: Literal["experiment.pause"] = "experiment.pause"


class ResumeRequested(Message):
    type: Literal["experiment.resume"] = "experiment.resume"


class ExtensionRequested(Message):
    type: Literal["experiment.extend"] = "experiment.extend"
    max_trial_count: Positive


class EditRequested(Message):
    """These limits of the spec hold from now on; None = no limit."""

    type: Literal["experiment.edit"] = "experiment.edit"
    parallel_trial_count: Parallel
    max_trial_count: Positive | None = None
    max_failed_trial_count: Count | None = None


class DeletionRequested(Message):
    """Stop the experiment, then forget it."""

    type: Literal["experiment.delete"] = "experiment.delete"


class SuggestionsMade(Message):
    """The search's answer to a request: fewer than asked for if it is exhausted, or an error.

    None at all, and neither of these: it has none for now, and the request stays open.
    """

    type: Literal["suggestions.made"] = "suggestions.made"
    request: Int64
    assignments: Annotated[tuple[Assignment, ...], Many] = ()
    told: Count = 0
    exhausted: bool = False
    error: MessageText | None = None


class TrialJudged(Message):
    """An early-stopping rule found that the attempt is not worth continuing."""

    type: Literal["trial.judged"] = "trial.judged"
    trial: Trial
    attempt: Positive
    message: MessageText


class WorkloadWaiting(Message):
    """The attempt cannot start yet, or does not run at the moment."""

    type: Literal["workload.waiting"] = "workload.waiting"
    trial: Trial
    attempt: Positive
    reason: MessageText
    message: MessageText = ""


class WorkloadStarted(Message):
    type: Literal["workload.started"] = "workload.started"
    trial: Trial
    attempt: Positive


class WorkloadEnded(Message):
    type: Literal["workload.ended"] = "workload.ended"
    trial: Trial
    attempt: Positive
    cause: Cause
    exit_code: Int32 | None = None
    message: MessageText = ""


class MetricsCollected(Message):
    """Everything that the attempt reported is stored; this is its summary."""

    type: Literal["metrics.collected"] = "metrics.collected"
    trial: Trial
    attempt: Positive
    observation: Observation
    diagnosis: Diagnosis | None = None


class TimePassed(Message):
    """A tick of the clock, for budgets in seconds."""

    type: Literal["time.passed"] = "time.passed"


Signal = (
    ExperimentSubmitted
    | StopRequested
    | PauseRequested
    | ResumeRequested
    | ExtensionRequested
    | EditRequested
    | DeletionRequested
    | SuggestionsMade
    | TrialJudged
    | WorkloadWaiting
    | WorkloadStarted
    | WorkloadEnded
    | MetricsCollected
    | TimePassed
)
AnySignal = Annotated[Signal, Field(discriminator="type")]
_SIGNALS = frozenset(get_args(Signal))


def is_signal(message: object) -> TypeGuard[Signal]:
    """As `isinstance(message, Signal)`, but faster: that compares with one class after the
    other."""
    return type(message) in _SIGNALS
