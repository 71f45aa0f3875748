"""Several controllers on one Kafka and one Postgres, with simulated trials, in this process."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4
from zlib import crc32

from controller.app.balancer import Balancer
from controller.app.components import open_components, simulated_problems
from controller.cluster.simulated import Function, SimulatedCluster
from controller.core.experiment import Experiment
from controller.flows.admit import check_of
from controller.store.ledger import Ledger
from controller.store.postgres import Database, open_database
from controller.suggestion.pool import open_pool
from events import topics
from events.bus import Record
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus
from events.clock import now
from events.envelope import Envelope, send
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted, Signal
from events.spec.document import load
from events.spec.space import Assignment
from tests.controller.flows.stage import Wanted, bowl
from tests.eventually import eventually_async

PATIENCE = 180.0


@dataclass(slots=True)
class Controller:
    """One controller; `leave` hands its shards over, `vanish` ends it without a word."""

    control: Balancer
    task: "asyncio.Task[None]"
    stack: AsyncExitStack

    @property
    def shards(self) -> set[Shard]:
        return set(self.control.owned)

    async def leave(self) -> None:
        self.control.leaving.set()
        await asyncio.wait({self.task})
        await self.stack.aclose()


@dataclass(slots=True)
class Town:
    """What the controllers share, and a client's way to them."""

    url: str
    settings: KafkaSettings
    database: Database
    bus: KafkaBus
    function: Function = bowl
    pace: float | None = None
    controllers: list[Controller] = field(default_factory=list)

    async def open_controller(self) -> Controller:
        """One more controller, at work."""
        stack = AsyncExitStack()
        database = await stack.enter_async_context(open_database(self.url, size=6))
        bus = await stack.enter_async_context(open_bus(self.settings))
        pool = await stack.enter_async_context(open_pool())
        cluster = SimulatedCluster(self.function, pace=self.pace)
        wired = await stack.enter_async_context(
            open_components(
                database,
                bus,
                pool,
                cluster,
                cluster.follow,
                owner=str(uuid4()),
                check=check_of(simulated_problems),
                clock=cluster.time,
            )
        )
        control = Balancer(wired, bus.partitions, asyncio.Event())
        controller = Controller(
            control, asyncio.get_running_loop().create_task(control.run()), stack
        )
        self.controllers.append(controller)
        return controller

    async def submit(self, wanted: Wanted, number: UUID | None = None) -> ExperimentId:
        """Hand an experiment in as any client of Kafka may."""
        document = load(wanted.text.encode())
        submitted = ExperimentSubmitted(
            name=document.name, namespace="default", spec=document.spec, seed=1
        )
        experiment = ExperimentId(number or uuid4())
        shard = Shard(crc32(document.name.encode()) % self.bus.partitions)
        await send(
            self.bus,
            topics.SIGNALS,
            shard,
            [Envelope(experiment, None, experiment, now(), submitted)],
        )
        await self.until(lambda known: known is not None, document.name)
        return experiment

    async def ask(self, name: str, *signals: Signal, again: int = 1) -> None:
        """Requests to the owner of an experiment; `again`: how often each record is written."""
        known = await Ledger(self.database).find("default", name)
        assert known is not None
        number = known[0].identity.id
        letters = [Envelope(uuid4(), None, number, now(), signal) for signal in signals]
        for letter in letters:
            await send(self.bus, topics.SIGNALS, known[1], [letter] * again)

    async def publish(self, *records: Record) -> None:
        await self.bus.publish(records)

    async def until(
        self, settled: Callable[[Experiment | None], bool], name: str
    ) -> Experiment | None:
        async def seen() -> list[Experiment | None]:
            known = await Ledger(self.database).find("default", name)
            experiment = known[0] if known else None
            return [experiment] if settled(experiment) else []

        (experiment,) = await eventually_async(seen, name, within=PATIENCE)
        return experiment

    async def done(self, name: str) -> Experiment:
        found = await self.until(lambda known: known is not None and known.done, name)
        assert found is not None
        await self.quiet()
        return found

    async def quiet(self) -> None:
        """Wait until every effect is done."""
        await self.holds("NOT EXISTS (SELECT FROM outbox)")

    async def holds(self, condition: str) -> None:
        """Wait until a condition in SQL is true."""

        async def asked() -> bool:
            return bool((await self.database.fetch(f"SELECT {condition} AS yes"))[0]["yes"])

        await eventually_async(asked, condition)

    async def assignments(self, name: str) -> Sequence[Assignment]:
        rows = await self.database.fetch(
            "SELECT assignment FROM trial WHERE experiment = (SELECT id FROM experiment WHERE "
            "name = $1) "
            "ORDER BY number",
            name,
        )
        return [row["assignment"] for row in rows]

    async def facts(self, name: str) -> list[tuple[int, UUID, str]]:
        rows = await self.database.fetch(
            "SELECT seq, id, type FROM fact WHERE experiment = (SELECT id FROM experiment WHERE "
            "name = $1) "
            "ORDER BY seq",
            name,
        )
        return [(row["seq"], row["id"], row["type"]) for row in rows]


@asynccontextmanager
async def town(
    url: str,
    settings: KafkaSettings,
    count: int = 1,
    *,
    function: Function = bowl,
    pace: float | None = None,
) -> AsyncGenerator[Town]:
    """`count` controllers at work; all have left at the end."""
    async with open_database(url) as database, open_bus(settings) as bus:
        opened = Town(url, settings, database, bus, function, pace)
        try:
            for _ in range(count):
                await opened.open_controller()
            yield opened
        finally:
            for controller in opened.controllers:
                await controller.leave()
        for controller in opened.controllers:
            controller.task.result()
