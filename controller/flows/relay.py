"""Facts → the public stream, in order, at least once; after its last fact a deleted experiment is
removed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from controller.core.recorded import Effect, Recorded
from controller.store.holding import Holding
from controller.store.outbox import Outbox
from events import topics
from events.bus import Bus
from events.envelope import send
from events.facts import ExperimentDeleted
from events.ids import ExperimentId

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
    while True:
        waiting = [await facts.get()]
        await asyncio.sleep(LINGER_SECONDS)
        while not facts.empty() and len(waiting) < BATCH:
            waiting.append(facts.get_nowait())
        await _publish(bus, outbox, holding, waiting)
        for one in waiting:
            if isinstance(one.fact, ExperimentDeleted):
                await forget(one.envelope.experiment)


async def _publish(bus: Bus, outbox: Outbox, holding: Holding, waiting: Sequence[Recorded]) -> None:
    """Publish; a deletion stays in the outbox until the whole experiment is removed."""
    await send(bus, topics.EVENTS, holding.shard, [one.envelope for one in waiting])
    done = [
        (one.envelope.experiment, one.seq)
        for one in waiting
        if not isinstance(one.fact, ExperimentDeleted)
    ]
    await outbox.done(Effect.PUBLISH, done)
