"""Numbers, times, values and facts in words, safe to print."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, assert_never

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
    Fact,
    ObservationRecorded,
    SearchExhausted,
    SpecEdited,
    StopReason,
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
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import Assignment

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))

CAUSES = {
    Cause.COMPLETED: "its program ended well",
    Cause.ERROR: "its program ended with an error",
    Cause.SIGNAL: "its program was killed by a signal",
    Cause.OUT_OF_MEMORY: "it ran out of memory",
    Cause.SPAWN_FAILURE: "its program could not be started",
    Cause.TIMEOUT: "it took longer than timeoutSeconds",
    Cause.LOST: "what ran it is gone, and its exit status with it",
    Cause.PREEMPTED: "the cluster took its place away for something else",
    Cause.CANCELLED: "it was stopped on request",
}
STOPS = {
    StopReason.EARLY_STOPPING: "early stopping found it hopeless",
    StopReason.EXPERIMENT_ENDED: "the experiment ends",
    StopReason.EXPERIMENT_PAUSED: "the experiment is paused",
}
STATES = {
    TrialState.PROPOSED: "proposed",
    TrialState.PENDING: "waiting to start",
    TrialState.RUNNING: "running",
    TrialState.PAUSED: "paused",
    TrialState.SUCCEEDED: "succeeded",
    TrialState.FAILED: "failed",
    TrialState.EARLY_STOPPED: "stopped early",
    TrialState.KILLED: "killed, since the experiment ended",
    TrialState.METRICS_UNAVAILABLE: "without a value of the objective, or of a constraint's metric",
}


def clean(text: object) -> str:
    """Text that cannot move the cursor, change colours or break a line."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], str(text))


def number(value: float | None) -> str:
    """A number short enough for a table; `-` for none."""
    return "-" if value is None else f"{value:.6g}"


def scalar(value: Any) -> str:
    """A parameter's value for a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, float) else clean(value)


def assignment(values: Assignment) -> str:
    """Such as `lr=0.1, layers=3`."""
    return ", ".join(f"{clean(name)}={scalar(value)}" for name, value in values.items())


def value(known: float | str | None) -> str:
    """A metric's number, or its text."""
    return clean(known) if isinstance(known, str) else number(known)


def values(metrics: Mapping[str, float | str | None]) -> str:
    """Such as `loss=0.5, accuracy=-`."""
    return ", ".join(f"{clean(name)}={value(known)}" for name, known in metrics.items())


def objective_words(target: Objective) -> str:
    """Such as `minimize loss to 0.01`."""
    goal = f" to {number(target.goal)}" if target.goal is not None else ""
    return f"{target.type.value} {clean(target.metric)}{goal}"


def objectives_words(spec: ExperimentSpec) -> str:
    """Such as `minimize error, minimize latency_ms, where latency_ms <= 20`."""
    where = (
        f", where {' and '.join(map(clean, spec.outcome_constraints))}"
        if spec.outcome_constraints
        else ""
    )
    return ", ".join(map(objective_words, spec.all_objectives)) + where


def aimed(spec: ExperimentSpec, row_values: Sequence[float | None]) -> str:
    """The values of the objectives with their names."""
    return values(
        {
            target.metric: value
            for target, value in zip(spec.all_objectives, row_values, strict=False)
        }
    )


def missed(spec: ExperimentSpec, violations: Sequence[float | None]) -> str:
    """Such as `latency_ms <= 20 by 1.5`; empty if every constraint holds."""
    pairs = zip(spec.outcome_constraints, violations, strict=False)
    return ", ".join(f"{clean(text)} by {number(amount)}" for text, amount in pairs if amount)


def shares(parts: Sequence[tuple[str, float]]) -> str:
    """Such as `lr 62%, layers 20%`."""
    return ", ".join(f"{clean(name)} {share:.0%}" for name, share in parts)


def extreme(target: Objective) -> str:
    """`lowest` or `highest`: which value of the objective is the best."""
    return "lowest" if target.type is Direction.MINIMIZE else "highest"


def duration(seconds: float) -> str:
    """Such as `0.4 s`, `12 s`, `3 min 20 s` or `2 d 4 h`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for (size, unit), (part, smaller) in pairwise((*_UNITS, (1.0, "s"))):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} {seconds % size // part:.0f} {smaller}"
    return f"{seconds:.0f} s"


def age(since: datetime, now: datetime) -> str:
    """The largest unit only, such as `3 min`."""
    return " ".join(duration((now - since).total_seconds()).split()[:2])


def clock(at: datetime) -> str:
    """Local date and time."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def count(amount: int, thing: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{amount:,} {thing}" if amount == 1 else f"{amount:,} {thing}s"


