"""A subscription that continues where the previous owner of the shard stopped: the position is in
Postgres."""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.store.dead_letters import DeadLetter
from controller.store.positions import Bookmark, Move, Positions
from controller.telemetry.catalogue import DEAD_LETTERS, LAG, RECORDS
from events.bus import Bus, Delivery, Subscription
from events.envelope import Body, Envelope, UnreadableRecordError, decode
from events.ids import Shard

LONGEST_LOGGED = 500
"""Characters of a reason that the log has: it quotes what strangers have sent."""
LAZY_SECONDS = 1.0
"""The position is stored with the next decision, or after so long without one."""

_log = logging.getLogger(__name__)


class Received(NamedTuple):
    """A message that could be read, and the delivery that it came in."""

    envelope: Envelope
    delivery: Delivery


def read(
    deliveries: Sequence[Delivery], wanted: Callable[[Body], bool], name: str
) -> tuple[list[Received], list[DeadLetter]]:
    """The messages that are wanted, `name` in words, and the records that are put aside."""
    received: list[Received] = []
    dead: list[DeadLetter] = []
    for delivery in deliveries:
        try:
            envelope = decode(delivery.record)
        except UnreadableRecordError as error:
            dead.append(DeadLetter(delivery, str(error)))
        except MemoryError:
            raise
        except Exception as error:  # a fault of ours in reading one must not hold up the others
            dead.append(DeadLetter(delivery, f"it cannot be read: {error!r}"))
        else:
            if wanted(envelope.body):
                received.append(Received(envelope, delivery))
            else:
                dead.append(DeadLetter(delivery, f"{envelope.body.type!r} is not {name}"))
    return received, dead


@dataclass(slots=True)
class Reader:
    """Fetches records, and knows which are processed.

    Of a log that ends with the process nothing is stored.
    """

    subscription: Subscription
    positions: Positions
    shard: Shard
    epoch: int
    topic: str
    processed: int
    bookmark: Bookmark | None
    stored_at: float = field(default_factory=time.monotonic)
    dead: list[DeadLetter] = field(default_factory=list)
    """Records that are put aside, but not stored yet: they are stored together with a new position.
    """

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        """As Subscription.fetch."""
        return await self.subscription.fetch(limit, wait)

    @property
    def position(self) -> int:
        """The position of the next record to fetch."""
        return self.subscription.position

    def acknowledge(self, position: int) -> None:
        """Records before `position` need not be fetched again."""
        RECORDS.labels(self.topic).inc(max(0, position - self.processed))
        LAG.labels(self.topic, self.shard).set(self.subscription.lag)
        self.processed = position
        self.subscription.release(position)
        if self.bookmark is not None:
            self.bookmark.done = position

    def move(self) -> Move | None:
        """The change of the position that the next commit has to store."""
        return self.bookmark.move() if self.bookmark is not None else None

    def mark_stored(self, move: Move | None) -> None:
        """Note that a commit has stored this change of the position."""
        if move is not None and self.bookmark is not None:
            self.bookmark.stored = move.after
            self.stored_at = time.monotonic()

    async def store(self, dead: Sequence[DeadLetter] = ()) -> None:
        """Put records aside, and store the position if that is due. Raises FencedError."""
        for one in dead:
            DEAD_LETTERS.labels(self.topic).inc()
            record = one.delivery.record
            _log.error(
                "%s[%d]@%d is put aside: %s",
                record.topic,
                record.partition,
                one.delivery.position,
                one.reason[:LONGEST_LOGGED],
            )
            if self.bookmark is not None:
                self.dead.append(one)
        move = self.move()
        if move is None or (not self.dead and time.monotonic() - self.stored_at < LAZY_SECONDS):
            return
        dead, self.dead = self.dead, []
        await self.positions.advance(self.shard, self.epoch, move, dead)
        self.mark_stored(move)


@asynccontextmanager
async def reading(
    bus: Bus, positions: Positions, shard: Shard, epoch: int, topic: str
) -> AsyncGenerator[Reader]:
    """Read the shard's partition of `topic` from the stored position on."""
    bookmark = (
        await positions.find(shard, epoch, topic, await bus.log_id(topic)) if bus.durable else None
    )
    async with bus.subscribe(topic, int(shard), bookmark.stored if bookmark else 0) as subscription:
        if bookmark is not None and subscription.position != bookmark.stored:
            _log.warning(
                "%s[%d]: position %d is not in the log; continuing at %d",
                topic, shard, bookmark.stored, subscription.position,
            )  # fmt: skip
            bookmark.done = subscription.position
        DEAD_LETTERS.labels(topic)  # from 0 on, or the first one would be no increase
        try:
            yield Reader(
                subscription, positions, shard, epoch, topic, subscription.position, bookmark
            )
        finally:
            with suppress(KeyError):
                LAG.remove(topic, shard)
