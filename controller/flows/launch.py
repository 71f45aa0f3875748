"""Scheduled attempts and stop requests → workloads started and stopped, at least once each; both
are idempotent."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from controller.cluster import AttemptKey, Cluster, Launch
from controller.core.recorded import Effect, Recorded
from controller.store.holding import Holding
from controller.store.outbox import Outbox
from controller.telemetry.catalogue import NEXT_START
from events.backoff import Backoff
from events.clock import now
from events.facts import ExperimentConcluded, TrialConcluded, TrialScheduled, TrialStopRequested
from events.ids import ExperimentId

Result = TypeVar("Result")
RETRY_SECONDS = (1.0, 30.0)
"""Before the first and between later tries of starts that were postponed."""


async def launch(
    cluster: Cluster, outbox: Outbox, holding: Holding, facts: "asyncio.Queue[Recorded]"
) -> None:
    """Start and stop the attempts of the shard in the order of their facts, those left undone
    first."""
    for due in holding.due:
        if due.effect is not Effect.PUBLISH:
            facts.put_nowait(due.recorded)
    ended: dict[ExperimentId, datetime] = {}
    postponed: list[Recorded] = []
    backoff = Backoff(*RETRY_SECONDS)
    while True:
        waiting = await _next_facts(facts, backoff.next() if postponed else None)
        if waiting:
            backoff.reset()
        postponed = await _execute(cluster, outbox, holding, waiting or postponed) + (
            postponed if waiting else []
        )
        _observe_gaps(waiting, ended)


async def _next_facts(facts: "asyncio.Queue[Recorded]", seconds: float | None) -> list[Recorded]:
    """All facts that wait, at least one; none after `seconds`."""
    waiting: list[Recorded] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            waiting.append(await facts.get())
    while not facts.empty():
        waiting.append(facts.get_nowait())
    return waiting


def _observe_gaps(waiting: Iterable[Recorded], ended: dict[ExperimentId, datetime]) -> None:
    """Measure the time from a trial's end to the next start; `ended`: since when experiments
    wait."""
    for one in waiting:
        experiment_id = one.envelope.experiment
        match one.fact:
            case TrialConcluded():
                ended[experiment_id] = one.envelope.at
            case TrialScheduled() if experiment_id in ended:
                NEXT_START.observe(max(0.0, (now() - ended.pop(experiment_id)).total_seconds()))
            case ExperimentConcluded():
                ended.pop(experiment_id, None)
            case _:
                pass


async def _execute(
    cluster: Cluster, outbox: Outbox, holding: Holding, waiting: list[Recorded]
) -> list[Recorded]:
    """Do what waits, starts before stops; the result are starts that have to be tried again."""
    starts = [one for one in waiting if isinstance(one.fact, TrialScheduled)]
    stops = [one for one in waiting if isinstance(one.fact, TrialStopRequested)]
    begun = await _gather(_start(cluster, holding, one) for one in starts)
    await _gather(_stop(cluster, one) for one in stops)
    started = [one for one, done in zip(starts, begun, strict=True) if done]
    for effect, done in ((Effect.START, started), (Effect.STOP, stops)):
        if done:
            await outbox.done(effect, [(one.envelope.experiment, one.seq) for one in done])
    return [one for one, done in zip(starts, begun, strict=True) if not done]


async def _gather(calls: Iterable[Coroutine[None, None, Result]]) -> list[Result]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(call, name="start or stop") for call in calls]
    return [task.result() for task in running]


async def _stop(cluster: Cluster, recorded: Recorded) -> None:
    fact = recorded.fact
    assert isinstance(fact, TrialStopRequested)
    await cluster.stop(AttemptKey(recorded.envelope.experiment, fact.trial, fact.attempt))


async def _start(cluster: Cluster, holding: Holding, recorded: Recorded) -> bool:
    """True when done. A trial that was concluded meanwhile, or is at another attempt, needs no
    start."""
    fact = recorded.fact
    assert isinstance(fact, TrialScheduled)
    key = AttemptKey(recorded.envelope.experiment, fact.trial, fact.attempt)
    if holding.wants(key):
        assignment = holding.assignments[key.experiment, key.trial]
        if not await cluster.start(
            Launch.of(holding.experiments[key.experiment], key, assignment, holding.shard)
        ):
            return False
    holding.unstarted.discard(key)
    return True
