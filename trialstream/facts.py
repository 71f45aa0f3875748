"""The facts that the controller decides, as plain data. Generated from events/facts.py.

`make docs` writes this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Optional, Union


class Word(str, Enum):
    """A value that is its own text."""

    __str__ = str.__str__


class StopReason(Word):
    """Why a running trial is asked to stop."""

    EARLY_STOPPING = "EarlyStopping"
    EXPERIMENT_ENDED = "ExperimentEnded"
    EXPERIMENT_PAUSED = "ExperimentPaused"


class Cause(Word):
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


@dataclass(frozen=True)
class Summary:
    """All values of one metric in one attempt: finite ones only; `latest` is None if the last was
    not finite."""

    min: Optional[float] = None
    max: Optional[float] = None
    latest: Optional[float] = None
    count: int = 0
    """Values reported, the non-finite ones included."""
    text: Optional[str] = None
    """The last text, of a metric that is one; it is no value, and never ranks."""


@dataclass(frozen=True)
class RefusedValue:
    """A value of a wanted metric that is no number, as it was written."""

    metric: str
    value: str


@dataclass(frozen=True)
class ReadTag:
    """A tag of event files, after its folder, whose scalars are a metric's values."""

    metric: str
    tag: str


@dataclass(frozen=True)
class Diagnosis:
    """Counts, and of each kind a few examples."""

    silent: bool = False
    """The collector has not said that it has read everything: it did not start, or is gone."""
    absent: bool = False
    """There was nothing to read: no log, no file, no event file in the folder."""
    empty: bool = False
    """There was something to read, and nothing in it."""
    failure: str = ""
    """Why the last try to read something failed."""
    leads_out_of: str = ""
    """The folder out of which a link leads that stands in the place of what there was to read, and
    which is not followed."""
    refused: int = 0
    """Values of wanted metrics that are no numbers."""
    values: tuple[RefusedValue, ...] = ()
    others: tuple[str, ...] = ()
    """Names that were reported and that nobody asked for."""
    nearest: tuple[str, ...] = ()
    """The lines that are most like a report of what is missing."""
    preset: str = ""
    """The ready filter that finds it in what was printed, if one does."""
    skipped: int = 0
    """Lines that are no JSON objects, where these are expected."""
    cut: int = 0
    """Lines that are longer than what is read of one."""
    texts_cut: int = 0
    """Texts of which the end was cut off, as they were too long."""
    texts_left_out: int = 0
    """Texts of further metrics than may have one."""
    broken: int = 0
    """Records of event files that are damaged, and were left out."""
    files_cut: int = 0
    """Event files of which the rest was left out, as the length of a record is damaged."""
    too_long: int = 0
    """Records of event files that are longer than those that are read."""
    files_left_out: int = 0
    """Event files beyond as many as are read."""
    mixed: tuple[ReadTag, ...] = ()
    """Where the values of a metric are those of several tags, or of one that only begins like
    it."""
    late: bool = False
    """All values came in the last moments of a run that was not short."""


class TrialState(Word):
    PROPOSED = "Proposed"
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    EARLY_STOPPED = "EarlyStopped"
    KILLED = "Killed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"


class ExperimentState(Word):
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"


class Reason(Word):
    """Why an experiment ended; Katib's words where Katib has one."""

    GOAL_REACHED = "ExperimentGoalReached"
    MAX_TRIALS_REACHED = "ExperimentMaxTrialsReached"
    SEARCH_EXHAUSTED = "ExperimentSuggestionEndReached"
    WALL_CLOCK_REACHED = "ExperimentWallClockReached"
    MAX_FAILED_REACHED = "ExperimentMaxFailedTrialsReached"
    SEARCH_FAILED = "ExperimentSuggestionFailed"
    STOPPED = "ExperimentStopped"


@dataclass(frozen=True)
class ExperimentAdmitted:
    type: ClassVar[str] = "experiment.admitted"
    name: str
    namespace: str
    spec: Mapping[str, Any]
    seed: int
    origin: Optional[str] = None
    """The folder of the experiment file, where local trials start."""
    deadline: Optional[datetime] = None


@dataclass(frozen=True)
class SuggestionsRequested:
    """The search is asked to suggest `count` trials; requests of an experiment are numbered from
    1."""

    type: ClassVar[str] = "suggestions.requested"
    request: int
    count: int


@dataclass(frozen=True)
class TrialProposed:
    type: ClassVar[str] = "trial.proposed"
    trial: int
    assignment: Mapping[str, Union[bool, int, float, str]]
    told: int
    """How many conclusions the search had been told when it made this suggestion."""


@dataclass(frozen=True)
class TrialScheduled:
    """An attempt of the trial is to start; attempts are numbered from 1."""

    type: ClassVar[str] = "trial.scheduled"
    trial: int
    attempt: int


