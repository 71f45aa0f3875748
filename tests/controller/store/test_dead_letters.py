"""Dead letters are cut to a size and bounded in number: no flood of them fills a disk, and none is
an outage."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from controller.cli.commands.dead_letters import redrive
from controller.cli.errors import CommandError
from controller.cluster import Cluster
from controller.cluster.simulated import SimulatedCluster
from controller.flows import sweep
from controller.flows.sweep import Sweeper
from controller.store.dead_letters import (
    DROPPED_AT_ONCE,
    KEPT_BYTES,
    KEPT_HEADER_BYTES,
    MOST_BYTES,
    MOST_LETTERS,
    DeadLetter,
    DeadLetters,
)
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.positions import Bookmark, Positions
from controller.store.postgres import Database
from controller.store.upkeep import Upkeep
from events import topics
from events.bus import BusRefusedError, Delivery, Record, RecordTooLargeError
from events.bus.kafka.publisher import MAX_RECORD_BYTES
from events.bus.memory import MemoryBus
from events.ids import Shard
from tests.controller.core.histories import experiment
from tests.controller.flows.stage import bowl
from tests.controller.flows.test_sweep import HangingCluster
from tests.controller.histories import admitted, opened, text
from tests.eventually import eventually_async
from trialstream.records import size

RECORD = Record(topics.SIGNALS, 0, b"key", (("ce_id", b"1"),), b"value")


class Shelf:
    """The dead letters of one shard."""

    def __init__(self, database: Database, shard: Shard, epoch: int, bookmark: Bookmark) -> None:
        self.database, self.shard, self.epoch, self.bookmark = database, shard, epoch, bookmark
        self.letters = DeadLetters(database)

    async def put(self, records: Sequence[Record]) -> None:
        """Put these records aside, all in one statement."""
        first = self.bookmark.done
        dead = [
            DeadLetter(Delivery(replace(one, partition=int(self.shard)), first + n), "no reason")
            for n, one in enumerate(records)
        ]
        self.bookmark.done += len(records)
        move = self.bookmark.move()
        assert move is not None
        await Positions(self.database).advance(self.shard, self.epoch, move, dead)
        self.bookmark.stored = self.bookmark.done

    async def all(self) -> list[Any]:
        return await self.database.fetch(
            "SELECT *, octet_length(value) AS size FROM dead_letter WHERE shard = $1 "
            "ORDER BY place", self.shard,
        )  # fmt: skip


@asynccontextmanager
async def shelf(url: str) -> AsyncGenerator[Shelf]:
    async with opened(url) as (database, leases):
        author = await admitted(database, leases, text(f"e{uuid4().hex[:9]}"))
        shard, epoch = author._shard, author._epoch
        bookmark = await Positions(database).find(shard, epoch, topics.SIGNALS, "log")
        yield Shelf(database, shard, epoch, bookmark)


def test_what_programs_of_ours_send_is_kept_whole() -> None:
    assert KEPT_BYTES == MAX_RECORD_BYTES


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ({}, True),
        ({"value": bytes(KEPT_BYTES)}, True),
        ({"value": bytes(KEPT_BYTES + 1)}, False),
        ({"value": bytes(70_000_000)}, False),
        ({"key": bytes(5_000)}, False),
        ({"headers": (("a", bytes(KEPT_HEADER_BYTES)), ("b", b"1"))}, False),
        ({"headers": tuple((f"{n}", b"") for n in range(100_000))}, False),
    ],
    ids=["small", "largest", "a byte more", "70 MB", "key", "header", "many headers"],
)  # fmt: skip
async def test_a_record_of_any_size_is_kept_as_far_as_there_is_room(
    database_url: str, change: dict[str, Any], whole: bool
) -> None:
    async with shelf(database_url) as kept:
        record = replace(RECORD, **change)
        await kept.put([record])
        (found,) = await kept.letters.unpublished(kept.shard, 9)
        assert (found.cut is None) == whole
        if whole:
            assert replace(found.record, partition=0) == record
        else:
            assert found.cut == size(record)
            assert record.value.startswith(found.record.value)
        row = await kept.database.row(
            "SELECT octet_length(headers::text) AS size FROM dead_letter WHERE id = $1", found.id
        )
        assert row is not None
        assert row["size"] < 20 * KEPT_HEADER_BYTES


async def test_a_shard_keeps_the_latest_dead_letters(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with shelf(database_url) as kept, shelf(database_url) as neighbour:
        await neighbour.put([RECORD])
        for _ in range(3):
            await kept.put([RECORD] * 500)
        rows = await kept.all()
        assert len(rows) == MOST_LETTERS
        assert {row["place"] for row in rows[-500:]} == set(range(1_000, 1_500))
        assert "too many dead letters: the 500 oldest are gone" in caplog.text
        await kept.put([RECORD] * (DROPPED_AT_ONCE + 100))
        rows = await kept.all()
        assert (len(rows), rows[0]["place"] >= 1_500) == (MOST_LETTERS, True)
        large = replace(RECORD, value=bytes(KEPT_BYTES))
        for _ in range(9):
            await kept.put([large] * 10)
        rows = await kept.all()
        assert MOST_BYTES * 0.9 < sum(row["size"] for row in rows) <= MOST_BYTES
        assert all(row["size"] == KEPT_BYTES for row in rows)
        assert len(await neighbour.all()) == 1


async def test_what_a_crash_has_left_is_dropped_by_upkeep(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with shelf(database_url) as kept, shelf(database_url) as neighbour:
        await neighbour.put([RECORD])
        await kept.put([RECORD] * 500)
        await kept.put([RECORD] * 500)
        oldest = (await kept.all())[0]["id"]
        async with asyncio.TaskGroup() as tasks, kept.database.transaction() as holder:
            await holder.execute("SELECT FROM dead_letter WHERE id = $1 FOR UPDATE", oldest)
            putting = tasks.create_task(kept.put([RECORD] * 500))
            await eventually_async(lambda: _waits_for_a_lock(kept), "the deletion waits")
            putting.cancel()  # as far as a process came that was killed here
            await asyncio.wait([putting])
        assert len(await kept.all()) == MOST_LETTERS + 500
        await Upkeep(kept.database, None, 30).prune()
        rows = await kept.all()
        assert [row["place"] for row in rows] == list(range(500, 500 + MOST_LETTERS))
        assert "has too many dead letters" in caplog.text
        assert len(await neighbour.all()) == 1


async def _waits_for_a_lock(kept: Shelf) -> bool:
    return bool(
        await kept.database.fetch(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND query LIKE '%DELETE FROM dead_letter%' AND datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
    )


async def test_what_was_cut_is_not_published_again(database_url: str) -> None:
    async with shelf(database_url) as kept:
        await kept.put([RECORD, replace(RECORD, value=bytes(KEPT_BYTES + 1)), RECORD])
        ids = [row["id"] for row in await kept.all()]
        bus = MemoryBus()
        with pytest.raises(CommandError, match="only the beginning was kept") as error:
            await redrive(kept.letters, bus, ids)
        assert str(ids[1])[:8] in str(error.value)
        async with bus.subscribe(topics.SIGNALS, int(kept.shard), 0) as subscription:
            found = await subscription.fetch(9, 0.0)
        assert [one.record.value for one in found] == [b"value"] * 2
        assert [row["id"] for row in await kept.all()] == [ids[1]]


class NoRight(MemoryBus):
    """A bus on which we may not write dead letters, until we may."""

    durable = True

    def __init__(self) -> None:
        super().__init__()
        self.refused, self.may = 0, False

    async def publish(self, records: Sequence[Record]) -> None:
        if not self.may and any(one.topic == topics.DEAD_LETTERS for one in records):
            self.refused += 1
            raise BusRefusedError("Kafka refuses: no right to write trialstream.dead-letters")
        await super().publish(records)


@asynccontextmanager
async def sweeping(kept: Shelf, bus: MemoryBus, cluster: Cluster) -> AsyncGenerator[None]:
    """Sweep a shard with one experiment; it must not end."""
    one, nothing = experiment(9, 3), None
    holding = Holding(kept.shard, kept.epoch, {one.identity.id: one})
    anything: Any = nothing
    sweeper = Sweeper(cluster, Ledger(kept.database), bus, anything, kept.letters, holding)
    task = asyncio.get_running_loop().create_task(sweeper.sweep(), name="sweep")
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _none_is_left(kept: Shelf) -> bool:
    return not await kept.letters.unpublished(kept.shard, 9)


async def test_dead_letters_that_may_not_be_published_end_nothing_and_wait(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweep, "REPUBLISH_SECONDS", (0.01, 0.02))
    bus = NoRight()
    async with shelf(database_url) as kept:
        await kept.put([RECORD] * 3)
        async with sweeping(kept, bus, SimulatedCluster(bowl)):
            await eventually_async(lambda: bus.refused >= 3, "it is tried again and again")
            assert caplog.text.count("dead letters cannot be published") == 1
            assert len(await kept.letters.unpublished(kept.shard, 9)) == 3
            bus.may = True
            await eventually_async(lambda: _none_is_left(kept), "they are published")
        async with bus.subscribe(topics.DEAD_LETTERS, int(kept.shard), 0) as subscription:
            assert len(await subscription.fetch(99, 0.0)) == 3


async def test_dead_letters_do_not_wait_for_a_cluster_that_hangs(database_url: str) -> None:
    bus, cluster = NoRight(), HangingCluster(hanging=1_000)
    bus.may = True
    async with shelf(database_url) as kept:
        await kept.put([RECORD])
        async with sweeping(kept, bus, cluster):
            await eventually_async(lambda: bool(cluster.asked), "the cluster was asked")
            await eventually_async(lambda: _none_is_left(kept), "it is published")
            assert not cluster.compared


class Refusing(MemoryBus):
    """A bus whose topic of dead letters takes small records only."""

    durable = True

    async def publish(self, records: Sequence[Record]) -> None:
        if any(len(one.value) > 1_000 for one in records):
            raise RecordTooLargeError("Kafka finds a record too large")
        await super().publish(records)


async def test_a_dead_letter_too_large_for_its_topic_holds_up_no_other(database_url: str) -> None:
    async with shelf(database_url) as kept:
        await kept.put([replace(RECORD, value=bytes(2_000)), *[RECORD] * 45])
        bus: Any = Refusing()
        holding: Any = type("Holding", (), {"shard": kept.shard})
        nothing: Any = None
        sweeper = Sweeper(nothing, nothing, bus, nothing, kept.letters, holding)
        await sweeper._publish_dead_letters()
        assert not await kept.letters.unpublished(kept.shard, 9)
        async with bus.subscribe(topics.DEAD_LETTERS, int(kept.shard), 0) as subscription:
            assert len(await subscription.fetch(99, 0.0)) == 45
