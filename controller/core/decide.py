"""Decide which facts follow from a signal. Nothing is changed here."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from controller.core.conclusions import conclude_attempt, kill
from controller.core.ends import STOPPED_BY_PERSON, reached_ends, search_stuck
from controller.core.evolve import end_of, evolve
from controller.core.experiment import Experiment, LiveTrial, Verdict
from events.facts import (
    AttemptEnded,
    BudgetExtended,
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
    Reason,
    SearchExhausted,
    SpecEdited,
    StopReason,
    SuggestionsRequested,
    TrialConcluded,
    TrialProposed,
    TrialScheduled,
    TrialStarted,
    TrialState,
    TrialStopRequested,
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


class Decision:
    """The facts that were decided so far.

    Each is applied at once: the next one is decided on the state after it.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.facts: list[Fact] = []

    def add(self, *facts: Fact) -> None:
        for fact in facts:
            self.facts.append(fact)
            self.experiment = evolve(self.experiment, fact)


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
            _stop(decision)
        case PauseRequested():
            _pause(decision, at)
        case ResumeRequested():
            _resume(decision, at)
        case ExtensionRequested(max_trial_count=count):
            _extend(decision, count, at)
        case EditRequested():
            _edit(decision, signal, at)
        case DeletionRequested():
            _delete(decision)
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
                trial=number, attempt=trial.attempt, observation=signal.observation
            )
            _record_or_conclude(
                decision, number, replace(trial, observation=signal.observation), recorded
            )
        case TrialJudged() if trial.stopping is None and trial.end is None:
            decision.add(_stop_request(number, trial, StopReason.EARLY_STOPPING, signal.message))
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


def _stop_request(
    number: TrialNumber, trial: LiveTrial, reason: StopReason, message: str = ""
) -> TrialStopRequested:
    return TrialStopRequested(trial=number, attempt=trial.attempt, reason=reason, message=message)


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
        _end(decision, Verdict(ExperimentState.FAILED, Reason.SEARCH_FAILED, made.error))
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
        _end(decision, search_stuck(progress.counts.concluded))


def _stop(decision: Decision) -> None:
    if not decision.experiment.done:
        _end(decision, STOPPED_BY_PERSON)


def _delete(decision: Decision) -> None:
    if not decision.experiment.progress.deleting:
        decision.add(ExperimentDeleting())
        _stop(decision)
        if decision.experiment.done:
            decision.add(ExperimentDeleted())


def _end(decision: Decision, verdict: Verdict) -> None:
    """Decide how the experiment ends, unless that is decided already.

    Running trials are asked to stop.
    """
    if decision.experiment.done or decision.experiment.progress.verdict is not None:
        return
    decision.add(
        ExperimentEnding(state=verdict.state, reason=verdict.reason, message=verdict.message)
    )
    for number, trial in decision.experiment.progress.live.items():
        if trial.state is TrialState.PAUSED:
            decision.add(kill(number, trial))
    _stop_all(decision, StopReason.EXPERIMENT_ENDED)


def _stop_all(decision: Decision, reason: StopReason) -> None:
    for number, trial in decision.experiment.progress.live.items():
        if trial.stopping is None and trial.end is None:
            decision.add(_stop_request(number, trial, reason))


def _pause(decision: Decision, at: datetime) -> None:
    if decision.experiment.active:
        decision.add(ExperimentPaused(seconds_left=_seconds_left(decision.experiment, at)))
        _stop_all(decision, StopReason.EXPERIMENT_PAUSED)


def _seconds_left(experiment: Experiment, at: datetime) -> float | None:
    deadline = experiment.progress.deadline
    return (
        experiment.progress.seconds_left
        if deadline is None
        else max(0.0, (deadline - at).total_seconds())
    )


def _resume(decision: Decision, at: datetime) -> None:
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
    left = _seconds_left(decision.experiment, at)
    decision.add(ExperimentResumed(deadline=None if left is None else at + timedelta(seconds=left)))
    for number, trial in decision.experiment.progress.live.items():
        if trial.state is TrialState.PAUSED:
            decision.add(TrialScheduled(trial=number, attempt=trial.attempt + 1))


def _extend(decision: Decision, count: int, at: datetime) -> None:
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


def _edit(decision: Decision, wanted: EditRequested, at: datetime) -> None:
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


def _continue(decision: Decision, at: datetime) -> None:
    """After every change, end the experiment if an end is reached, else request suggestions if
    there is room."""
    for verdict in reached_ends(decision.experiment, at):
        _end(decision, verdict)
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
            seconds_left=_seconds_left(decision.experiment, at),
        )
    )
    if decision.experiment.progress.deleting:
        decision.add(ExperimentDeleted())
