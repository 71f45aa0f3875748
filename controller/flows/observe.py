"""What happens to workloads, and what they report → signals and measurements."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.cluster import AttemptKey, Cluster, Ended, Launch, Started
from controller.store.holding import Holding
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.ids import consequence
from events.metrics import Measurement, MetricsCompleted, MetricsReported, Point
from events.signals import Signal, WorkloadEnded, WorkloadStarted

LISTEN_SECONDS = 0.1


class Source(Protocol):
    """What an attempt reports, as it grows."""

    def read(self) -> Sequence[Point]:
        """The points since the last call; call again while there are some."""
        ...

    def finish(self) -> Sequence[Point]:
        """As `read`, to the last unfinished line; the attempt has ended."""
        ...


Follow = Callable[[Launch], Source]


async def observe(cluster: Cluster, follow: Follow, bus: Bus, holding: Holding) -> None:
    """Watch the attempts of the shard and hear what they report, until cancelled."""
    ears = Ears(follow, bus, holding)
    await ears.catch_up()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ears.listen())
        async for event in cluster.watch():
            if event.key.experiment in holding.experiments:
                await ears.heed(event)


@dataclass(slots=True)
class Ears:
    """One open source for each running attempt."""

    follow: Follow
    bus: Bus
    holding: Holding
    sources: dict[AttemptKey, Source] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """What was read is reported before anything else is read: the word that all is reported comes last."""

    async def catch_up(self) -> None:
        """Attempts whose end is known, but not what they reported: the owner before did not get to it."""
        for experiment in list(self.holding.experiments.values()):
            for number, trial in experiment.progress.live.items():
                if trial.end is not None and trial.observation is None:
                    await self._finish(AttemptKey(experiment.identity.id, number, trial.attempt))

    async def heed(self, event: Started | Ended) -> None:
        key = event.key
        if not self._is_live(key):
            return
        match event:
            case Started():
                self._source(key)
                await self._signal(key, WorkloadStarted(trial=key.trial, attempt=key.attempt))
            case Ended(cause=cause, exit_code=code, message=message):
                await self._finish(key)
                ended = WorkloadEnded(
                    trial=key.trial, attempt=key.attempt, cause=cause, exit_code=code, message=message
                )
                await self._signal(key, ended)

    async def listen(self) -> None:
        """Read what running attempts have reported, again and again."""
        while True:
            for key in list(self.sources):
                async with self.turn:
                    if key in self.sources and (points := self.sources[key].read()):
                        await self._report(key, points)
            await asyncio.sleep(LISTEN_SECONDS)

    async def _finish(self, key: AttemptKey) -> None:
        async with self.turn:
            source = self._source(key)
            del self.sources[key]
            while points := source.finish():
                await self._report(key, points)
            await self._measure(key, MetricsCompleted(trial=key.trial, attempt=key.attempt), "completed")

    async def _report(self, key: AttemptKey, points: Sequence[Point]) -> None:
        body = MetricsReported(trial=key.trial, attempt=key.attempt, points=tuple(points))
        await self._measure(key, body, f"{points[0].metric}/{points[0].step}")

    async def _measure(self, key: AttemptKey, body: Measurement, part: str) -> None:
        number = consequence(key.experiment, f"{body.type}/{key.trial}/{key.attempt}/{part}")
        await send(self.bus, topics.METRICS, self.holding.shard, [Envelope(number, None, key.experiment, now(), body)])

    async def _signal(self, key: AttemptKey, signal: Signal) -> None:
        await send(self.bus, topics.SIGNALS, self.holding.shard, [self.holding.seen(key, signal, now())])

    def _is_live(self, key: AttemptKey) -> bool:
        trial = self.holding.experiments[key.experiment].progress.live.get(key.trial)
        return trial is not None and trial.attempt == key.attempt and trial.end is None

    def _source(self, key: AttemptKey) -> Source:
        if key not in self.sources:
            identity = self.holding.experiments[key.experiment].identity
            assignment = self.holding.assignments[key.experiment, key.trial]
            launch = Launch(key, identity.name, identity.namespace, identity.spec, assignment, identity.origin)
            self.sources[key] = self.follow(launch)
        return self.sources[key]
