"""One consumer for many partitions: each is fetched while somebody subscribes to it and has room for more."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from events.bus import BusAwayError, Delivery, Record
from events.bus.kafka.connection import client_options, stop, translated
from events.bus.kafka.settings import KafkaSettings

POLL_MS = 200
MOST_RECORDS, MOST_BYTES = 2_000, 4_000_000
"""Of one partition, fetched ahead; then it is paused until half of it is taken."""
START_SECONDS = 10.0
STALLED_SECONDS = 30.0
_log = logging.getLogger(__name__)


def delivery(topic: str, record: ConsumerRecord) -> Delivery:
    """What aiokafka fetched as ours; `topic` is its logical name."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    return Delivery(Record(topic, record.partition, record.key or b"", headers, record.value or b""), record.offset)


class KafkaSubscription:
    """Records of one partition from a position on."""

    def __init__(self, lane: "Lane", partition: TopicPartition, topic: str, position: int, end: int) -> None:
        self.position = position
        self.since = time.monotonic()
        self._lane = lane
        self._partition = partition
        self._topic = topic
        self._end = end
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._lost: str | None = None

    @property
    def lag(self) -> int:
        return max(0, max(self._end, self._lane.end_of(self._partition)) - self.position)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= MOST_RECORDS or self._bytes >= MOST_BYTES

    @property
    def next(self) -> int:
        """The position after the last record that has arrived."""
        return self._waiting[-1].position + 1 if self._waiting else self.position

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        if self._lost is None and not self._waiting:
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._arrived.wait()
            except TimeoutError:
                return ()
        if self._lost is not None:
            raise BusAwayError(self._lost)
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        if taken:
            self.position = taken[-1].position + 1
            self._bytes -= sum(len(one.record.value) for one in taken)
        if len(self._waiting) <= MOST_RECORDS // 2 and self._bytes <= MOST_BYTES // 2:
            self._lane.go_on(self._partition, self)
        return taken

    def release(self, position: int) -> None:
        """Kafka keeps records as long as the topic says."""

    def arrive(self, records: Iterable[ConsumerRecord]) -> None:
        for one in records:
            if one.offset >= self.next:
                self._waiting.append(delivery(self._topic, one))
                self._bytes += len(one.value or b"")
        self._arrived.set()

    def lose(self, why: str) -> None:
        """What comes next is not what should come next."""
        self._lost = why
        self._arrived.set()


class Lane:
    """The consumer. It is assigned all partitions once, and pauses those that nobody needs: so no change of one
    subscription disturbs another."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: KafkaSettings) -> None:
        self._consumer = consumer
        self._settings = settings
        self._subscriptions: dict[TopicPartition, KafkaSubscription] = {}
        self.closing = False

    def is_free(self, partition: TopicPartition) -> bool:
        """Is it of this lane, and does nobody subscribe to it?"""
        return partition in self._consumer.assignment() and partition not in self._subscriptions

    @asynccontextmanager
    async def subscribe(self, topic: str, partition: int, position: int) -> AsyncGenerator[KafkaSubscription]:
        """As Bus.subscribe."""
        place = TopicPartition(self._settings.topic(topic), partition)
        with translated(f"read {place.topic}"):
            async with asyncio.timeout(START_SECONDS):
                (first,) = (await self._consumer.beginning_offsets([place])).values()
                (end,) = (await self._consumer.end_offsets([place])).values()
        start = position if first <= position <= end else first
        subscription = KafkaSubscription(self, place, topic, start, end)
        self._subscriptions[place] = subscription
        self._consumer.seek(place, start)
        self._consumer.resume(place)
        try:
            yield subscription
        finally:
            del self._subscriptions[place]
            if not self.closing:
                self._consumer.pause(place)

    def go_on(self, partition: TopicPartition, subscription: KafkaSubscription) -> None:
        """The subscription has room again."""
        if self._subscriptions.get(partition) is subscription and partition in self._consumer.paused():
            self._consumer.seek(partition, subscription.next)
            self._consumer.resume(partition)

    def end_of(self, partition: TopicPartition) -> int:
        """The end of the log as of the last answer of the broker."""
        return (self._consumer.highwater(partition) or 0) if not self.closing else 0

    def lose(self, why: str, topic: str | None = None) -> None:
        """Tell every subscription (of `topic` in Kafka) that it cannot go on."""
        for place, subscription in self._subscriptions.items():
            if topic in (None, place.topic):
                subscription.lose(why)

    def check_progress(self) -> None:
        """A consumer may stall for ever without a word; who depends on it has to start anew."""
        moment, clock = time.monotonic(), time.time()
        for place, subscription in self._subscriptions.items():
            if place in self._consumer.paused() or moment - subscription.since < STALLED_SECONDS:
                continue
            last = self._consumer.last_poll_timestamp(place)
            if last is None or clock - last / 1000 > STALLED_SECONDS:
                subscription.lose(f"{place.topic}[{place.partition}] was not fetched for {STALLED_SECONDS:.0f} s")

    async def pump(self) -> None:
        """Hand out what the consumer fetches, until `closing`. A fetch of aiokafka must never be cancelled."""
        while not self.closing:
            try:
                fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
            except OffsetOutOfRangeError as error:
                for place, offset in dict(error.args[0]).items():
                    self._out_of_range(place, offset)
            except KafkaError as error:
                _log.warning("fetching from Kafka failed: %r", error)
                self.lose(f"fetching from Kafka failed: {error!r}")
                await asyncio.sleep(POLL_MS / 1000)
            else:
                for place, records in fetched.items():
                    self._hand_out(place, records)

    def _out_of_range(self, place: TopicPartition, offset: int) -> None:
        self._consumer.pause(place)
        if place in self._subscriptions:
            self._subscriptions[place].lose(f"{place.topic}[{place.partition}]@{offset} is not in the log any more")

    def _hand_out(self, place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        subscription = self._subscriptions.get(place)
        if subscription is None:
            return
        subscription.arrive(records)
        if subscription.full:
            self._consumer.pause(place)


@asynccontextmanager
async def open_lane(settings: KafkaSettings, partitions: Sequence[TopicPartition]) -> AsyncGenerator[Lane]:
    """A consumer of these partitions."""
    consumer = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="none", fetch_max_wait_ms=100,
        isolation_level="read_committed",
    )  # fmt: skip
    lane = Lane(consumer, settings)
    try:
        with translated("start a consumer"):
            async with asyncio.timeout(START_SECONDS):
                await consumer.start()
        consumer.assign(list(partitions))
        for place in partitions:  # without a position aiokafka would look for one, and complain
            consumer.seek(place, 0)
            consumer.pause(place)
        pumping = asyncio.ensure_future(lane.pump())
        try:
            yield lane
        finally:
            lane.closing = True
            await asyncio.wait({pumping}, timeout=1.0)
            if not pumping.done():
                pumping.cancel()
    finally:
        lane.closing = True
        await stop(consumer)
