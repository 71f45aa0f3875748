"""The flows of one shard, from taking it over to giving it up."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from controller.app.components import Components
from controller.core.recorded import Recorded
from controller.flows.intake import intake
from controller.flows.judge import judge
from controller.flows.launch import launch
from controller.flows.observe import observe
from controller.flows.propose import propose
from controller.flows.relay import relay
from controller.flows.sweep import Sweeper
from controller.store import FencedError, StoreRefusedError, StoreUnavailableError
from controller.store.holding import Holding, load
from events.bus import BusRefusedError, BusUnavailableError
from events.ids import Shard

PASSING = (StoreUnavailableError, StoreRefusedError, BusUnavailableError, BusRefusedError, OSError)
"""What may pass by itself, or once a person has mended it: no database, no broker, no supervisor, a full disk."""
Alongside = Callable[[Holding, asyncio.Event], Coroutine[Any, Any, None]]


async def serve(components: Components, shard: Shard, epoch: int, alongside: Alongside | None = None) -> None:
    """Run the flows of a shard that we own, until cancelled. Raises what the flows raise.

    `alongside` runs beside them; the event is set whenever something has been committed.
    """
    holding = await load(components.ledger, components.outbox, shard, epoch)
    queues: list[asyncio.Queue[Recorded]] = [asyncio.Queue() for _ in range(4)]
    changed = asyncio.Event()

    def committed(recorded: Sequence[Recorded]) -> None:
        for queue in queues:
            for one in recorded:
                queue.put_nowait(one)
        changed.set()

    sweeper = Sweeper(
        components.cluster, components.ledger, components.bus, components.mailbox, components.dead_letters, holding
    )
    bus = components.bus
    with components.dispatcher.subscribe(holding) as events:
        async with asyncio.TaskGroup() as flows:
            flows.create_task(propose(bus, components.journals, components.pool, holding, queues[0]))
            flows.create_task(launch(components.cluster, components.outbox, holding, queues[1]))
            flows.create_task(judge(bus, components.measurements, components.positions, holding, queues[2]))
            flows.create_task(relay(bus, components.outbox, holding, components.forget, queues[3]))
            flows.create_task(observe(events, components.follow, bus, holding))
            flows.create_task(
                intake(bus, components.ledger, components.positions, holding, components.check, committed)
            )
            flows.create_task(sweeper.sweep())
            if components.reconcile is not None:
                flows.create_task(components.reconcile(holding))
            if alongside is not None:
                flows.create_task(alongside(holding, changed))


def reason(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that says what to do: being fenced or a fault of ours before an outage."""
    leaves: list[BaseException] = []
    for one in group.exceptions:
        leaves += [reason(one)] if isinstance(one, BaseExceptionGroup) else [one]
    leaves.sort(key=lambda error: isinstance(error, PASSING) * 2 + isinstance(error, FencedError))
    return leaves[0]
