"""A regular look at what no event reports: requests, the clock, silent collectors, and what should
run."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from controller.cluster import Cluster
from controller.core.experiment import Experiment
from controller.store.dead_letters import DeadLetters
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.outbox import Mailbox
from controller.telemetry.catalogue import SILENT
from events import topics
from events.backoff import Backoff
from events.bus import Bus, BusRefusedError, RecordTooLargeError
from events.clock import now
from events.diagnosis import Diagnosis
from events.envelope import Envelope, report_completion, send
from events.ids import AttemptKey, ExperimentId
from events.signals import TimePassed

ROUND_SECONDS = 0.5
COMPARE_SECONDS = 10.0
"""Between two comparisons with the cluster."""
COMPARED_AT_ONCE = 10
"""Experiments of a shard; the others wait for their turn."""
PATIENCE_SECONDS = 30.0
"""How long comparing one experiment may take."""
COLLECTOR_SECONDS = 60.0
"""How long after the end of an attempt its collector may take to report everything."""
DEAD_LETTERS_AT_ONCE = 20
DEAD_LETTERS_SECONDS = 10.0
"""Between two looks for those that are not on their topic yet."""
REPUBLISH_SECONDS = (10.0, 600.0)
"""Before the first and between later tries to publish them where that is refused: each costs the
other flows a new producer."""
_FLOW = "sweep"
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sweeper:
    """Looks at the experiments of a shard again and again."""

    cluster: Cluster
    ledger: Ledger
    bus: Bus
    mailbox: Mailbox
    dead_letters: DeadLetters
    holding: Holding
    clock: Callable[[], datetime] = now
    """By which wall-clock budgets run."""
    awaiting: dict[AttemptKey, float] = field(default_factory=dict)
    """Since when attempts have ended without having reported everything."""

    async def sweep(self) -> None:
        """Compare and tick at once, then regularly, until cancelled."""
        await self._tick(everybody=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(), name="requests and the clock")
            tasks.create_task(self._compare_all(), name="compare with the cluster")
            if self.bus.durable:
                tasks.create_task(self._show_dead_letters(), name="show dead letters")

    async def _look(self) -> None:
        """What must not wait for the cluster."""
        while True:
            if not self.bus.durable:
                await self._send(topics.SIGNALS, await self.mailbox.requests(self.holding.shard))
            await self._complete_overdue()
            await self._tick(everybody=False)
            await asyncio.sleep(ROUND_SECONDS)

    async def _compare_all(self) -> None:
        while True:
            await self._compare_each(list(self.holding.experiments), self._compare_held)
            others = set(self.cluster.present()) - self.holding.experiments.keys()
            done = await self.ledger.done(self.holding.shard, others)
            await self._compare_each(done, lambda one: self._compare(one, lambda _: set()))
            await asyncio.sleep(COMPARE_SECONDS)

    async def _compare_each(
        self, experiments: Iterable[_T], compare: Callable[[_T], Awaitable[None]]
    ) -> None:
        """Some at once, so that one which the cluster holds up does not hold up all others."""
        left = iter(experiments)

        async def compare_some() -> None:
            for one in left:
                await compare(one)

        async with asyncio.TaskGroup() as tasks:
            for number in range(COMPARED_AT_ONCE):
                tasks.create_task(compare_some(), name=f"compare experiments ({number})")

    async def _compare_held(self, experiment_id: ExperimentId) -> None:
        if experiment := self.holding.experiments.get(experiment_id):
            await self._compare(experiment, self.holding.expected)

    async def _compare(
        self, experiment: Experiment, expected: Callable[[ExperimentId], set[AttemptKey]]
    ) -> None:
        """Compare one experiment with what the cluster has of it; whoever waits for its turn does
        not wait for this one longer than PATIENCE_SECONDS."""
        identity, quarantine = experiment.identity, self.holding.quarantine
        if quarantine.holds(identity.id, _FLOW):
            return
        with quarantine.isolating(identity.id, _FLOW):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                    await self.cluster.sweep(identity, expected(identity.id), self.holding.wants)
            except TimeoutError:
                if not patience.expired():
                    raise
                _log.warning("experiment %s: the cluster takes too long", identity.name)

    async def _tick(self, *, everybody: bool) -> None:
        """Signal that time has passed: to each experiment at the start, later to those whose
        deadline has come."""
        at = self.clock()
        late = [
            experiment_id
            for experiment_id, experiment in self.holding.experiments.items()
            if everybody
            or ((deadline := experiment.progress.deadline) is not None and at >= deadline)
        ]
        ticks = [
            Envelope(uuid4(), None, experiment_id, now(), TimePassed()) for experiment_id in late
        ]
        await self._send(topics.SIGNALS, ticks)

    async def _complete_overdue(self) -> None:
        """Complete attempts whose collectors take too long: they are judged by what has come."""
        moment = time.monotonic()
        self.awaiting = {key: self.awaiting.get(key, moment) for key in self._awaiting_metrics()}
        late = [key for key, since in self.awaiting.items() if moment - since > COLLECTOR_SECONDS]
        for key in late:
            SILENT.inc()
            self.awaiting[key] = moment
        silent = Diagnosis(silent=True)
        await self._send(topics.METRICS, [report_completion(key, now(), silent) for key in late])

    def _awaiting_metrics(self) -> Iterator[AttemptKey]:
        for experiment_id, experiment in self.holding.experiments.items():
            for trial, live in experiment.progress.live.items():
                if live.end is not None and live.observation is None:
                    yield AttemptKey(experiment_id, trial, live.attempt)

    async def _show_dead_letters(self) -> None:
        """Publish them on their topic; where that is refused they wait, and Postgres has them."""
        backoff, told = Backoff(*REPUBLISH_SECONDS), False
        while True:
            try:
                await self._publish_dead_letters()
                backoff.reset()
                pause, told = DEAD_LETTERS_SECONDS, False
            except BusRefusedError as error:
                if not told:
                    _log.warning("dead letters cannot be published, and wait: %s", error)
                pause, told = backoff.next(), True
            await asyncio.sleep(pause)

    async def _publish_dead_letters(self) -> None:
        """Raises BusRefusedError, BusUnavailableError."""
        shard = self.holding.shard
        while kept := await self.dead_letters.unpublished(shard, DEAD_LETTERS_AT_ONCE):
            for one in kept:
                try:
                    await self.bus.publish([one.shown()])
                except RecordTooLargeError as error:  # Postgres has it all the same
                    _log.warning("the dead letter %s is not on its topic: %s", one.id, error)
            await self.dead_letters.mark_published([one.id for one in kept])

    async def _send(self, topic: str, envelopes: list[Envelope]) -> None:
        if envelopes:
            shard = self.holding.shard
            await self.holding.quarantine.divide(
                _FLOW, envelopes, lambda some: send(self.bus, topic, shard, some)
            )
