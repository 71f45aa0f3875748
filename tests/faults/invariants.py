"""What must hold whatever breaks: each invariant is a query that gives its violations as lines;
none is well."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import tests.faults.statements as sql
from algorithms.search import create_search
from algorithms.search.port import Search
from controller.flows.propose import conclusion_entries
from controller.store.journal import Journal, Journals
from controller.store.ledger import Ledger
from controller.store.postgres import Database
from events.ids import ExperimentId
from events.spec.experiment import ExperimentSpec
from tests.faults.stream import Event
from tests.faults.train import STEPS, curve

Invariant = Callable[[Database], Awaitable[list[str]]]
Fact = tuple[UUID, int]
"""An experiment and the place of a fact in it."""


def _query(statement: str) -> Invariant:
    async def violations(database: Database) -> list[str]:
        return [row["line"] for row in await database.fetch(statement)]

    return violations


each_suggestion_is_one_trial = _query(sql.SUGGESTIONS)  # I1
attempts_grow_for_a_cause = _query(sql.ATTEMPTS)  # I1
budgets_hold = _query(sql.BUDGETS)  # I4
budgets_are_spent = _query(sql.SPENT)  # I4
nothing_is_left = _query(sql.LEFT)  # I5
one_conclusion_each = _query(sql.CONCLUSIONS)  # I6
no_stale_epoch = _query(sql.EPOCHS)  # I10
fact_ids_are_unique = _query(sql.FACT_IDS)
facts_have_no_gaps = _query(sql.GAPS)


async def measurements_are_the_oracle_s(database: Database) -> list[str]:
    """I3: each point once and with the value that the trial printed; of a succeeded trial, all of
    them."""
    rows = await database.fetch(sql.POINTS)
    return [line for row in rows for line in _compared(row)]


def _compared(row: Any) -> Iterator[str]:
    x, y = (float(row["assignment"][name]) for name in ("x", "y"))
    expected = {
        (name, step): value
        for step in range(1, STEPS + 1)
        for name, value in curve(x, y, step).items()
    }
    points = [
        (metric, step) for metric, step in zip(row["metrics"], row["steps"], strict=True) if metric
    ]
    stored = dict(zip(points, row["values"], strict=False))
    who = f"{row['name']} trial {row['trial']} attempt {row['attempt']}"
    if len(points) != len(stored):
        yield f"{who}: points are stored twice"
    wrong = sorted(point for point, value in stored.items() if expected.get(point) != value)
    if wrong:
        yield f"{who}: wrong points {wrong}"
    if row["state"] == "Succeeded" and row["concluding"]:
        lost = sorted(expected.keys() - stored.keys())
        if lost:
            yield f"{who}: lost points {lost}"
        if (counted := row["observation"]["loss"]["count"]) != STEPS:
            yield f"{who}: its observation counts {counted} of {STEPS}"


async def journals_replay(database: Database) -> list[str]:
    """I9: a fresh search that is told and asked by the journal suggests exactly what is
    recorded."""
    rows = await database.fetch("SELECT id FROM experiment WHERE shard < 1000")
    return [line for row in rows for line in await _replayed(database, ExperimentId(row["id"]))]


async def _replayed(database: Database, number: ExperimentId) -> list[str]:
    known = await Ledger(database).get(number)
    journal = await Journals(database).read(number)
    if known is None:
        return []
    identity = known[0].identity
    search = create_search(identity.spec, identity.seed)
    return [f"{identity.name}: {line}" for line in _deviations(search, identity.spec, journal)][:1]


def _deviations(search: Search, spec: ExperimentSpec, journal: Journal) -> Iterator[str]:
    told = 0
    for number, suggestion in enumerate(journal.suggestions, 1):
        if not told <= suggestion.told <= len(journal.conclusions):
            yield (
                f"trial {number} was suggested after {suggestion.told} conclusions, the one "
                f"before after {told}"
            )
        for conclusion in journal.conclusions[told : suggestion.told]:
            for one in conclusion_entries(spec, conclusion):
                search.tell(one.trial, one.outcome)
        told = suggestion.told
        asked = search.ask(1)
        if asked != [suggestion.assignment]:
            yield f"trial {number} is {suggestion.assignment}, the replay suggests {asked}"


def nothing_ran_twice(runs: Path) -> list[str]:
    """I1: by the trials' own log, each attempt ran once at most."""
    counts = Counter(runs.read_text().splitlines() if runs.exists() else [])
    return [f"{attempt} ran {count} times" for attempt, count in counts.items() if count > 1]


