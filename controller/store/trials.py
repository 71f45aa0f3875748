"""The rows of trials that follow from facts: new ones, and the changed ones with all that is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from events.facts import TrialConcluded, TrialProposed, TrialStarted, TrialState
from events.ids import TrialNumber
from events.spec.space import Assignment


@dataclass(frozen=True, slots=True)
class Made:
    """A proposed trial."""

    number: TrialNumber
    state: TrialState
    attempt: int
    assignment: Assignment
    told: int
    at: datetime


@dataclass(slots=True)
class Changed:
    """What a trial's row becomes."""

    number: TrialNumber
    state: TrialState
    attempt: int
    ordinal: int | None = None
    cause: str | None = None
    exit_code: int | None = None
    message: str | None = None
    observation: str | None = None
    value: float | None = None
    objective_values: str | None = None
    violations: str | None = None
    started_at: datetime | None = None
    concluded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    made: Sequence[Made]
    changed: Sequence[Changed]


def trial_rows(before: Experiment, after: Experiment, recorded: Sequence[Recorded]) -> Rows:
    """The rows to insert and to update for these facts. A trial is never proposed and concluded in one batch:
    its workload starts only after the commit."""
    proposed: dict[TrialNumber, tuple[TrialProposed, datetime]] = {}
    changed: dict[TrialNumber, Changed] = {}
    ordinal = before.progress.counts.concluded
    for one in recorded:
        match one.fact:
            case TrialProposed() as fact:
                proposed[fact.trial] = (fact, one.envelope.at)
            case TrialConcluded() as fact:
                ordinal += 1
                started_at = changed[fact.trial].started_at if fact.trial in changed else None
                changed[fact.trial] = _concluded(fact, ordinal, one.envelope.at, started_at)
            case TrialStarted(trial=trial):
                _live(changed, after, trial).started_at = one.envelope.at
            case fact if (number := getattr(fact, "trial", None)) is not None:
                _live(changed, after, number)
    made = [_made(after, fact, at) for fact, at in proposed.values()]
    return Rows(made, [row for number, row in changed.items() if number not in proposed])


def _made(after: Experiment, fact: TrialProposed, at: datetime) -> Made:
    live = after.progress.live[fact.trial]
    return Made(fact.trial, live.state, live.attempt, fact.assignment, fact.told, at)


def _live(changed: dict[TrialNumber, Changed], after: Experiment, number: TrialNumber) -> Changed:
    """The row of a trial as the batch leaves it; a conclusion in the batch will replace it."""
    if number not in changed:
        live = after.progress.live.get(number)
        changed[number] = Changed(number, live.state, live.attempt) if live else Changed(number, TrialState.RUNNING, 0)
    return changed[number]


def _concluded(fact: TrialConcluded, ordinal: int, at: datetime, started_at: datetime | None) -> Changed:
    return Changed(
        number=fact.trial,
        state=fact.state,
        attempt=fact.attempt,
        ordinal=ordinal,
        cause=fact.cause,
        exit_code=fact.exit_code,
        message=fact.message,
        observation=orjson.dumps({name: one.model_dump() for name, one in fact.observation.items()}).decode(),
        value=fact.value,
        objective_values=_array(fact.values) if len(fact.values) > 1 else None,
        violations=_array(fact.violations) if fact.violations else None,
        started_at=started_at,
        concluded_at=at,
    )


def _array(numbers: Sequence[float | None]) -> str:
    """As Postgres writes an array: arrays of different lengths cannot be sent as one array of arrays."""
    return "{" + ",".join("NULL" if number is None else repr(number) for number in numbers) + "}"
