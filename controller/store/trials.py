"""The rows of trials that follow from facts: new rows, and updates of existing rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store import DataRefusedError
from events.facts import TrialConcluded, TrialProposed, TrialStarted, TrialState
from events.ids import TrialNumber


@dataclass(frozen=True, slots=True)
class NewTrial:
    """The row of a trial that was just proposed."""

    number: TrialNumber
    state: TrialState
    attempt: int
    assignment: str
    """As JSON."""
    told: int
    """Conclusions that the search knew when it suggested this."""
    proposed_at: datetime


@dataclass(slots=True)
class TrialUpdate:
    """The new values of an existing row of a trial."""

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
class TrialRows:
    """The rows to insert, and those to update."""

    new: Sequence[NewTrial]
    updated: Sequence[TrialUpdate]


def trial_rows(before: Experiment, after: Experiment, recorded: Sequence[Recorded]) -> TrialRows:
    """The rows to insert and to update for these facts.

    Raises DataRefusedError if they propose and conclude the same trial: a row is inserted or
    updated by one commit, not both. A workload starts only after the commit, so only what was
    recorded earlier or forged ends that early.
    """
    proposed: dict[TrialNumber, tuple[TrialProposed, datetime]] = {}
    updated: dict[TrialNumber, TrialUpdate] = {}
    ordinal = before.progress.counts.concluded
    for one in recorded:
        match one.fact:
            case TrialProposed() as fact:
                proposed[fact.trial] = (fact, one.envelope.at)
            case TrialConcluded() as fact:
                ordinal += 1
                started_at = updated[fact.trial].started_at if fact.trial in updated else None
                updated[fact.trial] = _concluded(fact, ordinal, one.envelope.at, started_at)
            case TrialStarted(trial=trial):
                _live(updated, after, trial).started_at = one.envelope.at
            case fact if (number := getattr(fact, "trial", None)) is not None:
                _live(updated, after, number)
    for number in proposed.keys() - after.progress.live.keys():
        raise DataRefusedError(f"trial {number} is proposed and concluded in one commit")
    new = [_new(after, fact, at) for fact, at in proposed.values()]
    return TrialRows(new, [row for number, row in updated.items() if number not in proposed])


def _new(after: Experiment, fact: TrialProposed, at: datetime) -> NewTrial:
    live = after.progress.live[fact.trial]
    return NewTrial(
        fact.trial, live.state, live.attempt, orjson.dumps(fact.assignment).decode(), fact.told, at
    )


def _live(
    updated: dict[TrialNumber, TrialUpdate], after: Experiment, number: TrialNumber
) -> TrialUpdate:
    """The row of a trial as the batch leaves it; a conclusion in the batch will replace it."""
    if number not in updated:
        live = after.progress.live.get(number)
        updated[number] = (
            TrialUpdate(number, live.state, live.attempt)
            if live
            else TrialUpdate(number, TrialState.RUNNING, 0)
        )
    return updated[number]


def _concluded(
    fact: TrialConcluded, ordinal: int, at: datetime, started_at: datetime | None
) -> TrialUpdate:
    return TrialUpdate(
        number=fact.trial,
        state=fact.state,
        attempt=fact.attempt,
        ordinal=ordinal,
        cause=fact.cause,
        exit_code=fact.exit_code,
        message=fact.message,
        observation=orjson.dumps(
            {name: one.model_dump() for name, one in fact.observation.items()}
        ).decode(),
        value=fact.value,
        objective_values=_array(fact.values) if len(fact.values) > 1 else None,
        violations=_array(fact.violations) if fact.violations else None,
        started_at=started_at,
        concluded_at=at,
    )


def _array(numbers: Sequence[float | None]) -> str:
    """As Postgres writes an array: arrays of different lengths cannot be sent as one array of
    arrays."""
    return "{" + ",".join("NULL" if number is None else repr(number) for number in numbers) + "}"
