"""A stream of its own for each test: topics of a fresh prefix on the real Kafka, and somebody who
publishes there."""

import asyncio
import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from events import topics
from events.bus.kafka import KafkaSettings, open_bus
from events.bus.kafka.topics import create, delete
from events.envelope import Envelope, encode
from events.ids import Shard
from tests.conftest import NO_KAFKA
from tests.trialstream.plays import shard_of

PARTITIONS = 3


class Stream:
    """The topics of one prefix."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings

    def publish(self, *envelopes: Envelope) -> None:
        """Append to the stream as the controllers do."""
        asyncio.run(self._publish(envelopes))

    async def _publish(self, envelopes: tuple[Envelope, ...]) -> None:
        records = [
            encode(one, topics.EVENTS, Shard(shard_of(one.experiment, PARTITIONS)))
            for one in envelopes
        ]
        async with open_bus(self.settings) as bus:
            await bus.publish(records)


@pytest.fixture
def stream() -> Iterator[Stream]:
    kafka = os.environ.get("TRIALSTREAM_KAFKA")
    if not kafka:
        pytest.skip(NO_KAFKA)
    settings = KafkaSettings(kafka, prefix=f"test-{uuid4().hex[:12]}")
    asyncio.run(create(settings, PARTITIONS, 1))
    yield Stream(settings)
    asyncio.run(delete(settings))
