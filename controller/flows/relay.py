"""Facts → the public stream, in order, at least once."""

import asyncio
from dataclasses import replace

from controller.store.holding import Holding
from controller.store.ledger import Effect, Recorded
from controller.store.outbox import Outbox
from events import topics
from events.bus import Bus
from events.envelope import send

BATCH = 1_000
LINGER_SECONDS = 0.03
"""Facts come in quick succession: published together they cost one round trip to Postgres, not one each."""


async def relay(bus: Bus, outbox: Outbox, holding: Holding, facts: "asyncio.Queue[Recorded]") -> None:
    """Publish the facts of the shard, what was left undone first; a fact is forgotten once it is out."""
    for due in holding.due:
        if due.effect is Effect.PUBLISH:
            facts.put_nowait(due.recorded)
    while True:
        waiting = [await facts.get()]
        await asyncio.sleep(LINGER_SECONDS)
        while not facts.empty() and len(waiting) < BATCH:
            waiting.append(facts.get_nowait())
        await send(bus, topics.EVENTS, holding.shard, [replace(one.envelope, sequence=one.seq) for one in waiting])
        await outbox.done(Effect.PUBLISH, [(one.envelope.experiment, one.seq) for one in waiting])
