"""The bus within one process: it keeps every promise of the port except durability."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from uuid import uuid4

from events import topics, waiting
from events.bus import Delivery, Record

UNHEARD = 1_000
"""Records that a partition keeps while nobody subscribes to it."""
MOST_AHEAD_BYTES = 4_000_000
"""Measurements that wait for their reader; then whoever publishes more waits, too."""


@dataclass(slots=True, eq=False)
class _Partition:
    records: deque[Record] = field(default_factory=deque)
    start: int = 0
    size: int = 0
    """Bytes of the values of `records`."""
    subscriptions: list["MemorySubscription"] = field(default_factory=list)
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def end(self) -> int:
        return self.start + len(self.records)

    async def wait_for_room(self) -> None:
        """Until whoever subscribes has dealt with all but MOST_AHEAD_BYTES."""
        while self.subscriptions and self.size > MOST_AHEAD_BYTES:
            self.drained.clear()
            await self.drained.wait()

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.size += record.size
        if not self.subscriptions and len(self.records) > UNHEARD:
            self.trim()
        for subscription in self.subscriptions:
            subscription.wake()

    def trim(self) -> None:
        """Drop what every subscription has released."""
        self.drained.set()
        keep = min((one.released for one in self.subscriptions), default=self.end - UNHEARD)
        while self.start < keep and self.records:
            self.size -= self.records.popleft().size
            self.start += 1


class MemorySubscription:
    def __init__(self, partition: _Partition, position: int) -> None:
        self._partition = partition
        self._arrived = asyncio.Event()
        self.position = (
            position if partition.start <= position <= partition.end else partition.start
        )
        self.released = self.position

    @property
    def lag(self) -> int:
        return self._partition.end - self.position

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        self.position = max(
            self.position, self._partition.start
        )  # it may have released what it never fetched
        if self.position >= self._partition.end:
            self._arrived.clear()
            if not await waiting.wait(self._arrived, wait):
                return ()
        offset = self.position - self._partition.start
        records = islice(self._partition.records, offset, offset + limit)
        deliveries = [Delivery(record, self.position + n) for n, record in enumerate(records)]
        self.position += len(deliveries)
        return deliveries

    def release(self, position: int) -> None:
        self.released = max(self.released, position)
        self._partition.trim()

    def wake(self) -> None:
        self._arrived.set()


class MemoryBus:
    durable = False

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._id = str(uuid4())

    async def log_id(self, topic: str) -> str:
        return f"{self._id}/{topic}"

    def healthy_within(self, seconds: float) -> bool:
        return True

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            partition = self._partition(record.topic, record.partition)
            if record.topic == topics.METRICS:
                await partition.wait_for_room()
            partition.add(record)

    @asynccontextmanager
    async def subscribe(
        self, topic: str, partition: int, position: int
    ) -> AsyncGenerator[MemorySubscription]:
        log = self._partition(topic, partition)
        subscription = MemorySubscription(log, position)
        log.subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            log.subscriptions.remove(subscription)
            log.drained.set()

    def _partition(self, topic: str, number: int) -> _Partition:
        place = topic, number
        if place not in self._partitions:
            self._partitions[place] = _Partition()
        return self._partitions[place]
