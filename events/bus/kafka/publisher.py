"""Publishing to Kafka: idempotent, acknowledged by all replicas, bounded in time and size."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from events.bus import BusRefusedError, Record, RecordTooLargeError
from events.memory import end_without_memory
from trialstream.kafka.connection import (
    client_options,
    limit_client_logs,
    start_client,
    stop_client,
    translated,
)
from trialstream.kafka.settings import KafkaSettings
from trialstream.records import size

MAX_RECORD_BYTES = 900 * 1024
"""Key, headers and value of a record: what brokers take by default, with a margin."""
PUBLISH_SECONDS = 15.0
COMPRESSION = "lz4" if find_spec("cramjam") else "gzip"
"""LZ4 needs a library that the collector's image leaves out, to save memory in every pod."""


class Publisher:
    """One producer, made anew whenever one has failed: after a refused record or a time-out it may
    never work again."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._turns: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)
        self.last = 0.0
        """When the broker acknowledged last, by the monotonic clock."""

    async def publish(self, records: Sequence[Record]) -> None:
        """As Bus.publish."""
        for record in records:
            _check(record)
        if not records:
            return
        producer = await self._ready()
        try:
            with translated(f"publish to {self._settings.topic(records[0].topic)}"):
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._send(producer, records)
        except BaseException as error:
            end_without_memory(error)
            if not isinstance(error, asyncio.CancelledError):
                await self._give_up(producer)
            raise
        self.last = time.monotonic()

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
        places: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            places[self._settings.topic(record.topic), record.partition].append(record)
        sent: list[asyncio.Future[RecordMetadata]] = []
        for (topic, partition), those in places.items():
            sent += await self._append(producer, topic, partition, those)
        await asyncio.wait(
            sent
        )  # not gather: to cancel one would spoil the batch that others share
        for error in [
            one.exception() for one in sent
        ]:  # of all, or asyncio complains of those that nobody asked
            if isinstance(error, MessageSizeTooLargeError):
                raise RecordTooLargeError(
                    "Kafka finds a record too large; raise max.message.bytes of the topic"
                ) from error
            if error is not None:
                raise error

    async def _append(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]
    ) -> list[asyncio.Future[RecordMetadata]]:
        """Hand over records of one partition. Calls take turns there: a later one would overtake
        whoever waits for a full batch."""
        async with self._turns[topic, partition]:
            if partition not in (known := await producer.partitions_for(topic)):
                raise BusRefusedError(
                    f"Kafka's topic {topic} has no partition {partition}, only {len(known)} of them"
                )
            return [
                await producer.send(topic, one.value, one.key, partition, headers=list(one.headers))
                for one in records
            ]

    async def _ready(self) -> AIOKafkaProducer:
        async with self._making:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **await client_options(self._settings), acks="all", enable_idempotence=True,
                    compression_type=COMPRESSION, max_request_size=MAX_RECORD_BYTES + 64 * 1024,
                )  # fmt: skip
                try:
                    with translated("start a producer"):
                        await start_client(producer)
                except BaseException:
                    await stop_client(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _give_up(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            await stop_client(producer)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer)


def _check(record: Record) -> None:
    if (has := size(record)) > MAX_RECORD_BYTES:
        raise RecordTooLargeError(
            f"a record for {record.topic} has {has:,} bytes; at most {MAX_RECORD_BYTES:,} are "
            "allowed"
        )


@asynccontextmanager
async def open_publisher(settings: KafkaSettings) -> AsyncGenerator[Publisher]:
    """A publisher alone, for programs that only report. It connects when the first record is
    published."""
    limit_client_logs()
    publisher = Publisher(settings)
    try:
        yield publisher
    finally:
        await publisher.close()
