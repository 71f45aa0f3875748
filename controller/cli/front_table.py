"""The Pareto front of an experiment as a table in the terminal."""

from collections.abc import Sequence

from controller.cli.tables import heading, table
from controller.core.experiment import Experiment
from controller.store.queries import TrialRow
from controller.views import words
from controller.views.fronts import front_words, outcome_metrics
from controller.views.summary import in_order

MOST_LISTED_MEMBERS = 20
"""Members that are listed where not all are asked for."""


def show_front(experiment: Experiment, rows: Sequence[TrialRow], more: str) -> None:
    """Print the members under a heading; `more` says where the others are."""
    heading(f"Pareto front: {front_words(experiment)}")
    metrics = outcome_metrics(experiment)
    names = [parameter.name for parameter in experiment.spec.parameters]
    table(["#", *metrics, *names], (_cells(experiment, row, metrics) for row in rows), ("#", *metrics, *names))
    hidden = len(experiment.progress.front) - len(rows)
    if hidden > 0:
        print(f"and {hidden:,} more: {more}")


def _cells(experiment: Experiment, row: TrialRow, metrics: Sequence[str]) -> list[str]:
    given = in_order(experiment, row.assignment)
    shown = [words.number(experiment.spec.value(row.observation, metric)) for metric in metrics]
    names = [parameter.name for parameter in experiment.spec.parameters]
    return [str(row.number), *shown, *(words.scalar(given[name]) if name in given else "-" for name in names)]
