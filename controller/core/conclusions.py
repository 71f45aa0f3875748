"""What becomes of a trial when its attempt is over: concluded, paused, or tried again."""

from collections.abc import Iterator

from controller.core.best import is_best
from controller.core.evolve import LOSSES, OWN_FAULT
from controller.core.experiment import End, Experiment, LiveTrial
from controller.core.missing_metric import why_unreported
from events.diagnosis import Diagnosis
from events.facts import (
    Cause,
    Fact,
    StopReason,
    TrialConcluded,
    TrialPaused,
    TrialScheduled,
    TrialState,
)
from events.ids import TrialNumber
from events.spec.objective import Observation

MAX_LOSSES = 10
"""Attempts of one trial that may be lost to the infrastructure before the trial counts as failed.
"""


def conclude_attempt(
    experiment: Experiment,
    number: TrialNumber,
    trial: LiveTrial,
    end: End,
    observation: Observation,
) -> Iterator[Fact]:
    """The facts that follow when both the workload's end and all its metrics are known."""
    again = _may_try_again(experiment, trial, end)
    if again and experiment.progress.verdict is not None:
        yield _conclusion(experiment, number, trial, end, observation, TrialState.KILLED)
    elif again and not experiment.active:
        yield TrialPaused(trial=number, attempt=trial.attempt)
    elif again:
        yield TrialScheduled(trial=number, attempt=trial.attempt + 1)
    else:
        yield _conclusion(
            experiment, number, trial, end, observation, _state(experiment, trial, end, observation)
        )


def kill(number: TrialNumber, trial: LiveTrial) -> TrialConcluded:
    """The conclusion of a trial that waits for its next attempt when the experiment ends."""
    return TrialConcluded(
        trial=number, attempt=trial.attempt, state=TrialState.KILLED, cause=Cause.CANCELLED
    )


def _may_try_again(experiment: Experiment, trial: LiveTrial, end: End) -> bool:
    """Whether the trial gets another attempt.

    It does after a cancelled or lost attempt, unless early stopping has stopped it; a loss counts
    where nobody asked the attempt to stop. After a failed one, the retry policy of the spec
    decides.
    """
    match end.cause:
        case cause if cause is Cause.CANCELLED or (cause in LOSSES and trial.stopping is not None):
            return trial.stopping is not StopReason.EARLY_STOPPING
        case cause if cause in LOSSES:
            return trial.losses < MAX_LOSSES
        case cause if cause in OWN_FAULT:
            retry = experiment.spec.retry
            wanted = cause.value in {one.value for one in retry.causes}
            return trial.stopping is None and wanted and trial.retries < retry.max_retries
        case _:
            return False


def _state(
    experiment: Experiment, trial: LiveTrial, end: End, observation: Observation
) -> TrialState:
    stopped = trial.stopping is StopReason.EARLY_STOPPING and end.cause is not Cause.COMPLETED
    if stopped:
        return TrialState.EARLY_STOPPED
    if end.cause is not Cause.COMPLETED:
        return TrialState.FAILED
    return (
        TrialState.METRICS_UNAVAILABLE
        if missing_metrics(experiment, observation)
        else TrialState.SUCCEEDED
    )


def missing_metrics(experiment: Experiment, observation: Observation) -> list[str]:
    """The metrics of objectives and outcome constraints without a value that counts or a text, if
    any are expected."""
    spec = experiment.spec
    if not spec.metrics_collector_spec.expects_metrics:
        return []
    needed = dict.fromkeys(
        [
            *(target.metric for target in spec.all_objectives),
            *(bound.metric for bound in spec.outcome_bounds),
        ]
    )
    return [metric for metric in needed if spec.value_or_text(observation, metric) is None]


def _conclusion(
    experiment: Experiment,
    number: TrialNumber,
    trial: LiveTrial,
    end: End,
    observation: Observation,
    state: TrialState,
) -> TrialConcluded:
    values = experiment.spec.values(observation)
    conclusion = TrialConcluded(
        trial=number,
        attempt=trial.attempt,
        state=state,
        cause=end.cause,
        exit_code=end.exit_code,
        message=_message(experiment, trial, end, observation, state),
        observation=observation,
        value=values[0],
        values=values,
        violations=experiment.spec.violations(observation),
        diagnosis=_telling(trial.diagnosis, state),
    )
    return conclusion.model_copy(update={"best": is_best(experiment, conclusion)})


def _telling(seen: Diagnosis | None, state: TrialState) -> Diagnosis | None:
    """What is kept of what a collector saw: of a trial that lacks no value, only what it warns
    of."""
    if seen is None or state is TrialState.METRICS_UNAVAILABLE:
        return seen
    return seen if seen.warns else None


def _message(
    experiment: Experiment, trial: LiveTrial, end: End, observation: Observation, state: TrialState
) -> str:
    match state:
        case TrialState.EARLY_STOPPED | TrialState.KILLED:
            return trial.stop_message or end.message
        case TrialState.METRICS_UNAVAILABLE:
            metric = missing_metrics(experiment, observation)[0]
            is_objective = metric in {target.metric for target in experiment.spec.all_objectives}
            what = (
                f"the objective {metric!r}"
                if is_objective
                else f"{metric!r}, which has an outcome constraint,"
            )
            seen = observation.get(metric)
            if seen is not None and seen.count:
                times = "once" if seen.count == 1 else f"{seen.count} times"
                return f"{what} was reported {times}, but has no finite value that counts"
            cause = why_unreported(experiment.spec, metric, observation, trial.diagnosis)
            return f"{what} was never reported: {cause}"
        case _:
            return end.message
