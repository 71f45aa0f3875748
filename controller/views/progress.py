"""The progress of an experiment: news, the best trial so far, the time left, the running trials."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store.queries.curves import LatestValue
from controller.store.queries.experiments import ExperimentSnapshot
from controller.views import words
from controller.views.fronts import front_words
from controller.views.summary import trial_counts
from events.facts import TERMINAL, TrialConcluded, TrialProposed, TrialState
from events.ids import TrialNumber, trial_name


class RunningTrial(NamedTuple):
    """One line about a trial without a conclusion."""

    name: str
    state: str
    last: str
    """Its last value, or nothing."""
    runs: bool


def news_line(experiment: Experiment, recorded: Recorded) -> str:
    """A fact that has just been recorded, with its local time."""
    at = recorded.envelope.at.astimezone().strftime("%H:%M:%S")
    match recorded.fact:
        case TrialProposed(trial=trial, assignment=assignment):
            return (
                f"{at} {trial_name(experiment.identity.name, trial)} tries "
                f"{words.assignment(assignment)}"
            )
        case (
            TrialConcluded(
                trial=trial, state=state, value=value, values=known, message=message
            ) as fact
        ):
            shown = words.aimed(experiment.spec, known) if value is not None else message
            if missed := words.missed(experiment.spec, fact.violations):
                shown += f" (misses {missed})"
            return (
                f"{at} {trial_name(experiment.identity.name, trial)} {state.value} {shown}".rstrip()
            )
        case fact:
            return f"{at} {words.fact_words(fact)}"


def concluded_words(experiment: Experiment) -> str:
    """How many trials ended how, such as `5 Succeeded, 1 Failed`."""
    counts = trial_counts(experiment).items()
    return ", ".join(
        f"{count} {state.value}" for state, count in counts if count and state in TERMINAL
    )


def time_left_words(snapshot: ExperimentSnapshot, began: datetime, at_start: int) -> str:
    """At the pace since `began`, when `at_start` trials were concluded; of a wall-clock budget,
    what is left of it."""
    progress, spec = snapshot.experiment.progress, snapshot.experiment.spec
    if progress.deadline is not None:
        return (
            f"{words.duration(max(0.0, (progress.deadline - snapshot.now).total_seconds()))} of "
            "the budget left"
        )
    done = progress.counts.concluded - at_start
    if spec.max_trial_count is None or done <= 0:
        return ""
    pace = (snapshot.now - began).total_seconds() / done
    return f"about {words.duration(pace * (spec.max_trial_count - progress.counts.concluded))} left"


def best_line(experiment: Experiment) -> str:
    """The best trial so far, or the front, and how many trials are infeasible."""
    best = experiment.progress.best
    infeasible = experiment.progress.infeasible
    missed = f"; {words.count(infeasible, 'trial')} infeasible" if infeasible else ""
    if experiment.progress.front:
        return f"front: {front_words(experiment)}{missed}"
    if best is None:
        return f"no result yet{missed}"
    name = trial_name(experiment.identity.name, best.trial)
    if best.value is None:
        return f"latest {experiment.spec.first_objective.metric} by {name}"
    return (
        f"best {experiment.spec.first_objective.metric}={words.number(best.value)} by "
        f"{name}{missed}"
    )


def running_trials(
    experiment: Experiment, last: Mapping[TrialNumber, LatestValue], most: int
) -> Iterator[RunningTrial]:
    """The trials without a conclusion, at most so many; `last` is what they have reported last."""
    metric = experiment.spec.first_objective.metric
    for number, trial in list(experiment.progress.live.items())[:most]:
        seen = last.get(number)
        value = f"{metric}={words.number(seen.value)} at report {seen.step}" if seen else ""
        state = "stopping" if trial.stopping else trial.state.value
        name = trial_name(experiment.identity.name, number)
        yield RunningTrial(name, state, value, runs=trial.state is TrialState.RUNNING)
