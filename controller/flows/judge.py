"""Measurements → stored once, shown to the early-stopping rule, and summarized when an attempt has
reported all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from controller.core.recorded import Recorded
from controller.flows.early_stopping import FLOW, EarlyStopping, restore
from controller.store import DataRefusedError
from controller.store.backlog import Backlog
from controller.store.dead_letters import DeadLetter
from controller.store.holding import Holding
from controller.store.measurements import Measurements
from controller.store.positions import Positions
from controller.store.reader import Reader, Received, read, reading
from controller.telemetry.catalogue import POINTS
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.facts import TrialScheduled
from events.ids import AttemptKey
from events.metrics import MetricsCompleted, MetricsReported, is_measurement
from events.signals import MetricsCollected
from events.spec.objective import Observation, Summary

BATCH = 2_000
WAIT_SECONDS = 1.0
TOO_MUCH = "its experiment is in quarantine, and more waits with it than can be kept"


async def judge(
    bus: Bus,
    measurements: Measurements,
    positions: Positions,
    holding: Holding,
    facts: "asyncio.Queue[Recorded]",
) -> None:
    """Store and judge the measurements of the shard, until cancelled."""
    early_stopping = EarlyStopping(holding, due=set(holding.experiments))
    async with reading(bus, positions, holding.shard, holding.epoch, topics.METRICS) as reader:
        processor = MeasurementProcessor(bus, measurements, holding, early_stopping)
        await processor.restore()
        while True:
            await processor.fetch(reader)
            while not facts.empty():
                processor.learn(facts.get_nowait())
            await processor.restore()
            dead = await processor.process()
            reader.acknowledge(processor.backlog.oldest(reader.position))
            await reader.store(dead)


@dataclass(slots=True)
class MeasurementProcessor:
    """Processes the measurements of a shard, a turn at a time."""

    bus: Bus
    measurements: Measurements
    holding: Holding
    early_stopping: EarlyStopping
    backlog: Backlog = field(default_factory=Backlog)

    async def restore(self) -> None:
        """Restore the rules that are due, and send the stops that follow."""
        if self.early_stopping.due:
            await restore(self.early_stopping, self.measurements.courses)
            await self._send_stops()

    def learn(self, recorded: Recorded) -> None:
        """What was decided matters to the rules, and which attempts begin."""
        self.early_stopping.learn(recorded)
        if isinstance(fact := recorded.fact, TrialScheduled):
            key = AttemptKey(recorded.envelope.experiment, fact.trial, fact.attempt)
            self.measurements.begin(self.holding.shard, self.holding.epoch, key)

    async def fetch(self, reader: Reader) -> None:
        """Read on, if there is room for more."""
        if self.backlog.has_room:
            wait = 0.0 if self.backlog.ready else WAIT_SECONDS
            self.backlog.add(await reader.fetch(BATCH, wait))

    async def process(self) -> list[DeadLetter]:
        """Judge, store and summarize what has its turn. Where that fails by the fault of one
        experiment, what it has waits for the end of its quarantine."""
        dead = {one.position: DeadLetter(one, TOO_MUCH) for one in self.backlog.overflow()}
        found, unreadable = read(self.backlog.take(), is_measurement, "a measurement")
        received = [one for one in found if one.envelope.experiment in self.holding.experiments]
        if received:
            self.early_stopping.observe([one.envelope for one in received])
            keep = partial(self._keep, dead)
            async with asyncio.TaskGroup() as tasks:  # stops do not wait for the disk
                tasks.create_task(self._send_stops(), name="send stops")
                keeping = tasks.create_task(
                    self.holding.quarantine.divide(FLOW, received, keep), name="keep measurements"
                )
            self._hold_back(received, keeping.result())
        return [*unreadable, *dead.values()]

    async def _send_stops(self) -> None:
        stops = self.early_stopping.take_stops()
        await send(self.bus, topics.SIGNALS, self.holding.shard, stops)

    async def _keep(self, dead: dict[int, DeadLetter], received: Sequence[Received]) -> None:
        """Store the points, the courses of what was judged by them, and send the summaries."""
        holding, measurements = self.holding, self.measurements
        refused = await _store(measurements, holding, received)
        dead.update((one.delivery.position, one) for one in refused)
        envelopes = [one.envelope for one in received]
        if courses := list(self.early_stopping.take_courses(envelopes)):
            await measurements.courses.keep(holding.shard, holding.epoch, courses)
        summaries = await _summarize(measurements, holding, envelopes)
        await send(self.bus, topics.SIGNALS, holding.shard, summaries)

    def _hold_back(self, received: Sequence[Received], done: Sequence[Received]) -> None:
        """Of experiments with which it could not be done, nothing is read or judged for now."""
        if len(done) == len(received):
            return
        kept = {one.delivery.position for one in done}
        left = [one for one in received if one.delivery.position not in kept]
        for experiment in {one.envelope.experiment for one in left}:
            self.early_stopping.drop(experiment)
            key = str(experiment).encode()
            self.backlog.hold(
                key, [one.delivery for one in left if one.envelope.experiment == experiment]
            )
            self.holding.quarantine.park(experiment, partial(self.backlog.release, key))


async def _store(
    measurements: Measurements, holding: Holding, received: Sequence[Received]
) -> list[DeadLetter]:
    """Store all points but those of the records that Postgres refuses, and return these."""
    reports = [
        (AttemptKey(one.envelope.experiment, body.trial, body.attempt), body.points)
        for one in received
        if isinstance(body := one.envelope.body, MetricsReported)
    ]
    if not reports:
        return []
    try:
        await measurements.store(holding.shard, holding.epoch, reports)
    except DataRefusedError as error:
        if len(received) == 1:
            return [DeadLetter(received[0].delivery, str(error))]
        middle = len(received) // 2
        halves = received[:middle], received[middle:]
        return [dead for half in halves for dead in await _store(measurements, holding, half)]
    POINTS.inc(sum(len(points) for _, points in reports))
    return []


async def _summarize(
    measurements: Measurements, holding: Holding, envelopes: list[Envelope]
) -> list[Envelope]:
    """The summaries of the attempts that have reported everything."""
    complete = {
        AttemptKey(envelope.experiment, body.trial, body.attempt): body
        for envelope in reversed(envelopes)  # of several, the first one counts
        if isinstance(body := envelope.body, MetricsCompleted)
    }
    if not complete:
        return []
    found = await measurements.collected(holding.shard, holding.epoch, complete)
    return [
        holding.seen(
            key,
            MetricsCollected(
                trial=key.trial,
                attempt=key.attempt,
                observation=_with_texts(observation, complete[key].texts),
                diagnosis=complete[key].diagnosis,
            ),
            now(),
        )
        for key, observation in found.items()
    ]


def _with_texts(observation: Observation, texts: Mapping[str, str]) -> Observation:
    if not texts:
        return observation
    seen = {metric: observation.get(metric, Summary()) for metric in texts}
    told = {metric: seen[metric].model_copy(update={"text": texts[metric]}) for metric in texts}
    return {**observation, **told}
