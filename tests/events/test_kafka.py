"""The Kafka bus where Kafka is not as it should be: nothing waits for ever, and the error says what to do."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from events import topics
from events.bus import BusAwayError, BusRefusedError, Record
from events.bus.kafka import KafkaSettings, open_bus
from events.bus.kafka.publisher import MAX_RECORD_BYTES
from events.bus.kafka.topics import check, create, delete
from tests.conftest import NO_KAFKA

ROOT = Path(__file__).parents[2]


def record(number: int, partition: int = 0) -> Record:
    return Record(topics.SIGNALS, partition, b"key", (), b"%d" % number)


def services() -> Path:
    for place in (os.environ.get("TRIALSTREAM_SERVICES_FOLDER"), ROOT.parent / "shared" / "services"):
        if place and (Path(place) / "kafka").exists():
            return Path(place) / "kafka"
    pytest.skip("no script that starts a Kafka is at hand")


class Broker:
    """A Kafka of our own, to be broken."""

    def __init__(self, *options: str) -> None:
        self._script, self._name = services(), f"bus-{uuid4().hex[:8]}"
        self.exports = self.command("up", "--heap", "320m", "--set", "broker.session.timeout.ms=3000", *options)
        named = dict(line.removeprefix("export ").split("=", 1) for line in self.exports.splitlines())
        self.settings = KafkaSettings(
            named["TRIALSTREAM_KAFKA"].strip("'\""), user=named.get("TRIALSTREAM_KAFKA_USER", "").strip("'\""),
            password=named.get("TRIALSTREAM_KAFKA_PASSWORD", "").strip("'\""),
        )  # fmt: skip

    def command(self, *words: str) -> str:
        words = (str(self._script), words[0], "--name", self._name, *words[1:])
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def broker() -> Iterator[Broker]:
    if "TRIALSTREAM_KAFKA" not in os.environ:
        pytest.skip(NO_KAFKA)
    own = Broker()
    yield own
    own.command("wipe")


def test_a_wrong_address_is_named_in_time() -> None:
    async def story() -> None:
        async with open_bus(KafkaSettings("127.0.0.1:1")):
            pass

    began = time.monotonic()
    with pytest.raises(BusAwayError, match=r"127.0.0.1:1.*TRIALSTREAM_KAFKA right"):
        asyncio.run(story())
    assert time.monotonic() - began < 10


def test_missing_topics_are_named_with_the_remedy(kafka: KafkaSettings) -> None:
    async def story() -> None:
        async with open_bus(replace(kafka, prefix="nothing-here")) as bus:
            _ = bus.partitions

    with pytest.raises(BusRefusedError, match=r"nothing-here.signals.*trialstream topics create"):
        asyncio.run(story())


def test_topics_that_do_not_agree_are_refused(kafka: KafkaSettings) -> None:
    settings = replace(kafka, prefix=f"odd-{uuid4().hex[:8]}")

    async def story() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.addresses)
        await admin.start()
        await create(settings, partitions=3)
        await admin.create_partitions({settings.topic(topics.METRICS): NewPartitions(6)})
        try:
            async with open_bus(settings) as bus:
                while len(set(bus._counts.values())) == 1:  # the brokers agree a moment later
                    await bus.look()
                with pytest.raises(BusRefusedError, match=r"metrics has 6.*fixed for ever"):
                    _ = bus.partitions
            problems = await check(settings)
            assert any("has 6" in problem for problem in problems)
        finally:
            await admin.close()
            await delete(settings)

    asyncio.run(story())


def test_topics_are_made_once_and_as_planned(kafka: KafkaSettings) -> None:
    assert asyncio.run(create(kafka)) == []
    assert asyncio.run(check(kafka)) == []


def test_a_record_too_large_is_refused_and_the_next_one_goes(kafka: KafkaSettings) -> None:
    async def story() -> None:
        async with open_bus(kafka) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            with pytest.raises(BusRefusedError, match=r"at most"):
                await bus.publish([Record(topics.SIGNALS, 0, b"", (), bytes(MAX_RECORD_BYTES + 1))])
            await bus.publish([Record(topics.SIGNALS, 0, b"", (), os.urandom(MAX_RECORD_BYTES - 10)), record(7)])
            found = [one.record.value for _ in range(2) for one in await subscription.fetch(1, 5)]
            assert [len(value) for value in found] == [MAX_RECORD_BYTES - 10, 1]

    asyncio.run(story())


def test_records_deleted_before_they_were_read_are_noticed(kafka: KafkaSettings) -> None:
    async def story() -> None:
        async with open_bus(kafka) as bus:
            await bus.publish([record(number) for number in range(10)])
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka.addresses)
            await admin.start()
            place = TopicPartition(kafka.topic(topics.SIGNALS), 0)
            await admin.delete_records({place: RecordsToDelete(before_offset=6)})
            await admin.close()
            async with bus.subscribe(topics.SIGNALS, 0, 3) as subscription:
                assert subscription.position == 6
                found = [int(one.record.value) for one in await subscription.fetch(10, 5)]
                assert found == [6, 7, 8, 9]

    asyncio.run(story())


def test_a_flood_that_nobody_fetches_stays_bounded(kafka: KafkaSettings) -> None:
    async def story() -> None:
        async with open_bus(kafka) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            for _ in range(20):
                await bus.publish([Record(topics.SIGNALS, 0, b"", (), os.urandom(10_000)) for _ in range(60)])
            await asyncio.sleep(1)
            assert subscription._bytes < 8_000_000
            count = 0
            while found := await subscription.fetch(100, 3):
                assert [one.position for one in found] == list(range(count, count + len(found)))
                count += len(found)
            assert count == 1200

    asyncio.run(story())


def test_a_broker_that_dies_and_comes_back_loses_nothing(broker: Broker) -> None:
    settings = broker.settings

    async def publishing(bus: object, sent: list[int], enough: asyncio.Event) -> None:
        number = 0
        while not enough.is_set():
            try:
                await bus.publish([record(number)])  # type: ignore[attr-defined]
            except BusAwayError:
                continue
            sent.append(number)
            number += 1

    async def story() -> None:
        await create(settings, partitions=2)
        sent: list[int] = []
        enough = asyncio.Event()
        async with open_bus(settings) as bus, asyncio.TaskGroup() as tasks:
            tasks.create_task(publishing(bus, sent, enough))
            await asyncio.sleep(1)
            await asyncio.to_thread(broker.command, "kill", "1")
            await asyncio.sleep(1)
            assert bus.healthy_within(5)
            await asyncio.to_thread(broker.command, "start", "1")
            before = len(sent)
            while len(sent) < before + 20:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            enough.set()
        async with open_bus(settings) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            heard: list[int] = []
            while found := await subscription.fetch(500, 3):
                heard += [int(one.record.value) for one in found]
        assert list(dict.fromkeys(heard)) == list(range(len(dict.fromkeys(heard))))  # first seen in order
        assert set(sent) <= set(heard)

    asyncio.run(story())


def test_a_dead_broker_is_noticed_and_left_in_time(broker: Broker) -> None:
    async def story() -> float:
        await create(broker.settings, partitions=2)
        async with open_bus(broker.settings) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
            await bus.publish([record(1)])
            await asyncio.to_thread(broker.command, "kill", "1")
            began = time.monotonic()
            with pytest.raises(BusAwayError):
                await bus.publish([record(2)])
            assert time.monotonic() - began < 25
            await subscription.fetch(10, 0.5)
            assert not bus.healthy_within(10)
            leaving = time.monotonic()
        return time.monotonic() - leaving

    assert asyncio.run(story()) < 8


def test_a_wrong_password_and_a_missing_permission_are_told() -> None:
    if "TRIALSTREAM_KAFKA" not in os.environ:
        pytest.skip(NO_KAFKA)
    own = Broker("--sasl")
    try:
        asyncio.run(_permissions(own))
    finally:
        own.command("wipe")


async def _permissions(own: Broker) -> None:
    await create(own.settings, partitions=2)
    with pytest.raises(BusRefusedError, match=r"refuses admin.*TRIALSTREAM_KAFKA_PASSWORD|refuses admin.*_PASSWORD"):
        async with open_bus(replace(own.settings, password="wrong")):
            pass
    stranger = replace(own.settings, user="stranger", password="secret")
    password = "SCRAM-SHA-256=[password=secret]"
    user = ["--entity-type", "users", "--entity-name", "stranger"]
    own.command("cli", "kafka-configs", "--alter", *user, "--add-config", password)
    with pytest.raises(BusRefusedError, match=r"does not let us see the topic|has no topic"):
        async with open_bus(stranger) as bus:
            _ = bus.partitions
