"""Fold every recorded fact again: what comes out must be what is stored, for each experiment of a
database."""

from dataclasses import dataclass
from typing import Any

from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store.history import History
from controller.store.ledger import Ledger
from controller.store.postgres import Database, open_database
from events.facts import TrialConcluded
from events.ids import ExperimentId, TrialNumber

Rows = dict[TrialNumber, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the tables say of one experiment."""

    experiment: Experiment
    state: str
    concluded: bool
    trials: Rows


async def check_all(url: str) -> int:
    """Compare every experiment of the database with the fold of its facts; how many there were.

    Raises AssertionError with all differences. An experiment that moves on meanwhile is read again.
    """
    async with open_database(url) as database:
        numbers = [
            ExperimentId(row["id"]) for row in await database.fetch("SELECT id FROM experiment")
        ]
        wrong = [text for number in numbers for text in await differences(database, number)]
    assert not wrong, "\n".join(wrong)
    return len(numbers)


async def differences(database: Database, number: ExperimentId) -> list[str]:
    """A sentence for each thing of the experiment that its facts do not say."""
    stored = await _stored(database, number)
    while True:
        wrong = [] if stored is None else await _compared(database, stored)
        before, stored = stored, await _stored(database, number)
        if stored == before:
            return wrong


async def _compared(database: Database, stored: Stored) -> list[str]:
    identity, trials = stored.experiment.identity, Rows()
    seen, before, now = 0, None, None
    async for one, now in History(database).folded(identity.id):
        seen += 1
        if one.seq != seen:
            return [f"{identity.id}: the fact {seen} is missing"]
        _note(trials, one, now)
        before = now
    if before is None or now is None:
        return [f"{identity.id}: it has no facts"]
    pairs = {
        "identity": (now.identity, identity),
        "progress": (now.progress, stored.experiment.progress),
        "state": (now.progress.state.value, stored.state),
        "concluded": (now.done, stored.concluded),
    }
    wrong = [
        _sentence(identity.name, what, *pair) for what, pair in pairs.items() if pair[0] != pair[1]
    ]
    for trial in sorted({*trials, *stored.trials}):
        told, kept = trials.get(trial), stored.trials.get(trial)
        if told != kept:
            wrong.append(_sentence(identity.name, f"trial {trial}", told, kept))
    return wrong


def _sentence(name: str, what: str, folded: object, stored: object) -> str:
    return f"{name}: its {what} should be {folded}, by its facts; stored is {stored}"


def _note(trials: Rows, one: Recorded, now: Experiment) -> None:
    """What the fact makes of its trial's row: state, attempt, ordinal, cause, value, values,
    violations."""
    number = getattr(one.fact, "trial", None)
    if number is None:
        return
    match one.fact:
        case TrialConcluded() as fact:
            ordinal = now.progress.counts.concluded
            trials[number] = (
                fact.state.value,
                fact.attempt,
                ordinal,
                fact.cause.value,
                fact.value,
                *_outcome(fact),
            )
        case _:
            live = now.progress.live[number]
            trials[number] = (live.state.value, live.attempt, *[None] * 5)


def _outcome(fact: TrialConcluded) -> tuple[Any, Any]:
    """Of several objectives the values, and by how much constraints are missed."""
    return (list(fact.values) if len(fact.values) > 1 else None, list(fact.violations) or None)


async def _stored(database: Database, number: ExperimentId) -> Stored | None:
    """None if it was deleted."""
    known = await Ledger(database).get(number)
    row = await database.row("SELECT state, concluded_at FROM experiment WHERE id = $1", number)
    if known is None or row is None:
        return None
    trials = await database.fetch(
        "SELECT number, state, attempt, ordinal, cause, value, objective_values, violations "
        "FROM trial WHERE experiment = $1",
        number,
    )
    rows = {TrialNumber(one["number"]): tuple(one)[1:] for one in trials}
    return Stored(known[0], row["state"], row["concluded_at"] is not None, rows)
