"""What happens to workloads, and what they report → signals and measurements."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from controller.cluster import AttemptKey, Ended, Event, Launch, Started, Waiting
from controller.core.experiment import LiveTrial
from controller.store.holding import Holding
from events import topics
from events.bus import Bus
from events.clock import now
from events.diagnosis import Diagnosis
from events.envelope import Envelope, report_completion, report_points, send
from events.facts import TrialState
from events.ids import ExperimentId
from events.metrics import Point
from events.signals import Signal, WorkloadEnded, WorkloadStarted, WorkloadWaiting

_FLOW = "observe"
POLL_SECONDS = 0.05, 0.1
"""Between two rounds through all sources: the least and the most."""
POLL_SHARE = 0.05
"""Of the time, as far as the most allows, rounds take this part."""


class Source(Protocol):
    """Where the points of an attempt are read from."""

    def read(self) -> Sequence[Point]:
        """The points since the last call; call again while there are some."""
        ...

    def finish(self) -> Sequence[Point]:
        """As `read`, to the last unfinished line; the attempt has ended."""
        ...

    def diagnosis(self) -> Diagnosis | None:
        """Why metrics are missing, and what was left out; asked once all is read."""
        ...

    def texts(self) -> Mapping[str, str]:
        """The last text of each metric that is one; asked once all is read."""
        ...


Stored = Callable[[], Mapping[str, int]]
"""By metric, the last step that is stored of an attempt, as far as is known."""
Follow = Callable[[Launch, int, Stored], Source]
"""(attempt, epoch of its shard's owner, what is stored of it) → its source. The next owner's source
goes on where that of this one was."""


def _nothing_known(key: AttemptKey) -> Mapping[str, int]:
    return {}


async def observe(
    events: "asyncio.Queue[Event]",
    follow: Follow,
    bus: Bus,
    holding: Holding,
    stored: Callable[[AttemptKey], Mapping[str, int]],
) -> None:
    """Signal what happens to the attempts of the shard, and follow their metrics, until
    cancelled."""
    follower = MetricsFollower(events, follow, bus, holding, stored)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follower.poll(), name="poll metrics")
        while True:
            waiting = [await events.get()]
            while not events.empty():
                waiting.append(events.get_nowait())
            await follower.handle(waiting)


@dataclass(slots=True)
class MetricsFollower:
    """One open source for each running attempt that has no collector of its own."""

    events: "asyncio.Queue[Event]"
    follow: Follow
    bus: Bus
    holding: Holding
    stored: Callable[[AttemptKey], Mapping[str, int]] = _nothing_known
    sources: dict[ExperimentId, dict[AttemptKey, Source]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from reading to reporting, so that MetricsCompleted comes after all points."""
    unsent: dict[AttemptKey, list[Envelope]] = field(default_factory=dict)
    """What was read and could not be sent by the experiment's fault: no source says it twice."""
    put_off: dict[ExperimentId, dict[tuple[AttemptKey, type], Event]] = field(default_factory=dict)
    """What happened to experiments that this flow has failed with: of each attempt the last event
    of a type."""

    async def handle(self, events: Sequence[Event]) -> None:
        """Signal what is new; the end of an attempt comes after all that it reported."""
        signals: list[Envelope] = []
        for event in events:
            trial = self.holding.live(event.key)
            if trial is None:  # it is over, and nobody asks for the rest
                self._forget(event.key)
                continue
            if not self._holds(event.key.experiment):
                with self.holding.quarantine.isolating(event.key.experiment, _FLOW):
                    if not isinstance(event, Waiting) and not event.collector:
                        await self._read_source(event, trial)
                    if signal := _signal_for(event, trial):
                        signals.append(self.holding.seen(event.key, signal, now()))
                    continue
            self._put_off(event)
        await self.holding.quarantine.divide(_FLOW, signals, self._send_signals)

    def _holds(self, experiment_id: ExperimentId) -> bool:
        """Has this flow failed with the experiment?"""
        return self.holding.quarantine.holds(experiment_id, _FLOW)

    def _put_off(self, event: Event) -> None:
        """Handle the event when the experiment's quarantine is over."""
        experiment_id = event.key.experiment
        waiting = self.put_off.setdefault(experiment_id, {})
        if not waiting:
            go_on = partial(self._go_on, experiment_id)
            self.holding.quarantine.park(experiment_id, go_on)
        waiting[event.key, type(event)] = event

    def _go_on(self, experiment_id: ExperimentId) -> None:
        for event in self.put_off.pop(experiment_id).values():
            self.events.put_nowait(event)

    async def _send_signals(self, signals: Sequence[Envelope]) -> None:
        await send(self.bus, topics.SIGNALS, self.holding.shard, signals)

    async def _read_source(self, event: Started | Ended, trial: LiveTrial) -> None:
        if isinstance(event, Started):
            self._source(event.key)
        elif trial.observation is None:
            await self._finish(event.key)

    async def poll(self) -> None:
        """Read what running attempts have reported, until cancelled."""
        while True:
            began = time.monotonic()
            for experiment_id in list(self.sources):
                if not self._holds(experiment_id):
                    with self.holding.quarantine.isolating(experiment_id, _FLOW):
                        await self._read(self.sources.get(experiment_id, {}))
            await asyncio.sleep(_pause(time.monotonic() - began))

    async def _read(self, sources: dict[AttemptKey, Source]) -> None:
        if self.unsent:
            await self._send_again(sources)
        unread = list(sources.items())
        while unread:
            async with self.lock:  # until one has points: ends of attempts wait for no more
                key, points = _next_points(unread)
                if points and key in sources:
                    self.unsent[key] = [report_points(key, points, now())]
                    await self._send(self.unsent[key])
                    self.unsent.pop(key, None)

    async def _send_again(self, sources: dict[AttemptKey, Source]) -> None:
        for key in self.unsent.keys() & sources.keys():
            async with self.lock:
                await self._send(self.unsent.get(key, ()))
                self.unsent.pop(key, None)

    async def _finish(self, key: AttemptKey) -> None:
        async with self.lock:
            if self.holding.live(key) is None:  # it was concluded while we waited for the lock
                self._forget(key)
                return
            source = self._source(key)
            last = self.unsent.setdefault(key, [])
            while points := source.finish():
                last.append(report_points(key, points, now()))
                await self._send(last[:-1])
                del last[:-1]  # one goes with the completion: they are summed up at once
            completion = report_completion(key, now(), source.diagnosis(), source.texts())
            await self._send([*last, completion])
            self._forget(key)

    async def _send(self, reports: Sequence[Envelope]) -> None:
        if reports:
            await send(self.bus, topics.METRICS, self.holding.shard, reports)
            await asyncio.sleep(0)  # a long file must not hold up everybody else

    def _source(self, key: AttemptKey) -> Source:
        sources = self.sources.get(key.experiment, {})
        if key not in sources:
            assignment = self.holding.assignments[key.experiment, key.trial]
            experiment = self.holding.experiments[key.experiment]
            launch = Launch.of(experiment, key, assignment, self.holding.shard)
            sources[key] = self.follow(launch, self.holding.epoch, partial(self.stored, key))
            self.sources[key.experiment] = sources
        return sources[key]

    def _forget(self, key: AttemptKey) -> None:
        sources = self.sources.get(key.experiment, {})
        sources.pop(key, None)
        self.unsent.pop(key, None)
        if not sources:
            self.sources.pop(key.experiment, None)


def _next_points(unread: list[tuple[AttemptKey, Source]]) -> tuple[AttemptKey, Sequence[Point]]:
    """Read one source after another until one has points."""
    while True:
        key, source = unread.pop()
        points = source.read()
        if points or not unread:
            return key, points


def _pause(round_seconds: float) -> float:
    """Seconds until the next round: few sources are looked at often, many as often as they may."""
    least, most = POLL_SECONDS
    return min(most, max(least, round_seconds / POLL_SHARE))


def _signal_for(event: Event, trial: LiveTrial) -> Signal | None:
    """The signal for what the event adds to what is known of the trial."""
    key = event.key
    match event:
        case Waiting(reason=reason, message=message) if (
            trial.state is TrialState.PENDING and trial.waiting != reason
        ):
            return WorkloadWaiting(
                trial=key.trial, attempt=key.attempt, reason=reason, message=message
            )
        case Started() if trial.state is TrialState.PENDING:
            return WorkloadStarted(trial=key.trial, attempt=key.attempt)
        case Ended(cause=cause, exit_code=code, message=message) if trial.end is None:
            return WorkloadEnded(
                trial=key.trial, attempt=key.attempt, cause=cause, exit_code=code, message=message
            )
        case _:
            return None
