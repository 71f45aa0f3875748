"""Quarantines → tried again when that is due, and written down for whoever shows them or owns the
shard next."""

from controller.store.holding import Holding
from controller.store.quarantine import Quarantines
from events.waiting import wait

LOOK_SECONDS = 0.5


async def isolate(quarantines: Quarantines, holding: Holding) -> None:
    """Keep the quarantine of the shard until cancelled."""
    quarantine = holding.quarantine
    while True:
        quarantine.changed.clear()
        quarantine.settle()
        if unsaved := quarantine.take_unsaved():
            await quarantines.save(holding.shard, holding.epoch, unsaved)
        await wait(quarantine.changed, LOOK_SECONDS)
