"""The Kafka bus where Kafka is not as it should be: nothing waits for ever, and the error says what
to do."""

import asyncio
import gc
import os
import socket
import time
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import AIOKafkaConnection

from events import topics
from events.bus import BusRefusedError, BusUnavailableError, Record
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus, shared_consumer
from events.bus.kafka.publisher import MAX_RECORD_BYTES
from events.bus.kafka.shared_consumer import MOST_RECORDS, KafkaSubscription
from events.bus.kafka.topics import PARTITIONS, check, create, delete
from tests.brokers import admin
from tests.events.numbered import record
from tests.eventually import eventually_async


async def filled(subscription: KafkaSubscription) -> None:
    """It has fetched ahead as far as it may."""
    await eventually_async(lambda: subscription.full)


async def everything(subscription: KafkaSubscription) -> int:
    """Fetch until nothing comes for a while; how many came."""
    count = 0
    while found := await subscription.fetch(500, 15):
        count += len(found)
    return count


async def on_and_on(bus: KafkaBus, one: Record) -> None:
    """Publish it until that is refused: the broker takes a new limit a moment later."""
    async with asyncio.timeout(20):
        while True:
            await bus.publish([one])


async def test_a_wrong_address_is_named_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(BusUnavailableError, match=r"127.0.0.1:1.*TRIALSTREAM_KAFKA right"):
        async with open_bus(KafkaSettings("127.0.0.1:1")):
            pass
    assert time.monotonic() - began < 10


def test_missing_topics_are_named_with_the_remedy(kafka: KafkaSettings) -> None:
    async def story() -> None:
        async with open_bus(replace(kafka, prefix="nothing-here")) as bus:
            _ = bus.partitions

    with pytest.raises(BusRefusedError, match=r"nothing-here.signals.*trialstream topics create"):
        asyncio.run(story())


async def test_topics_that_do_not_agree_are_refused(kafka: KafkaSettings) -> None:
    settings = replace(kafka, prefix=f"odd-{uuid4().hex[:8]}")

    await create(settings, partitions=3)
    try:
        async with admin(settings) as kafka_admin:
            await kafka_admin.create_partitions({settings.topic(topics.METRICS): NewPartitions(6)})
        async with open_bus(settings) as bus:
            while len(set(bus._counts.values())) == 1:  # the brokers agree a moment later
                await bus.look()
            with pytest.raises(BusRefusedError, match=r"metrics has 6.*fixed for ever"):
                _ = bus.partitions
        problems = await check(settings)
        assert any("has 6" in problem for problem in problems)
    finally:
        await delete(settings)


def test_topics_are_made_once_and_as_planned(kafka: KafkaSettings) -> None:
    assert asyncio.run(create(kafka)) == []
    assert asyncio.run(check(kafka)) == []


async def test_a_record_too_large_is_refused_and_the_next_one_goes(kafka: KafkaSettings) -> None:
    async with open_bus(kafka) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
        with pytest.raises(BusRefusedError, match=r"at most"):
            await bus.publish([Record(topics.SIGNALS, 0, b"", (), bytes(MAX_RECORD_BYTES + 1))])
        await bus.publish(
            [Record(topics.SIGNALS, 0, b"", (), os.urandom(MAX_RECORD_BYTES - 10)), record(7)]
        )
        found = [one.record.value for _ in range(2) for one in await subscription.fetch(1, 5)]
        assert [len(value) for value in found] == [MAX_RECORD_BYTES - 10, 1]


async def test_records_deleted_before_they_were_read_are_noticed(kafka: KafkaSettings) -> None:
    async with open_bus(kafka) as bus:
        await bus.publish([record(number) for number in range(10)])
        place = TopicPartition(kafka.topic(topics.SIGNALS), 0)
        async with admin(kafka) as kafka_admin:
            await kafka_admin.delete_records({place: RecordsToDelete(before_offset=6)})
        async with bus.subscribe(topics.SIGNALS, 0, 3) as subscription:
            assert subscription.position == 6
            found = [int(one.record.value) for one in await subscription.fetch(10, 5)]
            assert found == [6, 7, 8, 9]


@pytest.mark.parametrize("part", ["value", "headers"])
async def test_a_flood_that_nobody_fetches_stays_bounded(kafka: KafkaSettings, part: str) -> None:
    def large() -> Record:
        noise = os.urandom(100_000)
        value, headers = (noise, ()) if part == "value" else (b"", (("noise", noise),))
        return Record(topics.SIGNALS, 0, b"", headers, value)

    async with open_bus(kafka) as bus:
        for _ in range(20):
            await bus.publish([large() for _ in range(8)])
        tracemalloc.start()
        async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            await filled(subscription)
            await asyncio.sleep(1)  # in which more would come
            assert tracemalloc.get_traced_memory()[0] < 9_000_000  # of 16 MB
            count = 0
            while found := await subscription.fetch(100, 3):
                assert [one.position for one in found] == list(range(count, count + len(found)))
                count += len(found)
            assert count == 160
        tracemalloc.stop()


