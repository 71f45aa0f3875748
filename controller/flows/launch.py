"""Scheduled attempts and stop requests → workloads started and stopped, at least once each; both are idempotent."""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import datetime

from controller.cluster import AttemptKey, Cluster, Launch
from controller.store.holding import Holding
from controller.store.ledger import Effect, Recorded
from controller.store.outbox import Outbox
from controller.telemetry.catalogue import NEXT_START
from events.clock import now
from events.facts import ExperimentConcluded, TrialConcluded, TrialScheduled, TrialStopRequested
from events.ids import ExperimentId


async def launch(cluster: Cluster, outbox: Outbox, holding: Holding, facts: "asyncio.Queue[Recorded]") -> None:
    """Do the effects of the shard in the order of their facts, what was left undone first."""
    for due in holding.due:
        if due.effect is not Effect.PUBLISH:
            facts.put_nowait(due.recorded)
    ended: dict[ExperimentId, datetime] = {}
    while True:
        waiting = [await facts.get()]
        while not facts.empty():
            waiting.append(facts.get_nowait())
        await _act(cluster, outbox, holding, waiting)
        _measure(waiting, ended)


def _measure(waiting: Iterable[Recorded], ended: dict[ExperimentId, datetime]) -> None:
    """From a trial's end to the start of the next; `ended`: since when experiments wait for one."""
    for one in waiting:
        number = one.envelope.experiment
        match one.fact:
            case TrialConcluded():
                ended[number] = one.envelope.at
            case TrialScheduled() if number in ended:
                NEXT_START.observe(max(0.0, (now() - ended.pop(number)).total_seconds()))
            case ExperimentConcluded():
                ended.pop(number, None)
            case _:
                pass


async def _act(cluster: Cluster, outbox: Outbox, holding: Holding, waiting: list[Recorded]) -> None:
    """What waits is done together; of one trial, a start before its stop."""
    starts = [one for one in waiting if isinstance(one.fact, TrialScheduled)]
    stops = [one for one in waiting if isinstance(one.fact, TrialStopRequested)]
    await _together(_start(cluster, holding, one) for one in starts)
    await _together(_stop(cluster, one) for one in stops)
    for effect, done in ((Effect.START, starts), (Effect.STOP, stops)):
        if done:
            await outbox.done(effect, [(one.envelope.experiment, one.seq) for one in done])


async def _together(acts: Iterable[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for act in acts:
            tasks.create_task(act)


async def _stop(cluster: Cluster, recorded: Recorded) -> None:
    fact = recorded.fact
    assert isinstance(fact, TrialStopRequested)
    await cluster.stop(AttemptKey(recorded.envelope.experiment, fact.trial, fact.attempt))


async def _start(cluster: Cluster, holding: Holding, recorded: Recorded) -> None:
    """A trial that was concluded meanwhile, or is at another attempt, needs no start."""
    fact = recorded.fact
    assert isinstance(fact, TrialScheduled)
    key = AttemptKey(recorded.envelope.experiment, fact.trial, fact.attempt)
    if holding.wants(key):
        assignment = holding.assignments[key.experiment, key.trial]
        await cluster.start(Launch.of(holding.experiments[key.experiment], key, assignment, holding.shard))
    holding.unstarted.discard(key)
