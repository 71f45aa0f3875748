"""The Kafka bus while its broker dies, hangs, or forbids: nothing is lost, nothing waits for ever,
and it heals."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from events import topics
from events.bus import BusRefusedError, BusUnavailableError, Subscription
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus, open_reader
from events.bus.kafka.topics import create
from tests.brokers import Brokers, brokers
from tests.events.numbered import record
from tests.eventually import eventually_async


@pytest.fixture
def broker() -> Iterator[Brokers]:
    with brokers() as own:
        yield own


@pytest.fixture
def guarded() -> Iterator[Brokers]:
    with brokers("--sasl") as own:
        yield own


async def publishing(bus: KafkaBus, sent: list[int], enough: asyncio.Event) -> None:
    number = 0
    while not enough.is_set():
        try:
            await bus.publish([record(number)])
        except BusUnavailableError:
            continue
        sent.append(number)
        number += 1


async def hearing(subscription: Subscription, heard: list[int], until: asyncio.Event) -> None:
    """All that comes, until there is nothing more."""
    while (found := await subscription.fetch(500, 2)) or not until.is_set():
        heard += [int(one.record.value) for one in found]


async def test_a_broker_that_dies_and_comes_back_loses_nothing(broker: Brokers) -> None:
    settings = broker.settings

    await create(settings, partitions=2)
    sent: list[int] = []
    heard: list[int] = []
    enough = asyncio.Event()
    async with open_bus(settings) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publishing(bus, sent, enough))
            tasks.create_task(hearing(subscription, heard, enough))
            await eventually_async(lambda: len(heard) >= 20)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            before = len(sent)
            await eventually_async(lambda: len(sent) >= before + 20)
            enough.set()
        assert bus.healthy_within(5)
    assert list(dict.fromkeys(heard)) == list(
        range(len(dict.fromkeys(heard)))
    )  # first seen in order
    assert set(sent) <= set(heard)


async def test_a_broker_that_hangs_delays_and_loses_nothing(broker: Brokers) -> None:
    await create(broker.settings, partitions=2)
    async with (
        open_bus(broker.settings) as bus,
        bus.subscribe(topics.SIGNALS, 0, 0) as subscription,
    ):
        await bus.publish([record(1)])
        await asyncio.to_thread(broker.freeze)
        began = time.monotonic()
        assert [one.position for one in await subscription.fetch(10, 1)] in ([], [0])
        assert time.monotonic() - began < 2
        with pytest.raises(BusUnavailableError):
            await bus.publish([record(2)])
        assert 1 < time.monotonic() - began < 20
        assert not bus.healthy_within(10)
        await asyncio.to_thread(broker.thaw)
        await eventually_async(lambda: bus.healthy_within(1), within=20)
        await bus.publish([record(3)])
        heard = [1] * subscription.position
        while 3 not in heard:
            heard += [int(one.record.value) for one in await subscription.fetch(10, 5)]
        assert list(dict.fromkeys(heard)) in ([1, 3], [1, 2, 3])


def test_a_dead_broker_is_noticed_and_left_in_time(broker: Brokers) -> None:
    async def story() -> float:
        await create(broker.settings, partitions=2)
        async with (
            open_bus(broker.settings) as bus,
            bus.subscribe(topics.SIGNALS, 0, 0) as subscription,
        ):
            await bus.publish([record(1)])
            await asyncio.to_thread(broker.kill)
            began = time.monotonic()
            with pytest.raises(BusUnavailableError):
                await bus.publish([record(2)])
            assert time.monotonic() - began < 20
            await subscription.fetch(10, 0.5)
            assert not bus.healthy_within(10)
            leaving = time.monotonic()
        return time.monotonic() - leaving

    assert asyncio.run(story()) < 4


def test_whoever_is_refused_is_told_by_name_and_what_to_do(guarded: Brokers) -> None:
    wrong = replace(guarded.settings, password="wrong")
    other = replace(guarded.settings, mechanism="PLAIN")
    nobody = KafkaSettings(guarded.settings.bootstrap)

    async def opened(settings: KafkaSettings) -> None:
        async with open_bus(settings):
            pass

    asyncio.run(create(guarded.settings, partitions=2))
    with pytest.raises(BusRefusedError, match=r"refuses admin.*SCRAM-SHA-256.*_PASSWORD") as told:
        asyncio.run(opened(wrong))
    assert "wrong" not in str(told.value)
    with pytest.raises(BusRefusedError, match=r"PLAIN.*_MECHANISM"):
        asyncio.run(opened(other))
    began = time.monotonic()
    with pytest.raises((BusUnavailableError, BusRefusedError), match=r"TRIALSTREAM_KAFKA_SECURITY"):
        asyncio.run(opened(nobody))
    assert time.monotonic() - began < 10


def test_a_missing_permission_is_named(guarded: Brokers) -> None:
    asyncio.run(create(guarded.settings, partitions=2))
    stranger = replace(guarded.settings, user="stranger", password="secret")
    user = ("--entity-type", "users", "--entity-name", "stranger")
    guarded.command(
        "cli", "kafka-configs", "--alter", *user, "--add-config", "SCRAM-SHA-256=[password=secret]"
    )
    asyncio.run(_stranger(guarded, stranger))


async def _stranger(guarded: Brokers, stranger: KafkaSettings) -> None:
    def allow(operation: str, *names: str) -> None:
        which = [word for name in names for word in ("--topic", name)]
        who = ("--allow-principal", "User:stranger", "--operation", operation, *which)
        guarded.command("cli", "kafka-acls", "--add", *who)

    with pytest.raises(BusRefusedError, match=r"does not let us see the topic|has no topic"):
        async with open_bus(stranger) as bus:
            _ = bus.partitions
    allow("Read", "trialstream.events")
    async with (
        open_bus(guarded.settings) as bus,
        open_reader(stranger, topics.EVENTS, "beginning") as reader,
    ):
        await bus.publish(
            [record(7, topic=topics.EVENTS)]
        )  # to read the public stream needs no more than that
        assert [int(one.record.value) for one in await reader.fetch(10, 5)] == [7]
    allow("Describe", *topics.ALL)
    async with open_bus(stranger) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
        with pytest.raises(BusRefusedError, match=r"producer: grant Write on the topics"):
            await bus.publish([record(1)])
        allow("Write", topics.EVENTS)
        with pytest.raises(BusRefusedError, match=r"publish to trialstream.signals"):
            await bus.publish([record(1)])
        with pytest.raises(BusRefusedError, match=r"read trialstream.signals; grant Read"):
            await subscription.fetch(10, 5)
