"""Read what a report shows, bounded whatever the size of the experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.core.experiment import Experiment
from controller.store.queries import Queries
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views.sampling import thinned
from controller.views.summary import best_row
from events.ids import TrialNumber

MOST_TRIALS = 10_000
"""Trials in the figures, evenly over all."""
MOST_VALUES = 300_000
"""Parameter values in the figures: trials times parameters."""
MOST_RANKED = 100
"""Trials in the table."""
MOST_CURVES, MOST_POINTS = 200, 500
"""Learning curves, and points of each."""

Curves = Mapping[TrialNumber, Sequence[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Subject:
    """All that a report shows: a sample of the trials by number, the best of all, and curves."""

    snapshot: ExperimentSnapshot
    trials: Sequence[TrialRow]
    ranking: Sequence[TrialRow]
    best: TrialRow | None
    front: Sequence[TrialRow]
    """Of several objectives, by the first one."""
    curves: Curves
    shown: Mapping[TrialNumber, TrialRow]
    """The trials of the curves."""

    @property
    def experiment(self) -> Experiment:
        return self.snapshot.experiment

    @property
    def thinned(self) -> bool:
        return len(self.trials) < self.experiment.progress.proposed


async def read_subject(queries: Queries, snapshot: ExperimentSnapshot) -> Subject:
    experiment = snapshot.experiment
    identity, spec, progress = experiment.identity, experiment.spec, experiment.progress
    ranking = await queries.trials.ranking(identity.id, spec.first_objective.type, MOST_RANKED)
    limit = max(1000, min(MOST_TRIALS, MOST_VALUES // max(1, len(spec.parameters))))
    front = await queries.trials.front(identity) if spec.multi_objective else []
    wanted = [row.number for row in (*ranking, *front)]
    sample = await queries.trials.sample(identity.id, progress.proposed, limit, wanted)
    shown = _shown(sample, ranking)
    curves = await queries.curves.thinned(
        identity.id,
        {row.number: row.attempt for row in shown if row.attempt},
        spec.first_objective.metric,
        MOST_POINTS,
    )
    best = await best_row(queries, experiment)
    return Subject(
        snapshot, sample, ranking, best, front, curves, {row.number: row for row in shown}
    )


def _shown(sample: Sequence[TrialRow], ranking: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials whose curves are drawn: half of them the best ones, the others evenly over the
    sample."""
    chosen = {row.number: row for row in ranking[: MOST_CURVES // 2]}
    rest = [row for row in sample if row.number not in chosen and row.started_at is not None]
    return [*chosen.values(), *thinned(rest, MOST_CURVES - len(chosen))]