def ended(fact: AttemptEnded | TrialConcluded) -> str:
    """How an attempt ended: the cause, the exit code, and what else is known."""
    code = f" (exit code {fact.exit_code})" if fact.exit_code else ""
    more = f": {clean(fact.message)}" if fact.message else ""
    return f"{CAUSES[fact.cause]}{code}{more}"


def fact_words(fact: Fact) -> str:
    """What a fact says, in one line."""
    match fact:
        case ExperimentAdmitted(name=name, namespace=namespace, spec=spec):
            budget = (
                count(spec.max_trial_count, "trial")
                if spec.max_trial_count
                else "trials without limit"
            )
            return (
                f"experiment {namespace}/{name} admitted: {objectives_words(spec)}, {budget}, "
                f"{spec.parallel} at a time"
            )
        case SuggestionsRequested(request=request, count=wanted):
            return f"asked the search for {count(wanted, 'suggestion')} (request {request})"
        case SearchExhausted():
            return "the search has nothing more to suggest"
        case SpecEdited(
            parallel_trial_count=parallel, max_trial_count=budget, max_failed_trial_count=failed
        ):
            return (
                f"spec edited: parallel {parallel}, at most {budget or 'any number of'} trials, "
                f"{failed} failed"
            )
        case BudgetExtended(max_trial_count=budget):
            return f"the budget was raised to {count(budget, 'trial')}"
        case ExperimentPaused():
            return "experiment paused"
        case ExperimentResumed():
            return "experiment resumed"
        case ExperimentEnding(state=state, reason=reason, message=message):
            return f"experiment will end as {state} ({reason}): {clean(message)}"
        case ExperimentConcluded(state=state, reason=reason, best=best, front=front):
            found = (
                f"; best is trial {best}"
                if best
                else f"; the front has {count(len(front), 'trial')}"
                if front
                else ""
            )
            return f"experiment ended as {state} ({reason}){found}"
        case ExperimentDeleting():
            return "experiment will be deleted as soon as nothing of it runs"
        case ExperimentDeleted():
            return "experiment deleted"
        case _:
            return f"trial {fact.trial}: {trial_words(fact)}"


TrialFact = (
    TrialProposed
    | TrialScheduled
    | TrialWaiting
    | TrialStarted
    | TrialStopRequested
    | AttemptEnded
    | ObservationRecorded
    | TrialPaused
    | TrialConcluded
)


def trial_words(fact: TrialFact) -> str:
    """What a fact about a trial says of it."""
    match fact:
        case TrialProposed(assignment=values, told=told):
            return f"proposed with {assignment(values)} (the search knew {count(told, 'result')})"
        case TrialScheduled(attempt=attempt):
            return f"attempt {attempt} scheduled"
        case TrialWaiting(attempt=attempt, reason=reason, message=message):
            return f"attempt {attempt} waits: {reason}" + (f": {clean(message)}" if message else "")
        case TrialStarted(attempt=attempt):
            return f"attempt {attempt} started"
        case TrialStopRequested(reason=reason, message=message):
            return f"asked to stop, because {STOPS[reason]}" + (
                f": {clean(message)}" if message else ""
            )
        case AttemptEnded(attempt=attempt):
            return f"attempt {attempt} is over: {ended(fact)}"
        case ObservationRecorded(attempt=attempt, observation=observation):
            total = sum(one.count for one in observation.values())
            return f"attempt {attempt}: all metrics are in ({count(total, 'value')})"
        case TrialPaused():
            return "paused; it will be tried again when the experiment is resumed"
        case TrialConcluded(state=state, values=known):
            shown = ", ".join(number(value) for value in known if value is not None)
            what = f", {'values' if len(known) > 1 else 'value'} {shown}" if shown else ""
            return f"{state}{what}{_rank(fact)}; {ended(fact)}"
        case _:
            assert_never(fact)


def _rank(fact: TrialConcluded) -> str:
    if any(fact.violations):
        return ", infeasible"
    if not fact.best:
        return ""
    if len(fact.values) > 1:
        return ", on the front"
    return ", the latest with its text" if fact.value is None else ", the best so far"
