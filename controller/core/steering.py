"""What people ask of an experiment: to stop, pause and resume it, to change its limits, to delete
it."""

from datetime import datetime, timedelta

from controller.core.decision import Decision, end, seconds_left, stop_all
from controller.core.ends import STOPPED_BY_PERSON
from events.facts import (
    BudgetExtended,
    ExperimentDeleted,
    ExperimentDeleting,
    ExperimentPaused,
    ExperimentResumed,
    ExperimentState,
    Reason,
    SpecEdited,
    StopReason,
    TrialScheduled,
    TrialState,
)
from events.signals import EditRequested


def stop(decision: Decision) -> None:
    if not decision.experiment.done:
        end(decision, STOPPED_BY_PERSON)


def delete(decision: Decision) -> None:
    if not decision.experiment.progress.deleting:
        decision.add(ExperimentDeleting())
        stop(decision)
        if decision.experiment.done:
            decision.add(ExperimentDeleted())


def pause(decision: Decision, at: datetime) -> None:
    if decision.experiment.active:
        decision.add(ExperimentPaused(seconds_left=seconds_left(decision.experiment, at)))
        stop_all(decision, StopReason.EXPERIMENT_PAUSED)


def resume(decision: Decision, at: datetime) -> None:
    """Resume an experiment that is paused, or that a person stopped, even while its trials are
    still stopping."""
    experiment = decision.experiment
    progress, verdict = experiment.progress, experiment.progress.verdict
    paused = verdict is None and progress.state is ExperimentState.PAUSED
    stopped = verdict is not None and verdict.reason is Reason.STOPPED
    spent = experiment.done and experiment.unspent == 0
    if (paused or (stopped and not spent)) and not progress.deleting:
        _reopen(decision, at)


def _reopen(decision: Decision, at: datetime) -> None:
    left = seconds_left(decision.experiment, at)
    decision.add(ExperimentResumed(deadline=None if left is None else at + timedelta(seconds=left)))
    for number, trial in decision.experiment.progress.live.items():
        if trial.state is TrialState.PAUSED:
            decision.add(TrialScheduled(trial=number, attempt=trial.attempt + 1))


def extend(decision: Decision, count: int, at: datetime) -> None:
    """Allow more trials. An experiment that ended because its trials were spent runs again."""
    limit = decision.experiment.spec.max_trial_count
    if limit is None or count <= limit or decision.experiment.progress.deleting:
        return
    decision.add(BudgetExtended(max_trial_count=count))
    _reopen_if_extended(decision, at)


def _reopen_if_extended(decision: Decision, at: datetime) -> None:
    """Run the experiment again if it ended because its trials were spent and there are more now."""
    verdict = decision.experiment.progress.verdict
    spent = decision.experiment.unspent == 0
    if (
        decision.experiment.done
        and verdict is not None
        and verdict.reason is Reason.MAX_TRIALS_REACHED
        and not spent
    ):
        _reopen(decision, at)


def edit(decision: Decision, wanted: EditRequested, at: datetime) -> None:
    """Change limits in the spec.

    With fewer trials than there are already, the experiment ends. With less parallelism, running
    trials continue.
    """
    edited = SpecEdited(**wanted.model_dump(exclude={"type"}))
    spec = decision.experiment.spec
    same = all(
        getattr(spec, name) == value for name, value in edited.model_dump(exclude={"type"}).items()
    )
    if not same and not decision.experiment.progress.deleting:
        decision.add(edited)
        _reopen_if_extended(decision, at)
