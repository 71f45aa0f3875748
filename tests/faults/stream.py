"""What a topic holds, read as any client of Kafka may."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import PARTITIONS
from tests.brokers import admin
from trialstream.kafka.connection import stop_client


@dataclass(frozen=True, slots=True)
class Event:
    """A fact on the topic, by its headers."""

    partition: int
    experiment: UUID
    sequence: int
    id: UUID
    type: str


@dataclass(slots=True)
class Stream:
    """The facts that were read of a topic so far, and how far; `read` reads what has come since."""

    settings: KafkaSettings
    topic: str
    events: list[Event] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)

    def read(self) -> list[Event]:
        """Up to what is there now."""
        asyncio.run(self._read())
        return self.events

    async def _read(self) -> None:
        name = self.settings.topic(self.topic)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.addresses, enable_auto_commit=False
        )
        await consumer.start()
        try:
            places = [TopicPartition(name, number) for number in range(PARTITIONS)]
            consumer.assign(places)
            for place in places:
                consumer.seek(place, self.positions.setdefault(place, 0))
            ends = await consumer.end_offsets(places)
            while any(self.positions[place] < ends[place] for place in places):
                for place, records in (await consumer.getmany(timeout_ms=500)).items():
                    self.events += [
                        _event(place.partition, dict(record.headers))
                        for record in records
                        if any(name == "ce_sequence" for name, _ in record.headers)
                    ]
                    self.positions[place] = records[-1].offset + 1
        finally:
            await stop_client(consumer)


def _event(partition: int, headers: Mapping[str, bytes]) -> Event:
    text = {name: value.decode() for name, value in headers.items()}
    return Event(
        partition,
        UUID(text["ce_subject"]),
        int(text["ce_sequence"]),
        UUID(text["ce_id"]),
        text["ce_type"],
    )


def truncate(settings: KafkaSettings, topic: str, before: Mapping[int, int]) -> None:
    """Delete the records of a topic that stand before these positions, by partition."""

    async def deleted() -> None:
        name = settings.topic(topic)
        async with admin(settings) as kafka:
            await kafka.delete_records(
                {TopicPartition(name, one): RecordsToDelete(at) for one, at in before.items()}
            )

    asyncio.run(deleted())


def leader(settings: KafkaSettings, topic: str, partition: int) -> int:
    """The broker that leads a partition."""

    async def asked() -> int:
        name = settings.topic(topic)
        consumer = AIOKafkaConsumer(name, bootstrap_servers=settings.addresses)
        await consumer.start()
        try:
            return int(
                consumer._client.cluster.leader_for_partition(TopicPartition(name, partition))
            )
        finally:
            await stop_client(consumer)

    return asyncio.run(asked())
