"""Reading all partitions of one topic: what subscribers do."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from trialstream.errors import BusUnavailableError
from trialstream.kafka.batches import guard
from trialstream.kafka.connection import (
    START_SECONDS,
    client_options,
    find,
    limit_client_logs,
    start_client,
    stop_client,
    translated,
)
from trialstream.kafka.records import delivery
from trialstream.kafka.settings import KafkaSettings
from trialstream.records import Delivery

Start = str | datetime | Mapping[int, int]
"""Where to begin: "beginning" (the oldest record), "now" (the end), a time, or a position in each
partition."""
COMMIT_SECONDS = 3.0


@dataclass(slots=True)
class KafkaReader:
    """Records of all partitions, each partition in order."""

    consumer: AIOKafkaConsumer
    topic: str
    log_id: str
    next: dict[int, int]
    grouped: bool
    physical: str

    def positions(self) -> dict[int, int]:
        """The position of the next record of each partition."""
        return dict(self.next)

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        """Up to `limit` records; waits up to `wait` seconds for the first. Do not cancel it.

        Raises BusUnavailableError if records between were deleted.
        """
        with translated(f"read {self.topic}"):
            try:
                fetched = await self.consumer.getmany(
                    timeout_ms=int(wait * 1000), max_records=limit
                )
            except OffsetOutOfRangeError as error:
                raise BusUnavailableError(
                    f"records of {self.topic} were deleted before they were read: {error}"
                ) from error
        found = [delivery(self.topic, one) for records in fetched.values() for one in records]
        for one in found:
            self.next[one.record.partition] = one.position + 1
        return found

    async def commit(self) -> None:
        """Remember the positions under the group's name. Raises BusUnavailableError."""
        if self.grouped:
            places = {
                TopicPartition(self.physical, number): place for number, place in self.next.items()
            }
            with translated("commit positions"):
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self.consumer.commit(places)


@asynccontextmanager
async def open_reader(
    settings: KafkaSettings, topic: str, start: Start = "now", group: str | None = None
) -> AsyncGenerator[KafkaReader]:
    """Read `topic` from `start` on; with a group from where it committed last, if it did.

    Raises BusUnavailableError or BusRefusedError.
    """
    limit_client_logs()
    found = await find(settings, settings.topic(topic))
    places = [TopicPartition(settings.topic(topic), number) for number in range(found.partitions)]
    consumer = AIOKafkaConsumer(
        **await client_options(settings), group_id=group, enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed", fetch_max_wait_ms=100,
    )  # fmt: skip
    try:
        with translated(f"read {topic}"):
            await start_client(consumer)
            guard(consumer)
            consumer.assign(places)
            async with asyncio.timeout(START_SECONDS):
                begin = await _positions(consumer, places, start, group)
        for place in places:
            consumer.seek(place, begin[place.partition])
        yield KafkaReader(
            consumer, topic, found.log_id, begin, group is not None, settings.topic(topic)
        )
    finally:
        await stop_client(consumer)


async def _positions(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], start: Start, group: str | None
) -> dict[int, int]:
    first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, end[place])
    if group is not None:
        committed = {place: await consumer.committed(place) for place in places}
        if any(offset is not None for offset in committed.values()):
            return {p.partition: _within(first[p], committed[p], end[p]) for p in places}
    if isinstance(start, datetime):
        times = await consumer.offsets_for_times(
            dict.fromkeys(places, int(start.timestamp() * 1000))
        )
        return {p.partition: times[p].offset if times[p] else end[p] for p in places}
    if isinstance(start, Mapping):
        return {p.partition: _within(first[p], start.get(p.partition), end[p]) for p in places}
    return {p.partition: first[p] if start == "beginning" else end[p] for p in places}


def _within(first: int, wanted: int | None, end: int) -> int:
    return wanted if wanted is not None and first <= wanted <= end else first
