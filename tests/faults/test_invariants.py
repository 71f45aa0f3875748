"""Each invariant notices what it is there for: a sound history is spoiled in one place, and that
one speaks."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

import tests.faults.invariants as invariants
from controller.store.postgres import Connection, Database, open_database
from events import topics
from tests.brokers import Brokers
from tests.faults.installation import Installation, installation
from tests.faults.stream import Event, Stream

AGAIN = (
    "INSERT INTO fact (experiment, seq, id, cause, at, type, trial, data, epoch) "
    "SELECT experiment, seq + 1000, {id}, cause, at, type, trial, data || '{more}', epoch FROM "
    "fact "
    "WHERE type = '{type}' AND trial = 1"
)


def again(kind: str, more: str = "{}", number: str = "gen_random_uuid()") -> str:
    return AGAIN.format(id=number, more=more, type=kind)


SPOILED = {
    "a trial is lost": ("I1 suggestions", "DELETE FROM trial WHERE number = 2"),
    "a trial is suggested twice": ("I1 suggestions", again("trial.proposed")),
    "an attempt is scheduled twice": ("I1 attempts", again("trial.scheduled")),
    "an attempt has no cause": ("I1 attempts", again("trial.scheduled", '{"attempt": 2}')),
    "a point is wrong": (
        "I3 measurements",
        "UPDATE measurement SET value = value + 1 WHERE trial = 1 AND step = 3",
    ),
    "a point is lost": (
        "I3 measurements",
        "DELETE FROM measurement WHERE trial = 1 AND step = 8 AND metric = 'loss'",
    ),
    "a curve is lost": ("I3 measurements", "DELETE FROM measurement WHERE trial = 1"),
    "more trials than the budget": (
        "I4 budgets",
        (
            "UPDATE fact SET data = jsonb_set(data, '{spec,maxTrialCount}', '5') WHERE type = "
            "'experiment.admitted'"
        ),
    ),
    "more at once than allowed": (
        "I4 budgets",
        "UPDATE experiment SET spec = jsonb_set(spec, '{parallelTrialCount}', '1')",
    ),
    "a trial failed": ("I4 budgets", "UPDATE trial SET state = 'Failed' WHERE number = 1"),
    "fewer trials than the budget": (
        "I4 spent",
        (
            "UPDATE fact SET data = jsonb_set(data, '{spec,maxTrialCount}', '7') WHERE type = "
            "'experiment.admitted'"
        ),
    ),
    "an effect is left": ("I5 left", "INSERT INTO outbox SELECT id, 1, 'publish' FROM experiment"),
    "a trial is left": ("I5 left", "UPDATE trial SET ordinal = NULL WHERE number = 1"),
    "a record is put aside": (
        "I5 left",
        (
            "INSERT INTO dead_letter SELECT id, shard, 'signals', 0, id::text::bytea, "
            "'[[\"ce_id\", \"\"]]', '', 'for no reason' FROM experiment"
        ),
    ),
    "a trial is concluded twice": ("I6 conclusions", again("trial.concluded")),
    "a row says something else": ("I6 conclusions", "UPDATE trial SET value = 0 WHERE number = 1"),
    "a conclusion is not recorded": (
        "I6 conclusions",
        "DELETE FROM fact WHERE type = 'trial.concluded' AND trial = 3",
    ),
    "two conclusions in one place": (
        "I6 conclusions",
        "UPDATE trial SET ordinal = 1 WHERE number IN (1, 2)",
    ),
    "a suggestion is not the search's": (
        "I9 journals",
        'UPDATE trial SET assignment = \'{"x": 1, "y": 1}\'',
    ),
    "a lesson is not told": ("I9 journals", "UPDATE trial SET told = 0 WHERE number = 5"),
    "an epoch goes back": ("I10 epochs", "UPDATE fact SET epoch = 0 WHERE seq = 9"),
    "a stale owner wrote": (
        "I10 epochs",
        (
            "INSERT INTO ownership SELECT shard, 99, 'another', created_at - interval '1 minute' "
            "FROM experiment"
        ),
    ),
    "nobody took the epoch": ("I10 epochs", "DELETE FROM ownership"),
    "a fact is decided twice": ("fact ids", again("trial.proposed", number="id")),
    "a fact is lost": ("gaps", "DELETE FROM fact WHERE seq = 4"),
}


WITHOUT_GUARDS = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT conrelid::regclass AS place, conname FROM pg_constraint WHERE contype = 'f'
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.place, one.conname); END LOOP;
    FOR one IN SELECT DISTINCT tgrelid::regclass AS place FROM pg_trigger WHERE NOT tgisinternal
    LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one.place); END LOOP;
END $$
"""
"""Without the triggers and references that would refuse what is spoiled."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A Database that stays in one transaction."""

    connection: Connection

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        return list(await self.connection.fetch(sql, *values))

    async def row(self, sql: str, *values: Any) -> Any:
        return await self.connection.fetchrow(sql, *values)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, one_broker: Brokers) -> Iterator[Installation]:
    """One experiment, finished without any fault."""
    with installation(Path(tmp_path_factory.mktemp("sound")), one_broker) as place:
        place.simulate("quick")
        place.open_controller()
        place.submit("sound", "nevergrad", trials=6)
        place.holds("EXISTS (SELECT FROM experiment WHERE concluded_at IS NOT NULL)")
        place.holds("NOT EXISTS (SELECT FROM outbox)")
        yield place


