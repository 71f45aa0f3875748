"""What people ask for and what is observed of workloads, searches and the clock: the input of every
decision."""

from typing import Annotated, Literal, TypeGuard, get_args

from pydantic import Field

from events.facts import Cause
from events.ids import TrialNumber
from events.model import Message
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Observation
from events.spec.space import Assignment


class ExperimentSubmitted(Message):
    type: Literal["experiment.submitted"] = "experiment.submitted"
    name: str
    namespace: str
    spec: ExperimentSpec
    seed: int
    origin: str | None = None


class StopRequested(Message):
    type: Literal["experiment.stop"] = "experiment.stop"


class PauseRequested(Message):
    type: Literal["experiment.pause"] = "experiment.pause"


class ResumeRequested(Message):
    type: Literal["experiment.resume"] = "experiment.resume"


class ExtensionRequested(Message):
    type: Literal["experiment.extend"] = "experiment.extend"
    max_trial_count: int


class EditRequested(Message):
    """These limits of the spec hold from now on; None = no limit."""

    type: Literal["experiment.edit"] = "experiment.edit"
    parallel_trial_count: int
    max_trial_count: int | None = None
    max_failed_trial_count: int | None = None


class DeletionRequested(Message):
    """Stop the experiment, then forget it."""

    type: Literal["experiment.delete"] = "experiment.delete"


class SuggestionsMade(Message):
    """The search's answer to a request: fewer than asked for if it is exhausted, or an error.

    None at all, and neither of these: it has none for now, and the request stays open.
    """

    type: Literal["suggestions.made"] = "suggestions.made"
    request: int
    assignments: tuple[Assignment, ...] = ()
    told: int = 0
    exhausted: bool = False
    error: str | None = None


class TrialJudged(Message):
    """An early-stopping rule found that the attempt is not worth continuing."""

    type: Literal["trial.judged"] = "trial.judged"
    trial: TrialNumber
    attempt: int
    message: str


class WorkloadWaiting(Message):
    """The attempt cannot start yet, or does not run at the moment."""

    type: Literal["workload.waiting"] = "workload.waiting"
    trial: TrialNumber
    attempt: int
    reason: str
    message: str = ""


class WorkloadStarted(Message):
    type: Literal["workload.started"] = "workload.started"
    trial: TrialNumber
    attempt: int


class WorkloadEnded(Message):
    type: Literal["workload.ended"] = "workload.ended"
    trial: TrialNumber
    attempt: int
    cause: Cause
    exit_code: int | None = None
    message: str = ""


class MetricsCollected(Message):
    """Everything that the attempt reported is stored; this is its summary."""

    type: Literal["metrics.collected"] = "metrics.collected"
    trial: TrialNumber
    attempt: int
    observation: Observation


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
