"""Levels beside edges: people's letters, the clock, and a comparison of what should run with what does."""

import asyncio
from uuid import uuid4

from controller.cluster import Cluster
from controller.store.holding import Holding
from controller.store.outbox import Mailbox
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.signals import TimePassed

LETTER_SECONDS = 0.5
COMPARE_EVERY = 20
"""Rounds between two comparisons with the cluster."""


async def sweep(cluster: Cluster, mailbox: Mailbox, bus: Bus, holding: Holding) -> None:
    """Look after the experiments of the shard, at once and then again and again."""
    await _tick(bus, holding, everyone=True)
    turn = 0
    while True:
        for experiment in list(holding.experiments):
            await send(bus, topics.SIGNALS, holding.shard, await mailbox.letters(experiment))
            if turn % COMPARE_EVERY == 0:
                await cluster.sweep(experiment, holding.expected(experiment), holding.wants)
        await _tick(bus, holding, everyone=False)
        await asyncio.sleep(LETTER_SECONDS)
        turn += 1


async def _tick(bus: Bus, holding: Holding, *, everyone: bool) -> None:
    """Say that time has passed: to each experiment at the start, then to those whose deadline has come."""
    at = now()
    for number, experiment in list(holding.experiments.items()):
        deadline = experiment.progress.deadline
        if everyone or (deadline is not None and at >= deadline):
            await send(bus, topics.SIGNALS, holding.shard, [Envelope(uuid4(), None, number, at, TimePassed())])
