"""Scheduled attempts and stop requests → workloads started and stopped, at least once each; both are idempotent."""

import asyncio

from controller.cluster import AttemptKey, Cluster, Launch
from controller.store.holding import Holding
from controller.store.ledger import Effect, Recorded
from controller.store.outbox import Outbox
from events.facts import TrialScheduled, TrialStopRequested
from events.ids import ExperimentId


async def launch(cluster: Cluster, outbox: Outbox, holding: Holding, facts: "asyncio.Queue[Recorded]") -> None:
    """Do the effects of the shard in the order of their facts, what was left undone first."""
    for due in holding.due:
        if due.effect is not Effect.PUBLISH:
            facts.put_nowait(due.recorded)
    while True:
        waiting = [await facts.get()]
        while not facts.empty():
            waiting.append(facts.get_nowait())
        await _act(cluster, outbox, holding, waiting)


async def _act(cluster: Cluster, outbox: Outbox, holding: Holding, waiting: list[Recorded]) -> None:
    started: list[tuple[ExperimentId, int]] = []
    stopped: list[tuple[ExperimentId, int]] = []
    for recorded in waiting:
        experiment = recorded.envelope.experiment
        match recorded.fact:
            case TrialScheduled(trial=trial, attempt=attempt):
                key = AttemptKey(experiment, trial, attempt)
                await _start(cluster, holding, key)
                holding.unstarted.discard(key)
                started.append((experiment, recorded.seq))
            case TrialStopRequested(trial=trial, attempt=attempt):
                await cluster.stop(AttemptKey(experiment, trial, attempt))
                stopped.append((experiment, recorded.seq))
            case _:
                pass
    if started:
        await outbox.done(Effect.START, started)
    if stopped:
        await outbox.done(Effect.STOP, stopped)


async def _start(cluster: Cluster, holding: Holding, key: AttemptKey) -> None:
    """A trial that was concluded meanwhile, or is at another attempt, needs no start."""
    experiment = holding.experiments[key.experiment]
    trial = experiment.progress.live.get(key.trial)
    if trial is None or trial.attempt != key.attempt:
        return
    identity = experiment.identity
    assignment = holding.assignments[key.experiment, key.trial]
    await cluster.start(Launch(key, identity.name, identity.namespace, identity.spec, assignment, identity.origin))
