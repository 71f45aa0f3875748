"""A decision as it grows: each fact is applied at once, and the next one follows from what is then
known."""

from datetime import datetime

from controller.core.conclusions import kill
from controller.core.evolve import evolve
from controller.core.experiment import Experiment, LiveTrial, Verdict
from events.facts import (
    ExperimentEnding,
    Fact,
    StopReason,
    TrialState,
    TrialStopRequested,
)
from events.ids import TrialNumber


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


def stop_request(
    number: TrialNumber, trial: LiveTrial, reason: StopReason, message: str = ""
) -> TrialStopRequested:
    return TrialStopRequested(trial=number, attempt=trial.attempt, reason=reason, message=message)


def end(decision: Decision, verdict: Verdict) -> None:
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
    stop_all(decision, StopReason.EXPERIMENT_ENDED)


def stop_all(decision: Decision, reason: StopReason) -> None:
    for number, trial in decision.experiment.progress.live.items():
        if trial.stopping is None and trial.end is None:
            decision.add(stop_request(number, trial, reason))


def seconds_left(experiment: Experiment, at: datetime) -> float | None:
    deadline = experiment.progress.deadline
    return (
        experiment.progress.seconds_left
        if deadline is None
        else max(0.0, (deadline - at).total_seconds())
    )
