"""The state of an experiment: its live trials, counts and best trials.

Finished trials are not listed in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from events.diagnosis import Diagnosis
from events.facts import Cause, ExperimentState, Reason, StopReason, TrialState
from events.ids import ExperimentId, TrialNumber
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Observation

MOST_VALUES = 5_000
"""Most parameter values in one request for suggestions: the answer is one record of Kafka, at most
900 KiB."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is set when an experiment is admitted. Later only limits in the spec may change."""

    id: ExperimentId
    name: str
    namespace: str
    spec: ExperimentSpec
    seed: int
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt's workload ended."""

    cause: Cause
    exit_code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class LiveTrial:
    """A trial without a conclusion.

    It is concluded when both its end and its observation are known.
    """

    state: TrialState = TrialState.PROPOSED
    attempt: int = 0
    retries: int = 0
    """Attempts that failed by the trial's own fault and were tried again."""
    losses: int = 0
    """Attempts that were lost to the infrastructure and were tried again."""
    stopping: StopReason | None = None
    stop_message: str = ""
    waiting: str = ""
    """Why the attempt has not started, if something unusual delays it."""
    waiting_message: str = ""
    end: End | None = None
    observation: Observation | None = None
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Concluded trials by state."""

    succeeded: int = 0
    failed: int = 0
    early_stopped: int = 0
    killed: int = 0
    metrics_unavailable: int = 0

    @property
    def concluded(self) -> int:
        return (
            self.succeeded
            + self.failed
            + self.early_stopped
            + self.killed
            + self.metrics_unavailable
        )


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of one objective, with its value; None where that is a text, of which the
    latest counts."""

    trial: TrialNumber
    value: float | None


@dataclass(frozen=True, slots=True)
class Member:
    """A trial of the Pareto front, with its value for each objective."""

    trial: TrialNumber
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """For each objective the worst value of the first `trials` trials that had values."""

    values: tuple[float, ...]
    trials: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the search that has no answer yet."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the experiment ends, or has ended."""

    state: ExperimentState
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The part of an experiment that changes. Its size does not grow with the number of trials."""

    state: ExperimentState = ExperimentState.RUNNING
    verdict: Verdict | None = None
    """Set as soon as the end is decided; `state` follows when no trial is live."""
    live: Mapping[TrialNumber, LiveTrial] = field(default_factory=dict)
    proposed: int = 0
    counts: Counts = Counts()
    best: Best | None = None
    """With one objective."""
    front: tuple[Member, ...] = ()
    """With several objectives, in the order in which the trials were concluded."""
    reference: Reference | None = None
    infeasible: int = 0
    """Trials with values that miss an outcome constraint."""
    requests: int = 0
    """Requests to the search so far."""
    request: Request | None = None
    exhausted: bool = False
    deadline: datetime | None = None
    seconds_left: float | None = None
    """What is left of the wall-clock budget while no deadline is set."""
    deleting: bool = False
    """Whether the experiment will be deleted as soon as it has ended."""
    version: int = 0
    """The number of facts so far."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: its identity, and its progress."""

    identity: Identity
    progress: Progress = Progress()

    @property
    def spec(self) -> ExperimentSpec:
        return self.identity.spec

    @property
    def done(self) -> bool:
        """Whether the experiment has ended."""
        return self.progress.state not in (ExperimentState.RUNNING, ExperimentState.PAUSED)

    @property
    def active(self) -> bool:
        """Whether trials may be requested and started."""
        return self.progress.state is ExperimentState.RUNNING and self.progress.verdict is None

    @property
    def unspent(self) -> int | None:
        """Trials that may still be proposed; None = no limit."""
        limit = self.spec.max_trial_count
        return None if limit is None else max(0, limit - self.progress.proposed)

    @property
    def vacancies(self) -> int:
        """How many suggestions to request now: none while a request is open, at most as many as one
        record can hold."""
        if not self.active or self.progress.exhausted or self.progress.request is not None:
            return 0
        room = self.spec.parallel - len(self.progress.live)
        most = max(1, MOST_VALUES // max(1, len(self.spec.parameters)))
        return max(0, min(room, most, room if self.unspent is None else self.unspent))
