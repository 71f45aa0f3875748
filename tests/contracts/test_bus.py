"""The promises of the bus, kept by every implementation; a new one is one more line of BUSES."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic

from events import topics
from events.bus import Bus, Record, Subscription
from events.bus.kafka import KafkaSettings, open_bus
from events.bus.kafka.topics import seen
from events.bus.memory import MOST_AHEAD_BYTES, UNHEARD, MemoryBus
from tests.brokers import admin
from tests.conftest import NO_KAFKA

Test = Callable[[Bus], Coroutine[None, None, None]]
Opened = Callable[[], AbstractAsyncContextManager[Bus]]
T = "topic"


@asynccontextmanager
async def memory() -> AsyncGenerator[Bus]:
    yield MemoryBus()


@asynccontextmanager
async def kafka() -> AsyncGenerator[Bus]:
    """Topics of its own for each test."""
    settings = KafkaSettings.from_environment()
    if settings is None:
        pytest.skip(NO_KAFKA)
    settings = replace(settings, prefix=f"bus-{uuid4().hex[:12]}")
    async with made(settings, T, "other"), open_bus(settings) as bus:
        yield bus


@asynccontextmanager
async def made(settings: KafkaSettings, *names: str) -> AsyncGenerator[None]:
    physical = [settings.topic(name) for name in names]
    async with admin(settings) as kafka_admin:
        await kafka_admin.create_topics([NewTopic(name, 4, 1) for name in physical])
        await seen(settings, physical, there=True)
        try:
            yield
        finally:
            await kafka_admin.delete_topics(physical)


BUSES: dict[str, Opened] = {"memory": memory, "kafka": kafka}


def contract(test: Test) -> Callable[[Opened], Coroutine[None, None, None]]:
    """Run `test` with each implementation."""

    @pytest.mark.parametrize("opened", BUSES.values(), ids=BUSES.keys())
    async def run(opened: Opened) -> None:
        async with asyncio.timeout(30), opened() as bus:
            await test(bus)

    return run


def record(number: int, partition: int = 0, topic: str = T) -> Record:
    return Record(
        topic, partition, b"key", (("ce_id", str(number).encode()),), str(number).encode()
    )


def records(*numbers: int, partition: int = 0) -> list[Record]:
    return [record(number, partition) for number in numbers]


async def heard(subscription: Subscription, count: int, limit: int = 3) -> list[tuple[int, int]]:
    """The next `count` records as (position, number)."""
    found: list[tuple[int, int]] = []
    while len(found) < count:
        deliveries = await subscription.fetch(min(limit, count - len(found)), 5)
        assert 0 < len(deliveries) <= limit
        found += [(delivery.position, int(delivery.record.value)) for delivery in deliveries]
    return found


@contract
async def test_a_record_arrives_whole(bus: Bus) -> None:
    sent = Record(T, 3, b"\x00k", (("a", b""), ("a", b"\xff"), ("é", b"2")), b"\x00{}")
    async with bus.subscribe(T, 3, 0) as subscription:
        await bus.publish([sent])
        (delivery,) = await subscription.fetch(10, 5)
    assert delivery.record == sent


@contract
async def test_a_partition_keeps_the_order_of_publication(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as subscription:
        await bus.publish(records(1, 2, 3))
        await bus.publish(records(4))
        await bus.publish(records(5, 6, 7))
        assert await heard(subscription, 7) == list(enumerate(range(1, 8)))
        assert subscription.position == 7


@contract
async def test_what_is_published_can_be_fetched_at_once(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as subscription:
        for number in range(20):
            await bus.publish(records(number))
            assert [int(one.record.value) for one in await subscription.fetch(10, 1)] == [number]


@contract
async def test_a_position_delivers_again_what_was_delivered(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as first:
        await bus.publish(records(*range(10)))
        assert len(await heard(first, 10)) == 10
        for position in (0, 4, 9):
            async with bus.subscribe(T, 0, position) as again:
                assert await heard(again, 10 - position) == [(n, n) for n in range(position, 10)]


@contract
async def test_at_the_end_only_what_comes_later_is_heard(bus: Bus) -> None:
    await bus.publish(records(0, 1))
    async with bus.subscribe(T, 0, 2) as subscription:
        assert await subscription.fetch(10, 0.05) in ([], ())
        await bus.publish(records(2))
        assert await heard(subscription, 1) == [(2, 2)]


@contract
async def test_fetch_returns_within_its_wait_with_nothing(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as subscription:
        for wait in (0.0, 0.2):
            began = time.monotonic()
            assert len(await subscription.fetch(10, wait)) == 0
            assert wait * 0.9 <= time.monotonic() - began < wait + 1


@contract
async def test_fetch_wakes_when_something_comes(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as subscription, asyncio.TaskGroup() as tasks:
        began = time.monotonic()
        fetching = tasks.create_task(subscription.fetch(10, 20))
        await asyncio.sleep(0)
        await bus.publish(records(1))
        assert len(await fetching) == 1
        assert time.monotonic() - began < 10


@contract
async def test_a_cancelled_fetch_loses_nothing(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as subscription:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await subscription.fetch(10, 20)
        await bus.publish(records(1, 2))
        assert await heard(subscription, 2) == [(0, 1), (1, 2)]


@contract
async def test_two_subscriptions_each_hear_everything(bus: Bus) -> None:
    async with bus.subscribe(T, 0, 0) as one, bus.subscribe(T, 0, 0) as other:
        await bus.publish(records(*range(6)))
        assert await heard(one, 6) == [(n, n) for n in range(6)]
        one.release(6)
        assert await heard(other, 6) == [(n, n) for n in range(6)]


@contract
async def test_two_subscriptions_at_the_same_moment_each_hear_everything(bus: Bus) -> None:
    async def listening() -> list[tuple[int, int]]:
        async with bus.subscribe(T, 0, 0) as subscription:
            return await heard(subscription, 6)

    await bus.publish(records(*range(6)))
    for found in await asyncio.gather(listening(), listening(), listening()):
        assert found == [(n, n) for n in range(6)]


@contract
async def test_partitions_and_topics_are_independent(bus: Bus) -> None:
    async with (
        bus.subscribe(T, 0, 0) as zero,
        bus.subscribe(T, 1, 0) as one,
        bus.subscribe("other", 0, 0) as other,
    ):
        await bus.publish(
            [
                record(1),
                record(2, partition=1),
                record(3, topic="other"),
                record(4),
                record(5, partition=1),
            ]
        )
        assert await heard(zero, 2) == [(0, 1), (1, 4)]
        assert await heard(one, 2) == [(0, 2), (1, 5)]
        assert await heard(other, 1) == [(0, 3)]
        assert len(await zero.fetch(10, 0)) == 0


@contract
async def test_the_log_has_a_name_of_its_own(bus: Bus) -> None:
    assert await bus.log_id(T) == await bus.log_id(T)
    assert await bus.log_id(T) != await bus.log_id("other")


@contract
async def test_a_position_beyond_the_end_means_the_oldest_record(bus: Bus) -> None:
    await bus.publish(records(0, 1, 2))
    async with bus.subscribe(T, 0, 9) as subscription:
        assert await heard(subscription, 3) == [(0, 0), (1, 1), (2, 2)]


@contract
async def test_lag_counts_what_is_still_to_fetch(bus: Bus) -> None:
    await bus.publish(records(0, 1, 2))
    async with bus.subscribe(T, 0, 0) as subscription:
        await heard(subscription, 1, limit=1)
        assert subscription.lag == 2
        await heard(subscription, 2)
        assert subscription.lag == 0


async def test_logs_of_two_processes_differ() -> None:
    assert await MemoryBus().log_id(T) != await MemoryBus().log_id(T)


async def oldest(bus: Bus) -> int:
    """The position of the oldest record that is kept."""
    async with bus.subscribe(T, 0, 0) as subscription:
        return subscription.position


async def test_memory_drops_what_all_have_released() -> None:
    bus = MemoryBus()
    async with bus.subscribe(T, 0, 0) as one, bus.subscribe(T, 0, 0) as other:
        await bus.publish(records(*range(10)))
        one.release(8)
        assert await oldest(bus) == 0
        other.release(5)
        assert await oldest(bus) == 5
        other.release(3)
        assert await oldest(bus) == 5
        assert await heard(other, 5) == [(n, n) for n in range(5, 10)]


async def test_memory_keeps_a_bounded_past_where_nobody_listens() -> None:
    bus = MemoryBus()
    await bus.publish(records(*range(3 * UNHEARD)))
    async with bus.subscribe(T, 0, 0) as subscription:
        assert subscription.position == 2 * UNHEARD
        assert (await heard(subscription, UNHEARD, limit=UNHEARD))[0] == (2 * UNHEARD, 2 * UNHEARD)


async def test_memory_lets_who_publishes_many_measurements_wait_for_their_reader() -> None:
    bus, small, large = MemoryBus(), 5 * UNHEARD, 3 * MOST_AHEAD_BYTES // 1_000_000
    megabyte = Record(topics.METRICS, 0, b"", (), bytes(1_000_000))
    async with bus.subscribe(topics.METRICS, 0, 0) as subscription, asyncio.TaskGroup() as tasks:
        async with asyncio.timeout(5):
            await bus.publish([Record(topics.METRICS, 0, b"", (), b"1")] * small)
        publishing = tasks.create_task(bus.publish([megabyte] * large))
        await asyncio.sleep(0)
        ahead = len(await subscription.fetch(2 * small, 1)) - small
        assert 0 < ahead <= MOST_AHEAD_BYTES // 1_000_000 + 1
        assert not publishing.done()
        while not publishing.done():
            subscription.release(subscription.position)
            await subscription.fetch(100, 0.1)
        assert subscription.position == small + large


async def test_memory_stays_bounded_where_everybody_releases() -> None:
    bus = MemoryBus()
    async with bus.subscribe(T, 0, 0) as subscription:
        tracemalloc.start()
        for round_ in range(300):
            await bus.publish([Record(T, 0, b"", (), bytes(10_000)) for _ in range(10)])
            deliveries = await subscription.fetch(100, 1)
            assert [one.position for one in deliveries] == list(
                range(10 * round_, 10 * round_ + 10)
            )
            subscription.release(subscription.position)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3_000_000  # of the 30 MB that went through
