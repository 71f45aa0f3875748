"""A shard in the memory of its owner: a cache of what Postgres has, valid for one epoch."""

from dataclasses import dataclass, field
from datetime import datetime

from controller.core.experiment import Experiment, LiveTrial
from controller.core.recorded import Effect, Recorded
from controller.store.ledger import Ledger
from controller.store.outbox import Due, Outbox
from controller.store.quarantine import Quarantine
from events.envelope import Envelope
from events.facts import TrialConcluded, TrialProposed, TrialScheduled, TrialState
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber, consequence
from events.signals import Signal, WorkloadWaiting
from events.spec.space import Assignment


@dataclass(slots=True)
class Holding:
    """The experiments of one shard that have not ended, and what their owner needs to continue
    them."""

    shard: Shard
    epoch: int
    experiments: dict[ExperimentId, Experiment] = field(default_factory=dict)
    assignments: dict[tuple[ExperimentId, TrialNumber], Assignment] = field(default_factory=dict)
    """Of the live trials."""
    unstarted: set[AttemptKey] = field(default_factory=set)
    """Attempts whose start is still an effect to be done."""
    due: list[Due] = field(default_factory=list)
    """Effects that the previous owner has not done."""
    quarantine: Quarantine = field(default_factory=Quarantine)

    def learn(self, after: Experiment, recorded: list[Recorded]) -> None:
        """Apply what has been committed."""
        experiment = after.identity.id
        self.experiments[experiment] = after
        for one in recorded:
            match one.fact:
                case TrialProposed(trial=trial, assignment=assignment):
                    self.assignments[experiment, trial] = assignment
                case TrialScheduled(trial=trial, attempt=attempt):
                    self.unstarted.add(AttemptKey(experiment, trial, attempt))
                case TrialConcluded(trial=trial):
                    self.assignments.pop((experiment, trial), None)

    def forget(self, experiment: ExperimentId) -> None:
        """Drop an experiment that has ended; a request loads it again."""
        del self.experiments[experiment]

    def expected(self, experiment: ExperimentId) -> set[AttemptKey]:
        """The attempts that the cluster should know, running or ended."""
        live = self.experiments[experiment].progress.live
        keys = {
            AttemptKey(experiment, number, trial.attempt)
            for number, trial in live.items()
            if trial.state in (TrialState.PENDING, TrialState.RUNNING)
        }
        return keys - self.unstarted

    def live(self, key: AttemptKey) -> LiveTrial | None:
        """The trial, unless it is concluded or at another attempt."""
        experiment = self.experiments.get(key.experiment)
        trial = experiment.progress.live.get(key.trial) if experiment else None
        return trial if trial is not None and trial.attempt == key.attempt else None

    def wants(self, key: AttemptKey) -> bool:
        """Whether this attempt may run. One that was asked to stop may not: the stop may have been
        lost with whoever carried it out."""
        trial = self.live(key)
        return trial is not None and trial.end is None and trial.stopping is None

    def seen(self, key: AttemptKey, signal: Signal, at: datetime) -> Envelope:
        """The signal for an observation of an attempt. The same one always has the same id."""
        part = f"{signal.type}/{key.trial}/{key.attempt}"
        if isinstance(signal, WorkloadWaiting):
            part += f"/{signal.reason}"
        return Envelope(consequence(key.experiment, part), None, key.experiment, at, signal)


async def load(ledger: Ledger, outbox: Outbox, shard: Shard, epoch: int) -> Holding:
    """Read everything that the owner of a shard needs, but for its quarantine."""
    holding = Holding(shard, epoch)
    holding.experiments = {
        experiment.identity.id: experiment for experiment in await ledger.load(shard)
    }
    holding.assignments = await outbox.assignments(
        [
            (experiment, trial)
            for experiment, known in holding.experiments.items()
            for trial in known.progress.live
        ]
    )
    holding.due = await outbox.pending(shard)
    for due in holding.due:
        if due.effect is Effect.START and isinstance(due.recorded.fact, TrialScheduled):
            fact = due.recorded.fact
            holding.unstarted.add(
                AttemptKey(due.recorded.envelope.experiment, fact.trial, fact.attempt)
            )
    return holding
