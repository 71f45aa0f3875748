"""One consumer for many partitions: each is fetched while it has a subscription with room for
more."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from events import waiting
from events.bus import BusRefusedError, BusUnavailableError, Delivery
from events.memory import end_without_memory
from trialstream.kafka.batches import guard
from trialstream.kafka.connection import (
    START_SECONDS,
    client_options,
    start_client,
    stop_client,
    translated,
)
from trialstream.kafka.records import delivery
from trialstream.kafka.settings import KafkaSettings
from trialstream.records import size

POLL_MS = 200
MOST_RECORDS, MOST_BYTES = 2_000, 4_000_000
"""Of one partition, fetched ahead; then it is paused until half of it is taken."""
SILENT_LOOKS = 15
"""Answers of the broker during which the consumer may fetch nothing (30 s); counted, because clocks
jump."""
_log = logging.getLogger(__name__)


class KafkaSubscription:
    """Records of one partition from a position on."""

    def __init__(self, shared: "SharedConsumer", partition: TopicPartition, topic: str) -> None:
        self.position = 0
        self._shared = shared
        self._partition = partition
        self._topic = topic
        self._end = 0
        self._waiting: deque[tuple[Delivery, int]] = deque()  # with its size
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._lost: BusUnavailableError | BusRefusedError | None = None
        self._polled: int | None = None
        self._silent = 0

    def begin(self, position: int, end: int) -> None:
        """The log ends at `end`, and `position` is within it."""
        self.position, self._end = position, end

    @property
    def lag(self) -> int:
        return max(0, max(self._end, self._shared.end_of(self._partition)) - self.position)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= MOST_RECORDS or self._bytes >= MOST_BYTES

    @property
    def next(self) -> int:
        """The position after the last record that has arrived."""
        return self._waiting[-1][0].position + 1 if self._waiting else self.position

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        if self._lost is None and not self._waiting:
            self._arrived.clear()
            if not await waiting.wait(self._arrived, wait):
                return ()
        if self._lost is not None:
            raise self._lost
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        if taken:
            self.position = taken[-1][0].position + 1
            self._bytes -= sum(weight for _, weight in taken)
        if len(self._waiting) <= MOST_RECORDS // 2 and self._bytes <= MOST_BYTES // 2:
            self._shared.resume(self._partition, self)
        return [one for one, _ in taken]

    def release(self, position: int) -> None:
        """Kafka keeps records as long as the topic says."""

    def arrive(self, records: Iterable[ConsumerRecord]) -> None:
        for one in records:
            if one.offset >= self.next:
                arrived = delivery(self._topic, one)
                weight = size(arrived.record)
                self._waiting.append((arrived, weight))
                self._bytes += weight
        self._arrived.set()

    def lose(self, error: BusUnavailableError | BusRefusedError) -> None:
        """The records that follow are missing: the next fetch raises BusUnavailableError."""
        self._lost = error
        self._arrived.set()

    def stalled(self, polled: int | None, paused: bool) -> bool:
        """Has it been asked so often with nothing new? `polled`: when it was fetched last, by any
        clock."""
        self._silent = 0 if paused or polled != self._polled else self._silent + 1
        self._polled = polled
        return self._silent >= SILENT_LOOKS


class SharedConsumer:
    """The consumer. It is assigned all partitions once, and pauses those that nobody needs: so no
    change of one subscription disturbs another."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: KafkaSettings) -> None:
        self._consumer = consumer
        self._settings = settings
        self._subscriptions: dict[TopicPartition, KafkaSubscription] = {}
        self.closing = False
        self.broken = False
        """True when it will fetch nothing more: make another."""

    def is_free(self, partition: TopicPartition) -> bool:
        """Is it of this shared, and does nobody subscribe to it?"""
        return partition in self._consumer.assignment() and partition not in self._subscriptions

    @asynccontextmanager
    async def subscribe(
        self, topic: str, partition: int, position: int
    ) -> AsyncGenerator[KafkaSubscription]:
        """As Bus.subscribe."""
        place = TopicPartition(self._settings.topic(topic), partition)
        if self.broken:
            raise BusUnavailableError(f"the consumer of {place.topic} has ended")
        subscription = self._subscriptions[place] = KafkaSubscription(
            self, place, topic
        )  # taken from here on
        try:
            first, end = await self._bounds(place)
            subscription.begin(position if first <= position <= end else first, end)
            self._consumer.seek(place, subscription.position)
            self._consumer.resume(place)
            yield subscription
        finally:
            del self._subscriptions[place]
            if not self.closing:
                self._consumer.pause(place)

    async def _bounds(self, place: TopicPartition) -> tuple[int, int]:
        """The oldest record's position, and the next one's."""
        with translated(f"read {place.topic}"):
            async with asyncio.timeout(START_SECONDS):
                (first,) = (await self._consumer.beginning_offsets([place])).values()
                (end,) = (await self._consumer.end_offsets([place])).values()
        return first, end

    def resume(self, partition: TopicPartition, subscription: KafkaSubscription) -> None:
        """The subscription has room again."""
        if (
            self._subscriptions.get(partition) is subscription
            and partition in self._consumer.paused()
        ):
            self._consumer.seek(partition, subscription.next)
            self._consumer.resume(partition)

    def end_of(self, partition: TopicPartition) -> int:
        """The end of the log as of the last answer of the broker."""
        return (self._consumer.highwater(partition) or 0) if not self.closing else 0

    def give_up(self, why: str) -> None:
        """Every subscription has to start anew, with another consumer."""
        self.broken = True
        for place in self._subscriptions:
            self._lose(place, BusUnavailableError(why))

    def _lose(self, place: TopicPartition, error: BusUnavailableError | BusRefusedError) -> None:
        self._consumer.pause(place)
        if place in self._subscriptions:
            self._subscriptions[place].lose(error)

    def check_progress(self) -> None:
        """Call it after each answer of the broker: a consumer may stall for ever without a word."""
        for place, subscription in self._subscriptions.items():
            polled, paused = (
                self._consumer.last_poll_timestamp(place),
                place in self._consumer.paused(),
            )
            if subscription.stalled(polled, paused):
                self.give_up(
                    f"{place.topic}[{place.partition}] was not fetched while Kafka answered"
                )

    async def pump(self) -> None:
        """Hand out what the consumer fetches, until `closing`. A fetch of aiokafka must never be
        cancelled."""
        try:
            while not self.closing:
                await self._turn()
        except Exception as error:  # whatever failed: a new consumer has to be made
            end_without_memory(error)
            _log.warning("fetching from Kafka failed: %r", error)
            self.give_up(f"fetching from Kafka failed: {error!r}")

    async def _turn(self) -> None:
        try:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
        except OffsetOutOfRangeError as error:
            for place, offset in dict(error.args[0]).items():
                self._lose(
                    place,
                    BusUnavailableError(
                        f"{place.topic}[{place.partition}]@{offset} is not in the log any more"
                    ),
                )
        except TopicAuthorizationFailedError as error:
            for place in [one for one in self._subscriptions if one.topic == error.args[0]]:
                self._lose(
                    place,
                    BusRefusedError(f"Kafka does not let us read {place.topic}; grant Read on it"),
                )
        else:
            for place, records in fetched.items():
                self._hand_out(place, records)

    def _hand_out(self, place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        subscription = self._subscriptions.get(place)
        if subscription is None:
            return
        subscription.arrive(records)
        if subscription.full:
            self._consumer.pause(place)


@asynccontextmanager
async def open_shared_consumer(
    settings: KafkaSettings, partitions: Sequence[TopicPartition]
) -> AsyncGenerator[SharedConsumer]:
    """A consumer of these partitions."""
    consumer = AIOKafkaConsumer(
        **await client_options(settings), enable_auto_commit=False, auto_offset_reset="none",
        fetch_max_wait_ms=100,
        isolation_level="read_committed",
    )  # fmt: skip
    shared = SharedConsumer(consumer, settings)
    try:
        with translated("start a consumer"):
            await start_client(consumer)
            guard(consumer)
        consumer.assign(list(partitions))
        for place in partitions:  # without a position aiokafka would look for one, and complain
            consumer.seek(place, 0)
            consumer.pause(place)
        pumping = asyncio.get_running_loop().create_task(shared.pump(), name="consumer")
        try:
            yield shared
        finally:
            shared.closing = True
            await asyncio.wait({pumping}, timeout=1.0)
            if not pumping.done():
                pumping.cancel()
    finally:
        shared.closing = True
        await stop_client(consumer)
