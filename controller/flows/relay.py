"""Facts → the public stream, in order, at least once; after its last fact a deleted experiment is
removed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from controller.core.recorded import Effect, Recorded
from controller.store.holding import Holding
from controller.store.outbox import Outbox
from events import topics
from events.bus import Bus
from events.envelope import send
from events.facts import ExperimentDeleted
from events.ids import ExperimentId

_FLOW = "relay"
BATCH = 1_000
LINGER_SECONDS = 0.03
"""Facts come in quick succession: published together they cost one round trip to Postgres, not one
each."""

Forget = Callable[[ExperimentId], Awaitable[None]]


async def relay(
    bus: Bus, outbox: Outbox, holding: Holding, forget: Forget, facts: "asyncio.Queue[Recorded]"
) -> None:
    """Publish the facts of the shard, those left undone first; a published fact leaves the outbox.

    `forget` deletes all that is kept of an experiment.
    """
    for due in holding.due:
        if due.effect is Effect.PUBLISH:
            facts.put_nowait(due.recorded)
    async with asyncio.TaskGroup() as tasks:
        relayer = Relayer(bus, outbox, holding, forget, facts, tasks)
        while True:
            relayer.add(await facts.get())
            await asyncio.sleep(LINGER_SECONDS)
            for _ in range(min(BATCH, facts.qsize())):
                relayer.add(facts.get_nowait())
            await relayer.publish()


@dataclass(slots=True)
class Relayer:
    """What waits to be published: of each experiment in order, also after its quarantine."""

    bus: Bus
    outbox: Outbox
    holding: Holding
    forget: Forget
    facts: "asyncio.Queue[Recorded]"
    tasks: asyncio.TaskGroup
    waiting: dict[ExperimentId, dict[int, Recorded]] = field(default_factory=dict)
    """By experiment and number, so that a fact that comes again is there once."""
    parked: set[ExperimentId] = field(default_factory=set)
    """Those that go on when their quarantine is over."""
    forgetting: set[ExperimentId] = field(default_factory=set)
    """It may take long, so nobody else's facts wait for it."""

    def add(self, one: Recorded) -> None:
        self.waiting.setdefault(one.envelope.experiment, {})[one.seq] = one

    async def publish(self) -> None:
        """Publish all that waits but for a quarantine; a deletion stays in the outbox until the
        whole experiment is removed."""
        quarantine = self.holding.quarantine
        due = [
            facts[seq]
            for experiment_id, facts in self.waiting.items()
            if experiment_id not in self.forgetting and not quarantine.holds(experiment_id, _FLOW)
            for seq in sorted(facts)
        ]
        published = await quarantine.divide(_FLOW, due, self._send)
        places = [
            (one.envelope.experiment, one.seq)
            for one in published
            if not isinstance(one.fact, ExperimentDeleted)
        ]
        if places:
            await self.outbox.done(Effect.PUBLISH, places)
        for one in published:
            if not isinstance(one.fact, ExperimentDeleted):
                self._drop(one)
            else:
                self.forgetting.add(one.envelope.experiment)
                self.tasks.create_task(self._forget(one), name="forget an experiment")
        for experiment_id in self.waiting.keys() - self.parked - self.forgetting:
            self._park(experiment_id)

    async def _send(self, due: Sequence[Recorded]) -> None:
        await send(self.bus, topics.EVENTS, self.holding.shard, [one.envelope for one in due])

    async def _forget(self, one: Recorded) -> None:
        experiment_id = one.envelope.experiment
        with self.holding.quarantine.isolating(experiment_id, _FLOW):
            await self.forget(experiment_id)
            self._drop(one)
        self.forgetting.remove(experiment_id)
        if experiment_id in self.waiting:
            self._park(experiment_id)

    def _park(self, experiment_id: ExperimentId) -> None:
        self.parked.add(experiment_id)
        self.holding.quarantine.park(experiment_id, partial(self._go_on, experiment_id))

    def _drop(self, one: Recorded) -> None:
        facts = self.waiting[one.envelope.experiment]
        del facts[one.seq]
        if not facts:
            del self.waiting[one.envelope.experiment]

    def _go_on(self, experiment_id: ExperimentId) -> None:
        self.parked.discard(experiment_id)
        self.facts.put_nowait(next(iter(self.waiting[experiment_id].values())))
