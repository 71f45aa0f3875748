"""The Pareto front of an experiment as people read it."""

from controller.core.best import MOST_MEMBERS, front_volume, reference_point
from controller.core.experiment import Experiment
from controller.views import words


def front_words(experiment: Experiment) -> str:
    """How large the front is, and its hypervolume."""
    members = len(experiment.progress.front)
    more = (
        f"the {MOST_MEMBERS} least crowded of its trials" if members >= MOST_MEMBERS else words.count(members, "trial")
    )
    volume, point = front_volume(experiment), reference_point(experiment)
    if volume is None or point is None:
        return more
    return f"{more}, hypervolume {words.number(volume)} from {words.aimed(experiment.spec, point)}"


def outcome_metrics(experiment: Experiment) -> list[str]:
    """The metrics that a trial is judged by: those of objectives, then those of constraints."""
    spec = experiment.spec
    return list(
        dict.fromkeys([*(t.metric for t in spec.all_objectives), *(bound.metric for bound in spec.outcome_bounds)])
    )
