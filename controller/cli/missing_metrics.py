"""Says when the first trial of a run has no metrics, at once rather than at the end."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.cli.lookup import named
from controller.core.experiment import Experiment
from controller.store.queries import Queries
from controller.views import words
from events.facts import TrialState
from events.ids import trial_name

STATES = frozenset({TrialState.METRICS_UNAVAILABLE})


@dataclass(slots=True)
class MissingMetrics:
    """Looks for the first trial without metrics, and says it once."""

    queries: Queries
    experiment: Experiment
    say: Callable[[str], None]
    known: int
    """Trials without metrics before this run."""
    said: bool = False

    @classmethod
    def of(
        cls, queries: Queries, experiment: Experiment, say: Callable[[str], None]
    ) -> "MissingMetrics":
        """For an experiment as it is before the run."""
        return cls(queries, experiment, say, experiment.progress.counts.metrics_unavailable)

    async def look(self) -> None:
        """Say it, if there is one now."""
        identity = self.experiment.identity
        if not self.said:
            snapshot = await self.queries.experiments.find(identity.namespace, identity.name)
            if snapshot is not None:
                await self.tell(snapshot.experiment)

    async def tell(self, experiment: Experiment) -> None:
        """Say it, if there is one in this state of the experiment."""
        if self.said or experiment.progress.counts.metrics_unavailable <= self.known:
            return
        identity = experiment.identity
        rows = await self.queries.trials.first(identity.id, self.known + 1, STATES)
        for row in rows[self.known :]:
            self.said = True
            self.say(
                f"warning: {trial_name(identity.name, row.number)} has run well and has no value: "
                f"{words.clean(row.message)}; more: trialstream why {named(self.experiment)} "
                f"{row.number}"
            )
