"""A shard in the hands of its owner: signals and measurements go in, and what became of them is in
a real Postgres."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from controller.app.components import simulated_problems
from controller.flows.admit import check_of
from controller.flows.intake import Clocks, intake
from controller.flows.judge import judge
from controller.store.holding import Holding, load
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements
from controller.store.outbox import Outbox
from controller.store.positions import Positions
from controller.store.postgres import Database
from events.bus import Record
from events.bus.memory import MemoryBus
from events.envelope import Body, Envelope, UnencodedRecord
from events.ids import ExperimentId
from tests.controller.histories import START, Author, admitted, opened, text
from tests.eventually import eventually_async


@dataclass(slots=True)
class Owner:
    """Decides on the signals of one shard and stores its measurements."""

    database: Database
    author: Author
    bus: MemoryBus
    holding: Holding
    flows: set[asyncio.Task[None]]

    async def publish(self, topic: str, *records: Record) -> None:
        await self.bus.publish(list(records))

    def envelope(
        self, body: Body, at: datetime = START, experiment: ExperimentId | None = None
    ) -> Envelope:
        """A message about the experiment, or another one."""
        return Envelope(uuid4(), None, experiment or self.author.id, at, body)

    async def tell(self, topic: str, *envelopes: Envelope) -> None:
        """Publish them together as they are, without reading them first."""
        await self.bus.publish(
            [UnencodedRecord(one, topic, self.holding.shard) for one in envelopes]
        )

    async def reasons(self, count: int) -> Sequence[str]:
        """Why records were put aside, once there are `count`."""

        async def kept() -> list[str]:
            rows = await self.database.fetch(
                "SELECT reason FROM dead_letter WHERE shard = $1 ORDER BY topic, place",
                self.holding.shard,
            )
            return [row["reason"] for row in rows] if len(rows) >= count else []

        return await eventually_async(kept, f"{count} dead letters")

    async def holds(self, condition: str, *values: Any) -> None:
        """Wait until a condition is true in Postgres."""

        async def asked() -> bool:
            for flow in self.flows:
                if flow.done():
                    flow.result()  # what ended it
            row = await self.database.row(f"SELECT {condition} AS answer", *values)
            return row is not None and bool(row["answer"])

        await eventually_async(asked, condition)


@asynccontextmanager
async def owning(
    url: str, name: str, kind: type[Ledger] = Ledger, **fields: Any
) -> AsyncGenerator[Owner]:
    """The owner of a shard with one experiment, whose flows run."""
    async with opened(url) as (database, leases):
        author = await admitted(database, leases, text(name, **fields))
        ledger, positions, bus = kind(database), Positions(database), MemoryBus()
        bus.durable = True
        shard, epoch = author._shard, author._epoch
        holding = await load(ledger, Outbox(database), shard, epoch)
        deciding = intake(
            bus,
            ledger,
            positions,
            holding,
            check_of(simulated_problems),
            lambda _: None,
            Clocks(),
        )
        judging = judge(bus, Measurements(database), positions, holding, asyncio.Queue())
        loop = asyncio.get_running_loop()
        flows = {loop.create_task(deciding, name="intake"), loop.create_task(judging, name="judge")}
        try:
            yield Owner(database, author, bus, holding, flows)
            assert not [flow for flow in flows if flow.done()]
        finally:
            for flow in flows:
                flow.cancel()
            await asyncio.wait(flows)
