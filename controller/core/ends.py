"""How an experiment can end, and which of these ends is reached."""

from collections.abc import Iterator
from datetime import datetime

from controller.core.best import goal_reached
from controller.core.experiment import Experiment, Verdict
from events.facts import ExperimentState, Reason

STOPPED_BY_PERSON = Verdict(ExperimentState.STOPPED, Reason.STOPPED, "Experiment was stopped")
WALL_CLOCK = Verdict(
    ExperimentState.SUCCEEDED,
    Reason.WALL_CLOCK_REACHED,
    "Experiment has ended because its wall-clock budget is spent",
)


def search_stuck(concluded: int) -> Verdict:
    """The end of an experiment whose search has no suggestion, knows all results, and waits for
    none."""
    message = (
        "the search failed: it suggests nothing more, though its space is not used up and no trial "
        f"is left to wait for (it was told of all {concluded})"
    )
    return Verdict(ExperimentState.FAILED, Reason.SEARCH_FAILED, message)


def reached_ends(experiment: Experiment, at: datetime) -> Iterator[Verdict]:
    """The ends that are reached `at` then, first the one that counts: Katib's (goal, failures,
    trials), then ours."""
    progress, spec = experiment.progress, experiment.spec
    if experiment.done or progress.verdict is not None:
        return
    if goal_reached(experiment):
        message = "Experiment has succeeded because Objective goal has reached"
        yield Verdict(ExperimentState.SUCCEEDED, Reason.GOAL_REACHED, message)
    failed = progress.counts.failed + progress.counts.metrics_unavailable
    limit = spec.max_failed_trial_count
    if limit is not None and failed and failed >= limit:
        message = "Experiment has failed because max failed count has reached"
        yield Verdict(ExperimentState.FAILED, Reason.MAX_FAILED_REACHED, message)
    if spec.max_trial_count is not None and progress.counts.concluded >= spec.max_trial_count:
        message = "Experiment has succeeded because max trial count has reached"
        yield Verdict(ExperimentState.SUCCEEDED, Reason.MAX_TRIALS_REACHED, message)
    if progress.exhausted and not progress.live:
        message = "Experiment has succeeded because the search space is exhausted"
        yield Verdict(ExperimentState.SUCCEEDED, Reason.SEARCH_EXHAUSTED, message)
    if progress.deadline is not None and at >= progress.deadline:
        yield WALL_CLOCK
