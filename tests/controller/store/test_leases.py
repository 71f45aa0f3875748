"""Who owns a shard is decided by Postgres, for several who want it at once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from controller.store import FencedError, StoreRefusedError
from controller.store.leases import LEASE_SECONDS, Leases, open_leases
from controller.store.positions import Move, Positions
from controller.store.postgres import Database, open_database
from events.ids import Shard
from tests.eventually import eventually_async

SHARDS = 6
EVERY = [Shard(number) for number in range(SHARDS)]


@asynccontextmanager
async def cluster(url: str) -> AsyncGenerator[Database]:
    """A database whose cluster has SHARDS free shards."""
    async with open_database(url, size=12) as database:
        async with open_leases(database, "maker") as leases:
            await leases.make_shards(SHARDS)
        yield database


@asynccontextmanager
async def owners(database: Database, *names: str) -> AsyncGenerator[list[Leases]]:
    made = [Leases(database, name) for name in names]
    try:
        yield made
    finally:
        for one in made:
            await one.close()


async def free(owner: Leases) -> list[Shard]:
    return (await owner.survey()).free


async def alone(owner: Leases) -> bool:
    return not (await owner.survey()).controllers


async def age(database: Database, owner: str) -> None:
    """Let the leases of an owner run out now."""
    await database.execute(
        "UPDATE shard SET expires_at = now() - interval '1 second' WHERE owner = $1", owner
    )


async def test_of_many_who_want_a_shard_one_gets_it(fresh_database_url: str) -> None:
    async with cluster(fresh_database_url) as database, owners(database, *"abcdefgh") as rivals:
        taken = await asyncio.gather(*(one.claim_all(EVERY) for one in rivals))
        assert sorted(shard for mine in taken for shard in mine) == EVERY


async def test_a_living_owner_keeps_its_shard_and_a_dead_one_loses_it_at_once(
    fresh_database_url: str,
) -> None:
    async with (
        cluster(fresh_database_url) as database,
        owners(database, "first", "second") as (first, second),
    ):
        epoch = (await first.claim_all(EVERY))[Shard(0)]
        assert await second.claim(Shard(0)) is None
        assert (await second.survey()).free == []
        await first.close()  # what the end of a process does to its session
        assert await eventually_async(lambda: free(second)) == EVERY
        assert await second.claim(Shard(0)) == epoch + 1


async def test_a_silent_owner_loses_its_shards_when_they_run_out_and_learns_it(
    fresh_database_url: str,
) -> None:
    async with (
        cluster(fresh_database_url) as database,
        owners(database, "frozen", "second") as (frozen, second),
    ):
        await frozen.claim_all(EVERY[:2])
        await age(database, "frozen")
        assert set(await second.claim_all(EVERY[:1])) == {Shard(0)}
        assert await frozen.renew(wants_more=True) == {Shard(0)}
        assert await second.claim(Shard(1)) is None, "what was not taken is renewed"


async def test_only_who_wants_shards_is_counted(fresh_database_url: str) -> None:
    async with (
        cluster(fresh_database_url) as database,
        owners(database, "b", "a", "idle") as (b, a, idle),
    ):
        await b.renew(wants_more=True)
        await a.renew(wants_more=True)
        await idle.renew(wants_more=False)
        assert (await idle.survey()).controllers == ["a", "b"]
        await a.withdraw()
        assert (await idle.survey()).controllers == ["b"]
        await b.close()
        await eventually_async(lambda: alone(idle))


async def test_leases_are_overdue_when_they_were_not_renewed(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cluster(fresh_database_url) as database, owners(database, "one") as (one,):
        assert not one.overdue
        await one.claim(Shard(0))
        assert not one.overdue
        import time

        later = time.monotonic() + LEASE_SECONDS
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert one.overdue
        await one.renew(wants_more=True)
        assert not one.overdue


async def test_controllers_that_start_together_make_the_shards_together(
    fresh_database_url: str,
) -> None:
    async with (
        open_database(fresh_database_url, size=12) as database,
        owners(database, *"abcdefgh") as rivals,
    ):
        await asyncio.gather(*(one.make_shards(SHARDS) for one in rivals))
        assert (await rivals[0].survey()).free == EVERY


async def test_another_number_of_shards_is_refused_with_the_remedy(fresh_database_url: str) -> None:
    async with cluster(fresh_database_url) as database, owners(database, "one") as (one,):
        await one.make_shards(SHARDS)
        with pytest.raises(
            StoreRefusedError, match=f"has {SHARDS} shards, but the topics have 24 partitions"
        ):
            await one.make_shards(24)


async def test_a_position_moves_only_from_where_it_is_and_only_for_the_owner(
    fresh_database_url: str,
) -> None:
    async with cluster(fresh_database_url) as database:
        positions, shard = Positions(database), Shard(3)
        async with owners(database, "old", "new") as (old, new):
            stale = await old.claim(shard)
            assert stale is not None
            bookmark = await positions.find(shard, stale, "t", "log")
            assert bookmark.stored == 0
            await positions.advance(shard, stale, Move("t", "log", 0, 7))
            with pytest.raises(FencedError):
                await positions.advance(shard, stale, Move("t", "log", 0, 9))
            await age(database, "old")
            epoch = await new.claim(shard)
            assert epoch is not None
            with pytest.raises(FencedError):
                await positions.advance(shard, stale, Move("t", "log", 7, 9))
            with pytest.raises(FencedError):
                await positions.find(shard, stale, "t", "log")
            assert (await positions.find(shard, epoch, "t", "log")).stored == 7
            assert (await positions.find(shard, epoch, "t", "another log")).stored == 0