async def succeeded(database: Database) -> list[str]:
    """The attempts that succeeded, as the trials' own log names them."""
    return [row["line"] for row in await database.fetch(sql.SUCCEEDED)]


def what_succeeded_ran(succeeded: Iterable[str], runs: Path) -> list[str]:
    """I1: and each attempt that succeeded did run."""
    known = set(runs.read_text().splitlines())
    return [f"{attempt} did not run" for attempt in succeeded if attempt not in known]


def facts_stand_in_order(events: Iterable[Event]) -> list[str]:
    """I7: per experiment, the first occurrences of the facts stand in one partition, in their
    order, without gaps."""
    last: dict[UUID, int] = {}
    partitions: dict[UUID, int] = {}
    lines: list[str] = []
    for event in events:
        before = last.get(event.experiment, 0)
        if partitions.setdefault(event.experiment, event.partition) != event.partition:
            lines.append(
                f"{event.experiment} is in partitions {partitions[event.experiment]} and "
                f"{event.partition}"
            )
        if event.sequence > before + 1:
            lines.append(
                f"{event.experiment}: fact {event.sequence} stands right after fact {before}"
            )
        last[event.experiment] = max(before, event.sequence)
    return lines


async def published_facts(database: Database) -> dict[Fact, UUID]:
    """The ids of the facts that must be on the topic by now: those that wait in the outbox may be,
    or not."""
    return {
        (row["experiment"], row["seq"]): row["id"] for row in await database.fetch(sql.PUBLISHED)
    }


def every_fact_is_published(published: dict[Fact, UUID], events: Sequence[Event]) -> list[str]:
    """I8: `published` was asked before `events` were read."""
    seen = {(event.experiment, event.sequence) for event in events}
    return [
        f"{experiment}: fact {seq} is not on the topic"
        for experiment, seq in published.keys() - seen
    ]


async def nothing_else_is_published(database: Database, events: Sequence[Event]) -> list[str]:
    """I8: what the topic says, Postgres says; of deleted experiments Postgres says nothing."""
    facts = {(row["experiment"], row["seq"]): row["id"] for row in await database.fetch(sql.FACTS)}
    deleted = {row["experiment"] for row in await database.fetch("SELECT experiment FROM deleted")}
    return [
        f"{event.experiment}: fact {event.sequence} on the topic is {event.id}, in Postgres "
        f"{facts.get((event.experiment, event.sequence))}"
        for event in events
        if event.experiment not in deleted
        and facts.get((event.experiment, event.sequence)) != event.id
    ]


CONTINUOUS: dict[str, Invariant] = {
    "I1 suggestions": each_suggestion_is_one_trial,
    "I1 attempts": attempts_grow_for_a_cause,
    "I3 measurements": measurements_are_the_oracle_s,
    "I4 budgets": budgets_hold,
    "I6 conclusions": one_conclusion_each,
    "I10 epochs": no_stale_epoch,
    "fact ids": fact_ids_are_unique,
    "gaps": facts_have_no_gaps,
}
AT_REST: dict[str, Invariant] = {
    **CONTINUOUS,
    "I4 spent": budgets_are_spent,
    "I5 left": nothing_is_left,
    "I9 journals": journals_replay,
}


async def violations(database: Database, invariants: dict[str, Invariant]) -> list[str]:
    """The lines of all these."""
    return [f"{name}: {line}" for name, one in invariants.items() for line in await one(database)]
