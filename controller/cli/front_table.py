"""The Pareto front of an experiment as a table in the terminal."""

from collections.abc import Sequence

from controller.cli.tables import heading, table
from controller.core.experiment import Experiment
from controller.store.queries.trials import TrialRow
from controller.views.fronts import front_cells, front_titles, front_words

MOST_LISTED_MEMBERS = 20
"""Members that are listed where not all are asked for."""


def show_front(experiment: Experiment, rows: Sequence[TrialRow], more: str) -> None:
    """Print the members under a heading; `more` says where the others are."""
    heading(f"Pareto front: {front_words(experiment)}")
    titles = front_titles(experiment)
    table(titles, (front_cells(experiment, row) for row in rows), titles)
    hidden = len(experiment.progress.front) - len(rows)
    if hidden > 0:
        print(f"and {hidden:,} more: {more}")
