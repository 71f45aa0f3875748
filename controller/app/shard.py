"""The flows of one shard, from taking it over to giving it up."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from controller.app.components import Components
from controller.cluster import Event
from controller.core.recorded import Recorded
from controller.flows.intake import intake
from controller.flows.isolate import isolate
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
"""Errors that pass by themselves or when a person acts: no database, no broker, a full disk."""
Flow = Coroutine[Any, Any, None]
Alongside = Callable[[Holding, asyncio.Event], Coroutine[Any, Any, None]]


class FactFanOut:
    """Gives each committed fact to every subscription, in order, and to the `listeners`.

    `changed` is set whenever there are any.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.listeners: list[Callable[[Sequence[Recorded]], None]] = []
        self._subscriptions: list[asyncio.Queue[Recorded]] = []

    def subscribe(self) -> "asyncio.Queue[Recorded]":
        """A queue of all facts that are published from now on."""
        queue: asyncio.Queue[Recorded] = asyncio.Queue()
        self._subscriptions.append(queue)
        return queue

    def publish(self, recorded: Sequence[Recorded]) -> None:
        for queue in self._subscriptions:
            for one in recorded:
                queue.put_nowait(one)
        for listener in self.listeners:
            listener(recorded)
        self.changed.set()


async def serve(
    components: Components, shard: Shard, epoch: int, alongside: Alongside | None = None
) -> None:
    """Run the flows of a shard that we own, until cancelled. Raises what the flows raise.

    `alongside` runs beside them; the event is set whenever something has been committed.
    """
    holding = await load(components.ledger, components.outbox, shard, epoch)
    holding.quarantine = await components.quarantines.load(shard)
    facts = FactFanOut()
    with ExitStack() as stack:
        events = stack.enter_context(components.dispatcher.subscribe(holding))
        if (reconciler := components.reconciler) is not None:
            stack.enter_context(reconciler.serving(holding))
            facts.listeners.append(reconciler.handle_facts)
        async with asyncio.TaskGroup() as tasks:
            for name, flow in _flows(components, holding, facts, events).items():
                tasks.create_task(_run(name, shard, flow), name=f"{name} of shard {shard}")
            if alongside is not None:
                tasks.create_task(
                    alongside(holding, facts.changed), name=f"alongside shard {shard}"
                )


def _flows(
    components: Components, holding: Holding, facts: FactFanOut, events: "asyncio.Queue[Event]"
) -> dict[str, Flow]:
    """The flows by name, not yet started."""
    bus, positions = components.bus, components.positions
    sweeper = Sweeper(
        components.cluster,
        components.ledger,
        bus,
        components.mailbox,
        components.dead_letters,
        holding,
        components.clocks.budget,
    )
    return {
        "propose": propose(bus, components.journals, components.pool, holding, facts.subscribe()),
        "launch": launch(components.cluster, components.outbox, holding, facts.subscribe()),
        "judge": judge(bus, components.measurements, positions, holding, facts.subscribe()),
        "relay": relay(bus, components.outbox, holding, components.forget, facts.subscribe()),
        "observe": observe(
            events,
            components.follow,
            bus,
            holding,
            partial(components.measurements.last_steps, holding.shard, holding.epoch),
        ),
        "intake": intake(
            bus,
            components.ledger,
            positions,
            holding,
            components.check,
            facts.publish,
            components.clocks,
        ),
        "sweep": sweeper.sweep(),
        "isolate": isolate(components.quarantines, holding),
    }


async def _run(name: str, shard: Shard, flow: Flow) -> None:
    """Run a flow, which ends only by an error or a cancellation. Raises RuntimeError if it
    returns."""
    await flow
    raise RuntimeError(
        f"the flow {name!r} of shard {shard} has ended; it should run until cancelled"
    )


def reason(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that decides what to do: a fault of the program first, then fencing, then an
    outage."""
    leaves: list[BaseException] = []
    for one in group.exceptions:
        leaves += [reason(one)] if isinstance(one, BaseExceptionGroup) else [one]
    leaves.sort(key=lambda error: isinstance(error, PASSING) * 2 + isinstance(error, FencedError))
    return leaves[0]