async def test_records_deleted_under_a_subscription_are_noticed(kafka: KafkaSettings) -> None:
    async with open_bus(kafka) as bus, admin(kafka) as kafka_admin:
        for number in range(3):
            await bus.publish([record(number)] * MOST_RECORDS)
        async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            await filled(subscription)
            place = TopicPartition(kafka.topic(topics.SIGNALS), 0)
            await kafka_admin.delete_records(
                {place: RecordsToDelete(before_offset=3 * MOST_RECORDS - 5)}
            )
            with pytest.raises(
                BusUnavailableError, match=r"signals\[0\]@\d+ is not in the log any more"
            ):
                await everything(subscription)
            assert subscription.position < 3 * MOST_RECORDS - 5
        async with bus.subscribe(topics.SIGNALS, 0, subscription.position) as subscription:
            assert subscription.position == 3 * MOST_RECORDS - 5
            assert len(await subscription.fetch(10, 5)) == 5


def _has_all_partitions(bus: KafkaBus) -> bool:
    """Not while it still knows of the topics that were deleted."""
    with suppress(BusRefusedError):
        return bus.partitions == PARTITIONS
    return False


async def test_a_topic_made_again_is_another_log(kafka: KafkaSettings) -> None:
    async with open_bus(kafka) as bus:
        await bus.publish([record(number) for number in range(5)])
        before = await bus.log_id(topics.SIGNALS)
        async with bus.subscribe(topics.SIGNALS, 0, 5) as subscription:
            await delete(kafka)
            await create(kafka)
            with pytest.raises(BusUnavailableError, match=r"deleted or made again|not in the log"):
                await everything(subscription)
        assert await bus.log_id(topics.SIGNALS) != before
        async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            await bus.publish([record(7)])
            assert [
                (one.position, one.record.value) for one in await subscription.fetch(10, 10)
            ] == [(0, b"7")]
            await eventually_async(lambda: _has_all_partitions(bus))


async def test_what_cannot_be_published_is_refused_by_name(kafka: KafkaSettings) -> None:
    async with open_bus(kafka) as bus, admin(kafka) as kafka_admin:
        with pytest.raises(BusRefusedError, match=r"has no partition 99, only 24"):
            await bus.publish([record(1, 99)])
        strict = ConfigResource(
            ConfigResourceType.TOPIC, kafka.topic(topics.SIGNALS), {"max.message.bytes": "2000"}
        )
        await kafka_admin.alter_configs([strict])
        with pytest.raises(BusRefusedError, match=r"too large"):
            await on_and_on(bus, Record(topics.SIGNALS, 1, b"", (), os.urandom(4000)))
        for number in range(3):  # a producer that was refused once would never work again
            with pytest.raises(BusRefusedError, match=r"too large; raise max.message.bytes"):
                await bus.publish([Record(topics.SIGNALS, 0, b"", (), os.urandom(4000))])
            await bus.publish([record(number)])
        async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            heard: list[bytes] = []
            while len(heard) < 3:
                heard += [one.record.value for one in await subscription.fetch(10, 5)]
        assert heard == [b"0", b"1", b"2"]


def test_calls_to_publish_do_not_overtake_one_another(kafka: KafkaSettings) -> None:
    async def story() -> list[int]:
        heard: list[int] = []
        async with open_bus(kafka) as bus:
            await bus.publish([record(0)])
            async with asyncio.TaskGroup() as tasks:
                for call in range(1, 200):
                    many = (
                        500 if call % 20 == 1 else 1
                    )  # more than a batch holds: the call has to wait within
                    tasks.create_task(
                        bus.publish([Record(topics.SIGNALS, 0, b"", (), b"%-300d" % call)] * many)
                    )
                    await asyncio.sleep(0.001)
            async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
                while found := await subscription.fetch(2000, 2):
                    heard += [int(one.record.value) for one in found]
        return heard

    heard = asyncio.run(story())
    assert len(heard) > 5000
    assert heard == sorted(heard)


async def test_a_consumer_that_stalls_is_replaced(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_consumer, "SILENT_LOOKS", 2)

    async with open_bus(kafka) as bus:
        async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            fetching = bus._shared[topics.SIGNALS]._consumer._fetcher._fetch_task
            fetching.cancel()  # what any surprise inside aiokafka amounts to
            await bus.publish([record(1)])
            with pytest.raises(
                BusUnavailableError, match=r"signals\[0\] was not fetched while Kafka answered"
            ):
                await everything(subscription)
        async with bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            assert [one.record.value for one in await subscription.fetch(10, 5)] == [b"1"]


async def test_whoever_leaves_while_its_clients_start_leaves_no_connection_open(
    kafka: KafkaSettings,
) -> None:
    async def use() -> None:
        async with open_bus(kafka) as bus, bus.subscribe(topics.SIGNALS, 0, 0):
            await bus.publish([record(1)])

    for moment in range(60):
        using = asyncio.get_running_loop().create_task(use())
        await asyncio.wait({using}, timeout=moment / 2000)
        using.cancel()
        await asyncio.wait({using})
    gc.collect()  # which would close them, and hide them from the look
    open_ones = [
        one for one in gc.get_objects() if isinstance(one, AIOKafkaConnection) and one.connected()
    ]
    assert open_ones == []


def test_an_address_that_hangs_does_not_hide_the_others(kafka: KafkaSettings) -> None:
    async def story() -> None:
        host, port = silent.getsockname()
        began = time.monotonic()
        async with open_bus(replace(kafka, bootstrap=f"{host}:{port},{kafka.bootstrap}")) as bus:
            await bus.publish([record(1)])
            assert time.monotonic() - began < 15
        with pytest.raises(BusUnavailableError, match=rf"{port}: no answer within"):
            async with open_bus(replace(kafka, bootstrap=f"{host}:{port},{host}:{port}")):
                pass

    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and says nothing
        asyncio.run(story())
