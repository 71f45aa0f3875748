"""What nobody needs any more goes, some rows at a time, and whoever dies meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

from controller.app.components import open_components
from controller.app.gauges import set_gauges
from controller.cluster.simulated import SimulatedCluster
from controller.store import upkeep
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements
from controller.store.outbox import Outbox
from controller.store.postgres import Database, open_database
from controller.store.upkeep import Upkeep
from controller.suggestion.pool import open_pool
from events.bus.memory import MemoryBus
from events.ids import TrialNumber
from tests.controller.flows.stage import bowl
from tests.controller.histories import Author, admitted, finish, opened, text
from tests.controller.store.test_holding import visited
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


async def test_what_waits_is_counted_by_its_effect(database_url: str) -> None:
    async with finished(database_url) as (database, author):
        outbox = Outbox(database)
        due = await outbox.pending(author._shard)
        assert due
        waiting = await outbox.waiting([author._shard])
        assert sum(count for count, _ in waiting.values()) == len(due)
        assert await outbox.waiting([]) == {}


async def add_experiments_that_are_over(database: Database, like: Author, count: int) -> None:
    """Copies of an experiment and of its facts, in the same shard, of which nothing waits."""
    await database.execute(
        "INSERT INTO experiment SELECT (made).* FROM (SELECT jsonb_populate_record(e, "
        "jsonb_build_object('id', md5(n::text || e.id), 'name', e.name || '-' || n)) AS made "
        "FROM experiment e, generate_series(1, $2) AS n WHERE e.id = $1) AS copies",
        like.id,
        count,
    )
    await database.execute(
        "INSERT INTO fact SELECT md5(n::text || f.experiment)::uuid, f.seq, gen_random_uuid(), "
        "f.cause, f.at, f.type, f.trial, f.data FROM fact f, generate_series(1, $2) AS n "
        "WHERE f.experiment = $1",
        like.id,
        count,
    )


async def test_what_waits_is_found_without_a_visit_to_what_is_over(fresh_database_url: str) -> None:
    async with finished(fresh_database_url) as (database, author):
        await add_experiments_that_are_over(database, author, 100)
        await database.execute("DELETE FROM outbox WHERE seq > 3")
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_database(fresh_database_url, size=1))
        leave = "DELETE FROM experiment WHERE id <> $1"  # copies do not follow from their facts
        stack.push_async_callback(one.execute, leave, author.id)
        cluster = SimulatedCluster(bowl)
        pool = await stack.enter_async_context(open_pool())
        opened = open_components(one, MemoryBus(), pool, cluster, cluster.follow, owner="gauges")
        components = await stack.enter_async_context(opened)
        shard, holding = author._shard, Holding(author._shard, author._epoch)
        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "pending": lambda: components.outbox.pending(shard),
            "waiting": lambda: components.outbox.waiting([shard]),
            "gauges": lambda: set_gauges(components, [holding]),
        }
        assert await components.outbox.pending(shard)
        for statistics in ("none", "of all"):
            for name, look in looks.items():
                before = {table: await visited(one, table) for table in ("experiment", "fact")}
                await look()
                for table, known in before.items():
                    rows = await visited(one, table) - known
                    assert rows <= 3, (
                        f"{name} visits {rows} of {table} with statistics {statistics}"
                    )
            await one.execute("ANALYZE")