@dataclass(frozen=True)
class TrialWaiting:
    """The attempt cannot start yet; `reason` is a word of Kubernetes, such as Unschedulable."""

    type: ClassVar[str] = "trial.waiting"
    trial: int
    attempt: int
    reason: str
    message: str = ""


@dataclass(frozen=True)
class TrialStarted:
    type: ClassVar[str] = "trial.started"
    trial: int
    attempt: int


@dataclass(frozen=True)
class TrialStopRequested:
    type: ClassVar[str] = "trial.stop-requested"
    trial: int
    attempt: int
    reason: StopReason
    message: str = ""


@dataclass(frozen=True)
class AttemptEnded:
    """The attempt's workload ended; its last metrics are still awaited, or the trial is tried
    again."""

    type: ClassVar[str] = "attempt.ended"
    trial: int
    attempt: int
    cause: Cause
    exit_code: Optional[int] = None
    message: str = ""


@dataclass(frozen=True)
class ObservationRecorded:
    """All metrics of the attempt are in; its workload's end is still awaited."""

    type: ClassVar[str] = "observation.recorded"
    trial: int
    attempt: int
    observation: Mapping[str, Summary]
    diagnosis: Optional[Diagnosis] = None
    """What the collector saw beside the values, where metrics are missing or some were left out."""


@dataclass(frozen=True)
class TrialPaused:
    type: ClassVar[str] = "trial.paused"
    trial: int
    attempt: int


@dataclass(frozen=True)
class TrialConcluded:
    """The trial has its one conclusion. `value` is the first objective's value that counts, if
    there is one."""

    type: ClassVar[str] = "trial.concluded"
    trial: int
    attempt: int
    state: TrialState
    cause: Cause
    exit_code: Optional[int] = None
    message: str = ""
    observation: Mapping[str, Summary] = field(default_factory=dict)
    value: Optional[float] = None
    values: tuple[Optional[float], ...] = ()
    """The values that count, one an objective; None where there is no finite one."""
    violations: tuple[Optional[float], ...] = ()
    """One an outcome constraint: by how much it is missed, 0 where it holds, None where its metric
    has no value."""
    best: bool = False
    """Was it now the best trial or, with several objectives, one of the Pareto front?"""
    diagnosis: Optional[Diagnosis] = None
    """What the collector saw beside the values, where the trial was left without an objective, or
    values were left out."""


@dataclass(frozen=True)
class SearchExhausted:
    """The search has nothing more to suggest."""

    type: ClassVar[str] = "search.exhausted"


@dataclass(frozen=True)
class BudgetExtended:
    type: ClassVar[str] = "budget.extended"
    max_trial_count: int


@dataclass(frozen=True)
class SpecEdited:
    """The spec has these limits from now on; None = no limit."""

    type: ClassVar[str] = "spec.edited"
    parallel_trial_count: int
    max_trial_count: Optional[int] = None
    max_failed_trial_count: Optional[int] = None


@dataclass(frozen=True)
class ExperimentPaused:
    type: ClassVar[str] = "experiment.paused"
    seconds_left: Optional[float] = None
    """What is left of the wall-clock budget."""


@dataclass(frozen=True)
class ExperimentResumed:
    type: ClassVar[str] = "experiment.resumed"
    deadline: Optional[datetime] = None


@dataclass(frozen=True)
class ExperimentEnding:
    """The experiment will conclude so once the trials that still run have been stopped."""

    type: ClassVar[str] = "experiment.ending"
    state: ExperimentState
    reason: Reason
    message: str


@dataclass(frozen=True)
class ExperimentConcluded:
    type: ClassVar[str] = "experiment.concluded"
    state: ExperimentState
    reason: Reason
    message: str
    best: Optional[int] = None
    """With one objective, the best trial."""
    front: tuple[int, ...] = ()
    """With several, the trials of the Pareto front, at most 100 of them."""
    seconds_left: Optional[float] = None
    """What is left of the wall-clock budget, should the experiment be resumed."""


@dataclass(frozen=True)
class ExperimentDeleting:
    """The experiment is deleted as soon as nothing of it runs any more."""

    type: ClassVar[str] = "experiment.deleting"


@dataclass(frozen=True)
class ExperimentDeleted:
    """The last fact of an experiment: what is known of it is deleted now."""

    type: ClassVar[str] = "experiment.deleted"


Fact = Union[
    ExperimentAdmitted,
    SuggestionsRequested,
    TrialProposed,
    TrialScheduled,
    TrialWaiting,
    TrialStarted,
    TrialStopRequested,
    AttemptEnded,
    ObservationRecorded,
    TrialPaused,
    TrialConcluded,
    SearchExhausted,
    BudgetExtended,
    SpecEdited,
    ExperimentPaused,
    ExperimentResumed,
    ExperimentEnding,
    ExperimentConcluded,
    ExperimentDeleting,
    ExperimentDeleted,
]