def test_a_sound_history_violates_nothing(sound: Installation) -> None:
    ask = sound.postgres.ask
    assert ask(lambda database: invariants.violations(database, invariants.AT_REST)) == []
    published, events = ask(invariants.published_facts), facts(sound)
    assert invariants.every_fact_is_published(published, events) == []
    assert invariants.facts_stand_in_order(events) == []
    assert ask(lambda database: invariants.nothing_else_is_published(database, events)) == []


@pytest.mark.parametrize("spoiled", SPOILED)
def test_what_is_spoiled_is_noticed(sound: Installation, spoiled: str) -> None:
    name, statement = SPOILED[spoiled]

    async def noticed() -> list[str]:
        async with (
            open_database(sound.postgres.url) as database,
            database.connection() as connection,
        ):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(WITHOUT_GUARDS)
            await connection.execute(statement)
            try:
                return await invariants.AT_REST[name](cast("Database", Pinned(connection)))
            finally:
                await transaction.rollback()

    assert asyncio.run(noticed())


def facts(place: Installation) -> list[Event]:
    return Stream(place.settings, topics.EVENTS).read()


def test_a_topic_that_lacks_a_fact_or_has_another_is_noticed(sound: Installation) -> None:
    events = facts(sound)
    published = sound.postgres.ask(invariants.published_facts)
    lacking: Sequence[Event] = [*events[:4], *events[5:]]
    swapped = [*events[:4], events[5], events[4], *events[6:]]
    assert len(invariants.every_fact_is_published(published, lacking)) == 1
    assert len(invariants.facts_stand_in_order(lacking)) == 1
    assert len(invariants.facts_stand_in_order(swapped)) == 1
    assert invariants.facts_stand_in_order([*events, *events[3:]]) == [], "a repetition is no harm"
    sound.postgres.execute("UPDATE fact SET id = gen_random_uuid() WHERE seq = 5")
    assert (
        len(
            sound.postgres.ask(
                lambda database: invariants.nothing_else_is_published(database, events)
            )
        )
        == 1
    )


def test_a_run_that_was_repeated_or_never_was_is_noticed(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.write_text("digits 1 1\ndigits 2 1\ndigits 1 1\n")
    assert invariants.nothing_ran_twice(runs) == ["digits 1 1 ran 2 times"]
    assert invariants.what_succeeded_ran(["digits 2 1", "digits 3 1"], runs) == [
        "digits 3 1 did not run"
    ]
