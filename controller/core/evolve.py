"""Apply a fact to the state of an experiment."""

from dataclasses import replace
from functools import partial
from typing import Any, assert_never

from controller.core.best import with_conclusion
from controller.core.experiment import (
    Counts,
    End,
    Experiment,
    Identity,
    LiveTrial,
    Progress,
    Request,
    Verdict,
)
from events.facts import (
    AttemptEnded,
    BudgetExtended,
    Cause,
    ExperimentAdmitted,
    ExperimentConcluded,
    ExperimentDeleted,
    ExperimentDeleting,
    ExperimentEnding,
    ExperimentPaused,
    ExperimentResumed,
    ExperimentState,
    Fact,
    ObservationRecorded,
    SearchExhausted,
    SpecEdited,
    SuggestionsRequested,
    TrialConcluded,
    TrialPaused,
    TrialProposed,
    TrialScheduled,
    TrialStarted,
    TrialState,
    TrialStopRequested,
    TrialWaiting,
)
from events.ids import ExperimentId

OWN_FAULT = frozenset({Cause.ERROR, Cause.SIGNAL, Cause.OUT_OF_MEMORY, Cause.TIMEOUT})
"""Causes that use up the retries of a trial. The others are faults of the infrastructure."""
LOSSES = frozenset({Cause.LOST, Cause.PREEMPTED})
"""Causes that count as losses, unless the attempt was asked to stop."""


def begin(experiment: ExperimentId, admitted: ExperimentAdmitted) -> Experiment:
    """The experiment that begins with this fact."""
    identity = Identity(
        experiment, admitted.name, admitted.namespace, admitted.spec, admitted.seed, admitted.origin
    )
    return Experiment(identity, Progress(deadline=admitted.deadline, version=1))


def evolve(experiment: Experiment, fact: Fact) -> Experiment:
    """The experiment after `fact`."""
    identity = experiment.identity
    if isinstance(fact, BudgetExtended):
        identity = replace(
            identity,
            spec=identity.spec.model_copy(update={"max_trial_count": fact.max_trial_count}),
        )
    if isinstance(fact, SpecEdited):
        identity = replace(
            identity, spec=identity.spec.model_copy(update=fact.model_dump(exclude={"type"}))
        )
    return Experiment(identity, _progress(experiment, fact))


def _progress(experiment: Experiment, fact: Fact) -> Progress:
    known = experiment.progress
    change = partial(replace, known, version=known.version + 1)  # a single copy: copying costs most
    match fact:
        case SuggestionsRequested(request=request, count=count):
            return change(requests=request, request=Request(request, count))
        case TrialProposed(trial=trial):
            return change(live={**known.live, trial: LiveTrial()}, proposed=trial, request=None)
        case SearchExhausted():
            return change(exhausted=True, request=None)
        case TrialConcluded():
            return with_conclusion(change(**_without(known, fact)), experiment.spec, fact)
        case (
            TrialScheduled()
            | TrialWaiting()
            | TrialStarted()
            | TrialStopRequested()
            | TrialPaused()
            | AttemptEnded()
            | ObservationRecorded()
        ):
            return change(live={**known.live, fact.trial: _trial(known.live[fact.trial], fact)})
        case ExperimentPaused(seconds_left=left):
            return change(
                state=ExperimentState.PAUSED, request=None, deadline=None, seconds_left=left
            )
        case ExperimentResumed(deadline=deadline):
            return change(
                state=ExperimentState.RUNNING, verdict=None, deadline=deadline, seconds_left=None
            )
        case ExperimentEnding(state=state, reason=reason, message=message):
            return change(verdict=Verdict(state, reason, message), request=None)
        case ExperimentConcluded(state=state, reason=reason, message=message, seconds_left=left):
            verdict = Verdict(state, reason, message)
            return change(
                state=state, verdict=verdict, request=None, deadline=None, seconds_left=left
            )
        case SpecEdited():
            return change(request=None)  # it was for as many as the spec allowed before
        case BudgetExtended() | ExperimentDeleted():
            return change()
        case ExperimentDeleting():
            return change(deleting=True)
        case ExperimentAdmitted():
            raise ValueError("an experiment is admitted once")
        case _:
            assert_never(fact)


def _trial(
    trial: LiveTrial,
    fact: TrialScheduled
    | TrialWaiting
    | TrialStarted
    | TrialStopRequested
    | TrialPaused
    | AttemptEnded
    | ObservationRecorded,
) -> LiveTrial:
    match fact:
        case TrialScheduled(attempt=attempt):
            return _next_attempt(trial, attempt)
        case TrialWaiting(reason=reason, message=message):
            return replace(trial, waiting=reason, waiting_message=message)
        case TrialStarted():
            return replace(trial, state=TrialState.RUNNING, waiting="", waiting_message="")
        case TrialStopRequested(reason=reason, message=message):
            return replace(trial, stopping=reason, stop_message=message)
        case TrialPaused():
            return LiveTrial(TrialState.PAUSED, trial.attempt, trial.retries, trial.losses)
        case AttemptEnded():
            return replace(trial, end=end_of(fact))
        case ObservationRecorded(observation=observation, diagnosis=diagnosis):
            return replace(trial, observation=observation, diagnosis=diagnosis)
        case _:
            assert_never(fact)


def end_of(fact: AttemptEnded) -> End:
    """How the attempt ended, as the state keeps it."""
    return End(fact.cause, fact.exit_code, fact.message)


def _next_attempt(trial: LiveTrial, attempt: int) -> LiveTrial:
    """The trial with a new attempt. The end of the one before counts as a retry or as a loss,
    unless we asked for it."""
    own = trial.end is not None and trial.end.cause in OWN_FAULT
    lost = trial.end is not None and trial.end.cause in LOSSES and trial.stopping is None
    return LiveTrial(TrialState.PENDING, attempt, trial.retries + own, trial.losses + lost)


_COUNTER = {
    TrialState.SUCCEEDED: "succeeded",
    TrialState.FAILED: "failed",
    TrialState.EARLY_STOPPED: "early_stopped",
    TrialState.KILLED: "killed",
    TrialState.METRICS_UNAVAILABLE: "metrics_unavailable",
}


def _without(known: Progress, fact: TrialConcluded) -> dict[str, Any]:
    """The fields that change when a trial is concluded: it is no longer live, and it is counted."""
    live = {number: trial for number, trial in known.live.items() if number != fact.trial}
    counter = _COUNTER[fact.state]
    counts: Counts = replace(known.counts, **{counter: getattr(known.counts, counter) + 1})
    return {"live": live, "counts": counts}
