"""What nobody needs any more goes, some rows at a time, and whoever dies meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from controller.store import upkeep
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements
from controller.store.outbox import Outbox
from controller.store.postgres import Database
from controller.store.upkeep import Upkeep
from events.ids import TrialNumber
from tests.controller.histories import Author, admitted, finish, opened, text
from tests.eventually import eventually_async

TABLES = ("fact", "trial", "measurement", "curve", "inbox", "outbox", "mailbox")


@asynccontextmanager
async def finished(url: str, steps: int = 30) -> AsyncGenerator[tuple[Database, Author]]:
    async with opened(url) as (database, leases):
        author = await admitted(database, leases, text(f"e{uuid4().hex[:12]}", trials=4))
        await finish(author, 4, steps)
        yield database, author


async def left(database: Database, author: Author) -> dict[str, int]:
    found = {}
    for table in TABLES:
        rows = await database.fetch(f"SELECT FROM {table} WHERE experiment = $1", author.id)
        found[table] = len(rows)
    return found


async def test_a_deletion_that_was_cut_short_goes_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ROWS_AT_ONCE", 10)
    async with finished(database_url) as (database, author):
        before = await left(database, author)
        await Ledger(database).delete(author.id)
        spec = author.experiment.identity
        assert await Ledger(database).find(spec.namespace, spec.name) is None, "at once"
        monkeypatch.setattr(upkeep, "PAUSE_SECONDS", 3600)
        async with asyncio.TaskGroup() as tasks:
            clearing = Upkeep(database, None, 30).clear(author.id)
            cut = tasks.create_task(clearing, name="clear")

            async def begun() -> bool:
                return (await left(database, author))["measurement"] < before["measurement"]

            await eventually_async(begun)
            cut.cancel()
        assert 0 < (await left(database, author))["measurement"] < before["measurement"]
        monkeypatch.setattr(upkeep, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(upkeep, "SETTLED_SECONDS", 0)
        async with asyncio.TaskGroup() as tasks:
            going = tasks.create_task(Upkeep(database, None, 30).run(), name="upkeep")

            async def gone() -> bool:
                return not any((await left(database, author)).values())

            await eventually_async(gone)
            going.cancel()


async def test_a_deletion_does_not_wait_for_the_one_before_to_settle(database_url: str) -> None:
    async with finished(database_url) as (database, one), finished(database_url) as (_, other):
        upkeep = Upkeep(database, None, 30)
        for author in (one, other):
            await Ledger(database).delete(author.id)
        await upkeep._clear_deleted()
        for author in (one, other):
            assert not any((await left(database, author)).values()), "after one look"
        mark = "INSERT INTO inbox (experiment, id) VALUES ($1, $2)"
        for author in (one, other):  # was under way
            await database.execute(mark, author.id, uuid4())
        await database.execute(
            "UPDATE deleted SET at = at - interval '1 hour' WHERE experiment = $1", one.id
        )
        await upkeep._clear_deleted()
        assert not any((await left(database, one)).values())
        assert (await left(database, other))["inbox"] == 1, "its turn comes when it has settled"
        rest = "SELECT FROM deleted WHERE experiment = $1 AND rest"
        assert not await database.fetch(rest, one.id)
        assert await database.fetch(rest, other.id)


async def test_points_go_when_their_time_has_come_and_their_summaries_stay(
    database_url: str,
) -> None:
    async with finished(database_url) as (database, author), opened(database_url):
        measurements = Measurements(database)
        before = await measurements.summaries(author.id, [(TrialNumber(1), 1)])
        assert before[TrialNumber(1)]
        await Upkeep(database, None, 30).prune()
        assert (await left(database, author))["measurement"] == 4 * 30
        await database.execute(
            "UPDATE experiment SET concluded_at = now() - interval '6 days' WHERE id = $1",
            author.id,
        )
        await Upkeep(database, 7, 30).prune()
        assert (await left(database, author))["measurement"] == 4 * 30, "too early"
        await Upkeep(database, 5, 30).prune()
        now = await left(database, author)
        assert now["measurement"] == 0
        assert (now["trial"], now["curve"]) == (4, 4)
        assert await measurements.summaries(author.id, [(TrialNumber(1), 1)]) == before


async def test_ids_are_kept_for_their_time(database_url: str) -> None:
    async with finished(database_url) as (database, author):
        old = "now() - interval '8 days'"
        await database.execute(
            f"INSERT INTO inbox (experiment, id, at) VALUES ($1, $2, {old}), ($1, $3, now())",
            author.id,
            uuid4(),
            uuid4(),
        )
        gone = uuid4()
        await database.execute(
            f"INSERT INTO deleted (experiment, at, rest) VALUES ($1, {old}, false)", gone
        )
        await database.execute(f"UPDATE ownership SET taken_at = {old}")
        await database.execute(
            f"INSERT INTO ownership (shard, epoch, owner, taken_at) VALUES ($1, 0, 'x', {old})",
            author._shard,
        )
        await Upkeep(database, None, 9).prune()
        assert (await left(database, author))["inbox"] == 2
        await Upkeep(database, None, 7).prune()
        assert (await left(database, author))["inbox"] == 1
        assert not await Ledger(database).was_deleted(author.id)
        assert not await database.fetch("SELECT FROM deleted WHERE experiment = $1", gone)
        rows = await database.fetch("SELECT epoch FROM ownership WHERE shard = $1", author._shard)
        assert [row["epoch"] for row in rows] == [author._epoch], "the present owner stays"


async def test_what_waits_is_found_without_a_look_at_what_is_over(database_url: str) -> None:
    async with finished(database_url) as (database, author):
        outbox = Outbox(database)
        due = await outbox.pending(author._shard)
        assert due
        waiting = await outbox.waiting([author._shard])
        assert sum(count for count, _ in waiting.values()) == len(due)
        assert await outbox.waiting([]) == {}
