"""Decide which facts follow from a signal. Nothing is changed here."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from controller.core.conclusions import conclude_attempt
from controller.core.decision import Decision, end, seconds_left, stop_request
from controller.core.ends import reached_ends, search_stuck
from controller.core.evolve import end_of
from controller.core.experiment import Experiment, LiveTrial, Verdict
from controller.core.steering import delete, edit, extend, pause, resume, stop
from events.facts import (
    AttemptEnded,
    ExperimentAdmitted,
    ExperimentConcluded,
    ExperimentDeleted,
    ExperimentState,
    Fact,
    ObservationRecorded,
    Reason,
    SearchExhausted,
    StopReason,
    SuggestionsRequested,
    TrialConcluded,
    TrialProposed,
    TrialScheduled,
    TrialStarted,
    TrialState,
    TrialWaiting,
)
from events.ids import TrialNumber
from events.signals import (
    DeletionRequested,
    EditRequested,
    ExperimentSubmitted,
    ExtensionRequested,
    MetricsCollected,
    PauseRequested,
    ResumeRequested,
    Signal,
    StopRequested,
    SuggestionsMade,
    TimePassed,
    TrialJudged,
    WorkloadEnded,
    WorkloadStarted,
    WorkloadWaiting,
)


def decide(
    experiment: Experiment, signal: Signal, at: datetime
) -> tuple[tuple[Fact, ...], Experiment]:
    """The facts that follow from `signal`, decided on at `at`, and the experiment after them.

    `at` is told by one clock for all decisions on the experiment, whoever sent the signal.

    There are no facts if the signal says nothing new.
    """
    decision = Decision(experiment)
    _react(decision, signal, at)
    if decision.facts or isinstance(signal, TimePassed):
        _continue(decision, at)
    return tuple(decision.facts), decision.experiment


def admitted(submitted: ExperimentSubmitted, at: datetime) -> ExperimentAdmitted:
    """The first fact of an experiment that was submitted `at`."""
    seconds = submitted.spec.budget.wall_clock_seconds
    return ExperimentAdmitted(
        name=submitted.name,
        namespace=submitted.namespace,
        spec=submitted.spec,
        seed=submitted.seed,
        origin=submitted.origin,
        deadline=None if seconds is None else at + timedelta(seconds=seconds),
    )


def _react(decision: Decision, signal: Signal, at: datetime) -> None:
    match signal:
        case (
            WorkloadWaiting()
            | WorkloadStarted()
            | WorkloadEnded()
            | MetricsCollected()
            | TrialJudged()
        ):
            _update_trial(decision, signal)
        case SuggestionsMade():
            _propose(decision, signal)
        case StopRequested():
            stop(decision)
        case PauseRequested():
            pause(decision, at)
        case ResumeRequested():
            resume(decision, at)
        case ExtensionRequested(max_trial_count=count):
            extend(decision, count, at)
        case EditRequested():
            edit(decision, signal, at)
        case DeletionRequested():
            delete(decision)
        case TimePassed() | ExperimentSubmitted():
            pass  # time has passed in every decision; submitted a second time, nothing changes
        case _:
            assert_never(signal)


def _update_trial(
    decision: Decision,
    signal: WorkloadWaiting | WorkloadStarted | WorkloadEnded | MetricsCollected | TrialJudged,
) -> None:
    """Signals about an earlier attempt, or about a trial that is not live, are out of date and
    ignored."""
    number = signal.trial
    trial = decision.experiment.progress.live.get(number)
    if trial is None or trial.attempt != signal.attempt or trial.state is TrialState.PAUSED:
        return
    match signal:
        case WorkloadWaiting() if (
            trial.state is TrialState.PENDING and trial.waiting != signal.reason
        ):
            decision.add(TrialWaiting(**signal.model_dump(exclude={"type"})))
        case WorkloadStarted() if trial.state is TrialState.PENDING:
            decision.add(TrialStarted(trial=number, attempt=trial.attempt))
        case WorkloadEnded() if trial.end is None:
            ended = AttemptEnded(**signal.model_dump(exclude={"type"}))
            _record_or_conclude(decision, number, replace(trial, end=end_of(ended)), ended)
        case MetricsCollected() if trial.observation is None:
            recorded = ObservationRecorded(
                trial=number,
                attempt=trial.attempt,
                observation=signal.observation,
                diagnosis=signal.diagnosis,
            )
            seen = replace(trial, observation=signal.observation, diagnosis=signal.diagnosis)
            _record_or_conclude(decision, number, seen, recorded)
        case TrialJudged() if trial.stopping is None and trial.end is None:
            decision.add(stop_request(number, trial, StopReason.EARLY_STOPPING, signal.message))
        case _:
            pass


def _record_or_conclude(
    decision: Decision, number: TrialNumber, trial: LiveTrial, news: Fact
) -> None:
    """Record `news`, the end or the observation of an attempt. Once both are known, the attempt is
    over.

    A conclusion contains both, so then the news is not recorded by itself.
    """
    if trial.end is None or trial.observation is None:
        decision.add(news)
        return
    following = tuple(
        conclude_attempt(decision.experiment, number, trial, trial.end, trial.observation)
    )
    if not isinstance(following[-1], TrialConcluded):
        decision.add(news)
    decision.add(*following)


def _propose(decision: Decision, made: SuggestionsMade) -> None:
    """Make trials of the suggestions, never more than were requested."""
    progress = decision.experiment.progress
    if progress.request is None or progress.request.number != made.request:
        return
    for number, assignment in enumerate(
        made.assignments[: progress.request.count], progress.proposed + 1
    ):
        trial = TrialNumber(number)
        decision.add(
            TrialProposed(trial=trial, assignment=assignment, told=made.told),
            TrialScheduled(trial=trial, attempt=1),
        )
    if made.error is not None:
        end(decision, Verdict(ExperimentState.FAILED, Reason.SEARCH_FAILED, made.error))
    elif made.exhausted:
        decision.add(SearchExhausted())
    elif not made.assignments:
        _wait_for_results(decision, made.told)


def _wait_for_results(decision: Decision, told: int) -> None:
    """Leave the request open: it is asked again after the next conclusion.

    If the search was told of all, and no trial is left to conclude, there will be none.
    """
    progress = decision.experiment.progress
    if not progress.live and told >= progress.counts.concluded:
        end(decision, search_stuck(progress.counts.concluded))


def _continue(decision: Decision, at: datetime) -> None:
    """After every change, end the experiment if an end is reached, else request suggestions if
    there is room."""
    for verdict in reached_ends(decision.experiment, at):
        end(decision, verdict)
    experiment = decision.experiment
    progress = experiment.progress
    if progress.verdict is not None and not experiment.done and not progress.live:
        _finish(decision, progress.verdict, at)
    elif experiment.vacancies > 0:
        decision.add(
            SuggestionsRequested(request=progress.requests + 1, count=experiment.vacancies)
        )


def _finish(decision: Decision, verdict: Verdict, at: datetime) -> None:
    best, front = decision.experiment.progress.best, decision.experiment.progress.front
    decision.add(
        ExperimentConcluded(
            state=verdict.state,
            reason=verdict.reason,
            message=verdict.message,
            best=best.trial if best else None,
            front=tuple(member.trial for member in front),
            seconds_left=seconds_left(decision.experiment, at),
        )
    )
    if decision.experiment.progress.deleting:
        decision.add(ExperimentDeleted())
