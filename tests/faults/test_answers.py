"""An answer of the owner before may be decided on first: the search goes on from what was decided,
not from its own."""

import asyncio
from dataclasses import replace
from uuid import uuid4

from algorithms.search.journal import restore
from controller.flows.propose import journal_entries, origin
from controller.store.journal import Journals
from controller.store.ledger import Ledger
from controller.store.postgres import Database
from events import topics
from events.bus.kafka import open_bus
from events.bus.kafka.topics import PARTITIONS
from events.clock import now
from events.envelope import Envelope, send
from events.ids import ExperimentId, shard_of
from events.signals import ExperimentSubmitted, SuggestionsMade
from events.spec.document import load
from events.spec.space import Assignment
from tests.faults.installation import Installation

TRIALS = 2
OTHER: Assignment = {"x": 0.9, "y": 0.1}
"""Nevergrad begins in the middle."""


def test_a_search_goes_on_from_the_answer_that_was_decided_on(place: Installation) -> None:
    """Nevergrad takes a second to be imported: enough for the answer of another to come first."""
    place.simulate("quick")
    place.open_controller()
    place.holds("count(owner) = $1 FROM shard", PARTITIONS)
    answered(place)
    place.holds("count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL")
    suggested, following = place.postgres.ask(continued)
    assert [suggested] == following


def answered(place: Installation) -> None:
    """Hand an experiment in, and answer its first request in the place of its owner, with other
    suggestions."""
    document = load(place.document("answered", "nevergrad", parallel=1, trials=TRIALS).encode())
    spec, shard = document.spec, shard_of("default", "answered", PARTITIONS)
    submitted = ExperimentSubmitted(name=document.name, namespace="default", spec=spec, seed=5)
    number = ExperimentId(uuid4())

    async def told() -> None:
        async with open_bus(place.settings) as bus:
            await send(
                bus, topics.SIGNALS, shard, [Envelope(number, None, number, now(), submitted)]
            )
            await asyncio.to_thread(
                place.holds, "EXISTS (SELECT FROM fact WHERE type = 'suggestions.requested')"
            )
            answer = Envelope(
                uuid4(), None, number, now(), SuggestionsMade(request=1, assignments=(OTHER,))
            )
            await send(bus, topics.SIGNALS, shard, [answer])

    asyncio.run(told())
    place.holds("EXISTS (SELECT FROM trial WHERE number = 1 AND assignment = $1)", OTHER)


async def continued(database: Database) -> tuple[Assignment, list[Assignment]]:
    """The second suggestion, and what follows from the journal before it."""
    row = await database.row("SELECT id FROM experiment")
    assert row is not None
    number = ExperimentId(row["id"])
    known = await Ledger(database).get(number)
    assert known is not None
    journal = await Journals(database).read(number)
    first, second = journal.suggestions
    before = replace(journal, suggestions=[first], conclusions=journal.conclusions[: second.told])
    start = origin(known[0])
    return second.assignment, restore(
        start.spec, start.seed, journal_entries(start.spec, before)
    ).ask(1)
