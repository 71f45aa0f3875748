"""The collector of one attempt: reads its source, keeps what it finds in the spool, and delivers it
in order."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from collectors.ship.spool import Spool
from collectors.sources import Source, Watch
from events import topics
from events.backoff import Backoff
from events.bus import BusRefusedError, BusUnavailableError, Record
from events.clock import now
from events.envelope import Envelope, encode, report_completion, report_points
from events.ids import AttemptKey, Shard
from events.metrics import Point
from events.waiting import wait

LINGER_SECONDS = 0.02
"""Between two readings of a file that grows all the time: what comes in between shares a record.
The end of the attempt cuts this pause short."""
RECORD_POINTS = 2_000
DELIVERED_AT_ONCE = 20
"""Records."""
PAUSE_SECONDS = (0.1, 5.0)
PATIENCE_SECONDS = 3600.0
"""How long Kafka is waited for after the end of the attempt. Controllers wait for a collector much
less long, and then decide by what they have."""
ALL_READ = b"all"
_log = logging.getLogger(__name__)


class Publisher(Protocol):
    async def publish(self, records: Sequence[Record]) -> None:
        """As Bus.publish."""
        ...


Opened = Callable[[], AbstractAsyncContextManager[Publisher]]


@dataclass(slots=True)
class Collector:
    """Collects what one attempt reports. Call `end` when nothing more is written."""

    key: AttemptKey
    shard: Shard
    source: Source
    spool: Spool
    all_read: bool = False
    patience: float = PATIENCE_SECONDS
    linger: float = LINGER_SECONDS
    ended_at: float | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(*PAUSE_SECONDS))
    added: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Nothing more is written: what the source has now is all."""
        self.ended_at = time.monotonic()
        self.ended.set()
        self.changed.set()

    async def run(self, opened: Opened) -> None:
        """Until all is read and delivered; without a broker until PATIENCE_SECONDS after the end.

        Raises BusUnavailableError or BusRefusedError (in a group) if it gave up; what is left stays
        in the spool."""
        state = self.spool.state()
        self.all_read = state == ALL_READ
        if state is not None and not self.all_read:
            self.source.restore(state)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name="read")
            tasks.create_task(self._deliver(opened), name="deliver")

    async def _read(self) -> None:
        with self.source.watching(self.changed.set) as watch:
            while not self.all_read:
                if not self.spool.has_room:
                    self.dropped.clear()
                    await self.dropped.wait()
                    continue
                self.changed.clear()
                await self._wait(watch, found=self._look())

    def _look(self) -> bool:
        """Keep what is new in the source, if anything is."""
        last = (
            self.ended.is_set()
        )  # asked before the source is read: what is written until then is in it
        points = self.source.finish() if last else self.source.read()
        if points:
            self._keep(points)
        elif last:
            self.all_read = True
            completion = report_completion(
                self.key, now(), self.source.diagnosis(), self.source.texts()
            )
            self.spool.add([self._record(completion)], ALL_READ)
            self.added.set()
        return bool(points)

    async def _wait(self, watch: Watch, *, found: bool) -> None:
        """Until the next look: not at once after one that found something, unless nothing more is
        written."""
        news, seconds = (self.ended, self.linger) if found else (self.changed, watch.patience())
        await wait(news, seconds)
        await asyncio.sleep(0)

    def _keep(self, points: Sequence[Point]) -> None:
        rest = iter(points)
        parts = iter(lambda: list(islice(rest, RECORD_POINTS)), [])
        self.spool.add(
            [self._record(report_points(self.key, part, now())) for part in parts],
            self.source.state(),
        )
        self.added.set()

    def _record(self, envelope: Envelope) -> Record:
        return encode(envelope, topics.METRICS, self.shard)

    async def _deliver(self, opened: Opened) -> None:
        while True:
            try:
                async with opened() as publisher:
                    await self._deliver_all(publisher)
                    return
            except (BusUnavailableError, BusRefusedError) as error:
                _log.warning("not delivered yet: %s", error)
                if self.ended_at is not None and time.monotonic() - self.ended_at > self.patience:
                    raise
            await asyncio.sleep(self.backoff.next())

    async def _deliver_all(self, publisher: Publisher) -> None:
        while True:
            self.added.clear()
            waiting = self.spool.oldest(DELIVERED_AT_ONCE)
            if waiting:
                await publisher.publish([record for _, record in waiting])
                self.backoff.reset()
                self.spool.drop(waiting[-1][0])
                self.dropped.set()
            elif self.all_read:
                return
            else:
                await self.added.wait()
