"""The Pareto front of an experiment as people read it."""

from controller.core.best import MOST_MEMBERS, front_volume, reference_point
from controller.core.experiment import Experiment
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.summary import in_order


def front_words(experiment: Experiment) -> str:
    """How large the front is, and its hypervolume."""
    members = len(experiment.progress.front)
    more = (
        f"the {MOST_MEMBERS} least crowded of its trials"
        if members >= MOST_MEMBERS
        else words.count(members, "trial")
    )
    volume, point = front_volume(experiment), reference_point(experiment)
    if volume is None or point is None:
        return more
    return f"{more}, hypervolume {words.number(volume)} from {words.aimed(experiment.spec, point)}"


def outcome_metrics(experiment: Experiment) -> list[str]:
    """The metrics that a trial is judged by: those of objectives, then those of constraints."""
    spec = experiment.spec
    return list(
        dict.fromkeys(
            [
                *(t.metric for t in spec.all_objectives),
                *(bound.metric for bound in spec.outcome_bounds),
            ]
        )
    )


def front_titles(experiment: Experiment) -> list[str]:
    """The titles of a table of the front; all of its columns are numbers."""
    return [
        "#",
        *outcome_metrics(experiment),
        *(parameter.name for parameter in experiment.spec.parameters),
    ]


def front_cells(experiment: Experiment, row: TrialRow) -> list[str]:
    """One member under `front_titles`."""
    given = in_order(experiment, row.assignment)
    shown = [
        words.number(experiment.spec.value(row.observation, metric))
        for metric in outcome_metrics(experiment)
    ]
    names = [parameter.name for parameter in experiment.spec.parameters]
    return [
        str(row.number),
        *shown,
        *(words.scalar(given[name]) if name in given else "-" for name in names),
    ]
