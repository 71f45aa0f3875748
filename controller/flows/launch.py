"""Scheduled attempts and stop requests → workloads started and stopped, at least once each; both
are idempotent."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NoReturn

from controller.cluster import AttemptKey, Cluster, Launch
from controller.core.recorded import Effect, Recorded
from controller.store.holding import Holding
from controller.store.outbox import Outbox
from controller.telemetry.catalogue import NEXT_START
from events.backoff import Backoff
from events.clock import now
from events.facts import ExperimentConcluded, TrialConcluded, TrialScheduled, TrialStopRequested
from events.ids import ExperimentId

_FLOW = "launch"
RETRY_SECONDS = (1.0, 30.0)
"""Before the first and between later tries of a start that was postponed."""
LINGER_SECONDS = 0.03
"""Effects are done in quick succession: deleted together they cost one round trip to Postgres."""


async def launch(
    cluster: Cluster, outbox: Outbox, holding: Holding, facts: "asyncio.Queue[Recorded]"
) -> None:
    """Start and stop the attempts of the shard, those left undone first. None waits for another:
    a stop goes before all starts that take long."""
    for due in holding.due:
        if due.effect is not Effect.PUBLISH:
            facts.put_nowait(due.recorded)
    launcher = Launcher(cluster, outbox, holding, facts)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(launcher.delete_done(), name="delete effects that are done")
        while True:
            one = await facts.get()
            launcher.observe_gap(one)
            if isinstance(one.fact, TrialScheduled):
                tasks.create_task(launcher.start(one), name="start")
            elif isinstance(one.fact, TrialStopRequested):
                tasks.create_task(launcher.stop(one), name="stop")


@dataclass(slots=True)
class Launcher:
    """Starts and stops attempts; each of them is a task of its own."""

    cluster: Cluster
    outbox: Outbox
    holding: Holding
    facts: "asyncio.Queue[Recorded]"
    ended: dict[ExperimentId, datetime] = field(default_factory=dict)
    """Since when experiments wait for their next start."""
    done: "asyncio.Queue[tuple[Effect, Recorded]]" = field(default_factory=asyncio.Queue)

    async def start(self, one: Recorded) -> None:
        """Start the attempt, later if it cannot be done now; not while its experiment is in
        quarantine."""
        quarantine, experiment_id = self.holding.quarantine, one.envelope.experiment
        backoff = Backoff(*RETRY_SECONDS)
        while not quarantine.holds(experiment_id):
            with quarantine.isolating(experiment_id, _FLOW):
                if await self._start(one):
                    self.done.put_nowait((Effect.START, one))
                    return
                await asyncio.sleep(backoff.next())
        self._park(one)

    async def stop(self, one: Recorded) -> None:
        """Stop the attempt."""
        fact = one.fact
        assert isinstance(fact, TrialStopRequested)
        experiment_id = one.envelope.experiment
        with self.holding.quarantine.isolating(experiment_id, _FLOW):
            await self.cluster.stop(AttemptKey(experiment_id, fact.trial, fact.attempt))
            self.done.put_nowait((Effect.STOP, one))
            return
        self._park(one)

    async def _start(self, one: Recorded) -> bool:
        """True when done. A trial that was concluded meanwhile, or is at another attempt, needs no
        start."""
        fact, holding = one.fact, self.holding
        assert isinstance(fact, TrialScheduled)
        key = AttemptKey(one.envelope.experiment, fact.trial, fact.attempt)
        if holding.wants(key):
            assignment = holding.assignments[key.experiment, key.trial]
            experiment = holding.experiments[key.experiment]
            if not await self.cluster.start(Launch.of(experiment, key, assignment, holding.shard)):
                return False
        holding.unstarted.discard(key)
        return True

    def _park(self, one: Recorded) -> None:
        """Begin again when the experiment's quarantine is over."""
        go_on = partial(self.facts.put_nowait, one)
        self.holding.quarantine.park(one.envelope.experiment, go_on)

    async def delete_done(self) -> NoReturn:
        """Delete the effects that are done, those that come together with one statement."""
        while True:
            done = [await self.done.get()]
            await asyncio.sleep(LINGER_SECONDS)
            while not self.done.empty():
                done.append(self.done.get_nowait())
            for effect in (Effect.START, Effect.STOP):
                if of_one := [one for kind, one in done if kind is effect]:
                    places = [(one.envelope.experiment, one.seq) for one in of_one]
                    await self.outbox.done(effect, places)

    def observe_gap(self, one: Recorded) -> None:
        """Measure the time from a trial's end to the next start."""
        experiment_id = one.envelope.experiment
        match one.fact:
            case TrialConcluded():
                self.ended[experiment_id] = one.envelope.at
            case TrialScheduled() if experiment_id in self.ended:
                since = self.ended.pop(experiment_id)
                NEXT_START.observe(max(0.0, (now() - since).total_seconds()))
            case ExperimentConcluded():
                self.ended.pop(experiment_id, None)
            case _:
                pass
