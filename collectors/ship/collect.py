"""Read what one attempt reports, keep it in the spool, deliver it in order, and say when that was all."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from collectors.ship.spool import Spool
from collectors.sources.tail import Tail
from collectors.sources.watch import Watch, watching
from events import topics
from events.backoff import Backoff
from events.bus import BusRefusedError, BusUnavailableError, Record
from events.clock import now
from events.envelope import Envelope, encode
from events.ids import AttemptKey, Shard
from events.metrics import Point
from events.reports import completed, reported
from events.waiting import wait

LINGER_SECONDS = 0.02
"""Between two readings of a file that grows all the time: what comes in between shares a record. Its end is not waited
for."""
RECORD_POINTS = 2_000
DELIVERED_AT_ONCE = 20
"""Records."""
PAUSE_SECONDS = (0.1, 5.0)
PATIENCE_SECONDS = 3600.0
"""The controllers wait for a silent collector much less long, and then go by what they have."""
ALL_READ = b"all"
_log = logging.getLogger(__name__)


class Publisher(Protocol):
    async def publish(self, records: Sequence[Record]) -> None:
        """As Bus.publish."""
        ...


Opened = Callable[[], AbstractAsyncContextManager[Publisher]]


@dataclass(slots=True)
class Collector:
    """One attempt's ears. Call `end` when nothing more is written."""

    key: AttemptKey
    shard: Shard
    tail: Tail
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
        """What the file has now is all."""
        self.ended_at = time.monotonic()
        self.ended.set()
        self.changed.set()

    async def run(self, opened: Opened) -> None:
        """Until all is read and delivered; without a broker until PATIENCE_SECONDS after the end.

        Raises BusUnavailableError or BusRefusedError (in a group) if it gave up; what is left stays in the spool."""
        state = self.spool.state()
        self.all_read = state == ALL_READ
        if state is not None and not self.all_read:
            self.tail.restore(state)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name="read")
            tasks.create_task(self._deliver(opened), name="deliver")

    async def _read(self) -> None:
        with watching(self.tail.path, self.changed.set) as watch:
            while not self.all_read:
                if not self.spool.has_room:
                    self.dropped.clear()
                    await self.dropped.wait()
                    continue
                self.changed.clear()
                await self._wait(watch, found=self._look())

    def _look(self) -> bool:
        """Keep what is new in the file, if anything is."""
        last = self.ended.is_set()  # asked before the file is read: what is written until then is in it
        points = self.tail.finish() if last else self.tail.read()
        if points:
            self._keep(points)
        elif last:
            self.all_read = True
            self.spool.add([self._record(completed(self.key, now()))], ALL_READ)
            self.added.set()
        return bool(points)

    async def _wait(self, watch: Watch, *, found: bool) -> None:
        """Until the next look: not at once after one that found something, unless nothing more is written."""
        news, seconds = (self.ended, self.linger) if found else (self.changed, watch.patience())
        await wait(news, seconds)
        await asyncio.sleep(0)

    def _keep(self, points: Sequence[Point]) -> None:
        rest = iter(points)
        parts = iter(lambda: list(islice(rest, RECORD_POINTS)), [])
        self.spool.add([self._record(reported(self.key, part, now())) for part in parts], self.tail.state())
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
