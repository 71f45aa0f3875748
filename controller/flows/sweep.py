"""Levels beside edges: people's letters, the clock, silent collectors, and what should run compared with what does."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from controller.cluster import Cluster
from controller.store.dead_letters import DeadLetters
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.outbox import Mailbox
from controller.telemetry.catalogue import SILENT
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.ids import AttemptKey
from events.reports import completed
from events.signals import TimePassed

ROUND_SECONDS = 0.5
COMPARE_EVERY = 20
"""Rounds between two comparisons with the cluster."""
COLLECTOR_SECONDS = 60.0
"""How long an attempt's collector may take, after the end, to say that all is reported."""
MOST_LETTERS = 100


@dataclass(slots=True)
class Sweeper:
    """Looks after the experiments of a shard."""

    cluster: Cluster
    ledger: Ledger
    bus: Bus
    mailbox: Mailbox
    dead_letters: DeadLetters
    holding: Holding
    silent: dict[AttemptKey, float] = field(default_factory=dict)
    """Since when the end of an attempt is known, but not all that it reported."""

    async def sweep(self) -> None:
        """At once, and then again and again."""
        await self._tick(everyone=True)
        turn = 0
        while True:
            if not self.bus.durable:
                await self._send(topics.SIGNALS, await self.mailbox.letters(self.holding.shard))
            await self._complete_for_the_silent()
            if turn % COMPARE_EVERY == 0:
                await self._compare()
                await self._show_dead_letters()
            await self._tick(everyone=False)
            await asyncio.sleep(ROUND_SECONDS)
            turn += 1

    async def _compare(self) -> None:
        for number in list(self.holding.experiments):
            if experiment := self.holding.experiments.get(number):
                await self.cluster.sweep(experiment.identity, self.holding.expected(number), self.holding.wants)
        others = set(self.cluster.present()) - self.holding.experiments.keys()
        for experiment in await self.ledger.done(self.holding.shard, others):
            await self.cluster.sweep(experiment.identity, (), self.holding.wants)

    async def _tick(self, *, everyone: bool) -> None:
        """Say that time has passed: to each experiment at the start, then to those whose deadline has come."""
        at = now()
        late = [
            number
            for number, experiment in self.holding.experiments.items()
            if everyone or ((deadline := experiment.progress.deadline) is not None and at >= deadline)
        ]
        await self._send(topics.SIGNALS, [Envelope(uuid4(), None, number, at, TimePassed()) for number in late])

    async def _complete_for_the_silent(self) -> None:
        """An attempt is judged by what has come, if its collector takes too long to say that this is all."""
        moment = time.monotonic()
        self.silent = {key: self.silent.get(key, moment) for key in self._unheard()}
        late = [key for key, since in self.silent.items() if moment - since > COLLECTOR_SECONDS]
        for key in late:
            SILENT.inc()
            self.silent[key] = moment
        await self._send(topics.METRICS, [completed(key, now()) for key in late])

    def _unheard(self) -> Iterator[AttemptKey]:
        for number, experiment in self.holding.experiments.items():
            for trial, live in experiment.progress.live.items():
                if live.end is not None and live.observation is None:
                    yield AttemptKey(number, trial, live.attempt)

    async def _show_dead_letters(self) -> None:
        if not self.bus.durable:
            return
        kept = await self.dead_letters.unpublished(self.holding.shard, MOST_LETTERS)
        if kept:
            await self.bus.publish([one.shown() for one in kept])
            await self.dead_letters.published([one.id for one in kept])

    async def _send(self, topic: str, envelopes: list[Envelope]) -> None:
        if envelopes:
            await send(self.bus, topic, self.holding.shard, envelopes)
