"""The bus of a controller: a publisher, consumers for its shards, and a regular check that Kafka
answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka import TopicPartition

from events import topics
from events.bus import BusRefusedError, BusUnavailableError, Record
from events.bus.kafka.publisher import Publisher
from events.bus.kafka.shared_consumer import KafkaSubscription, SharedConsumer, open_shared_consumer
from trialstream.kafka.connection import BrokerProbe, limit_client_logs
from trialstream.kafka.settings import KafkaSettings

PULSE_SECONDS, AGAIN_SECONDS = 2.0, 0.5
"""Between two checks that Kafka answers; after a check that failed."""
SHARDED = (topics.SIGNALS, topics.METRICS, topics.EVENTS)
"""The topics whose partitions are the shards."""


class KafkaBus:
    """See `events.bus` for the promises. Use `open_bus`."""

    durable = True

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._contact = BrokerProbe(settings)
        self._publisher = Publisher(settings)
        self._shared: dict[str, SharedConsumer] = {}
        """One for each topic that is read by shards, so that many metrics do not delay signals."""
        self._sharing: dict[str, AsyncExitStack] = {}
        self._opening = asyncio.Lock()
        self._shared_consumers: set[SharedConsumer] = set()
        self._ids: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    @property
    def partitions(self) -> int:
        """How many shards there are. Raises BusRefusedError if the topics are missing or do not
        agree."""
        return agreed(
            {topic: self._counts.get(self._settings.topic(topic), 0) for topic in SHARDED},
            self._settings,
        )

    def healthy_within(self, seconds: float) -> bool:
        """Has Kafka answered within so long?"""
        return time.monotonic() - max(self._contact.last, self._publisher.last) <= seconds

    async def publish(self, records: Sequence[Record]) -> None:
        await self._publisher.publish(records)

    async def log_id(self, topic: str) -> str:
        """The topic's id: a topic that was deleted and made again has another one."""
        return (await self._contact.topic(self._settings.topic(topic))).log_id

    @asynccontextmanager
    async def subscribe(
        self, topic: str, partition: int, position: int
    ) -> AsyncGenerator[KafkaSubscription]:
        place = TopicPartition(self._settings.topic(topic), partition)
        shared = await self._ready(topic)
        async with AsyncExitStack() as stack:
            if not shared.is_free(place):  # another subscription reads it, too
                await self._contact.topic(place.topic)
                shared = await stack.enter_async_context(self._open([place]))
            yield await stack.enter_async_context(shared.subscribe(topic, partition, position))

    async def _ready(self, topic: str) -> SharedConsumer:
        """The consumer for all partitions, made when the first is subscribed to, and again when it
        is broken."""
        async with self._opening:
            if topic not in self._shared or self._shared[topic].broken:
                stack = self._sharing.setdefault(topic, AsyncExitStack())
                await stack.aclose()
                name = self._settings.topic(topic)
                places = [
                    TopicPartition(name, number) for number in range(self._counts.get(name, 0))
                ]
                self._shared[topic] = await stack.enter_async_context(self._open(places))
            return self._shared[topic]

    @asynccontextmanager
    async def _open(self, places: Sequence[TopicPartition]) -> AsyncGenerator[SharedConsumer]:
        async with open_shared_consumer(self._settings, places) as shared:
            self._shared_consumers.add(shared)
            try:
                yield shared
            finally:
                self._shared_consumers.discard(shared)

    async def look(self) -> None:
        """Ask which topics exist. Raises BusUnavailableError or BusRefusedError."""
        found = await self._contact.describe([self._settings.topic(topic) for topic in topics.ALL])
        for name, topic in found.items():
            if self._ids.get(name, topic.log_id) != topic.log_id:
                for shared in self._shared_consumers:
                    shared.give_up(f"the topic {name} was deleted or made again")
        self._ids = {name: topic.log_id for name, topic in found.items()}
        self._counts = {name: topic.partitions for name, topic in found.items()}

    async def pulse(self) -> None:
        """Check regularly that Kafka answers, until cancelled."""
        while True:
            try:
                await self.look()
            except (BusUnavailableError, BusRefusedError):
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            for shared in self._shared_consumers:
                shared.check_progress()
            await asyncio.sleep(PULSE_SECONDS)

    async def close(self) -> None:
        try:
            await asyncio.gather(
                *(stack.aclose() for stack in self._sharing.values()), self._publisher.close()
            )
        finally:
            self._contact.close()


def agreed(counts: dict[str, int], settings: KafkaSettings) -> int:
    """The one number of partitions of all these topics. Raises BusRefusedError."""
    missing = [settings.topic(topic) for topic, count in counts.items() if not count]
    if missing:
        raise BusRefusedError(
            f"Kafka has no topic {', '.join(missing)}; make them with: trialstream topics create"
        )
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{settings.topic(topic)} has {count}" for topic, count in counts.items())
        raise BusRefusedError(
            f"the topics must have the same number of partitions, but {shown}; the number is "
            "fixed for ever: delete "
            "the topic that is wrong and run `trialstream topics create`, or use another "
            "TRIALSTREAM_KAFKA_PREFIX"
        )
    return next(iter(counts.values()))


@asynccontextmanager
async def open_bus(settings: KafkaSettings) -> AsyncGenerator[KafkaBus]:
    """Raises BusUnavailableError if Kafka does not answer in time, BusRefusedError if a person has
    to act."""
    limit_client_logs()
    bus = KafkaBus(settings)
    try:
        await bus.look()
        beating = asyncio.get_running_loop().create_task(bus.pulse(), name="pulse of the bus")
        try:
            yield bus
        finally:
            beating.cancel()
            await asyncio.wait({beating}, timeout=1.0)
    finally:
        await bus.close()
