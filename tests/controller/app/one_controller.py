"""One controller with one shard on a real Postgres, whose cluster and bus fail with one
experiment."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from controller.app.balancer import Balancer
from controller.app.components import open_components, simulated_problems
from controller.cluster import AttemptKey, Launch
from controller.cluster.simulated import Answer, Function, SimulatedCluster
from controller.core.experiment import Experiment, Identity
from controller.flows.admit import check_of
from controller.flows.observe import Source
from controller.store.journal import Journal, Journals
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements, Report
from controller.store.postgres import Database, open_database
from controller.suggestion.pool import open_pool
from events import topics
from events.bus import Record, RecordTooLargeError
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope, decode, send
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted
from events.spec.document import load
from events.spec.objective import Observation
from events.spec.space import Assignment
from tests.controller.flows.stage import Wanted, bowl
from tests.eventually import eventually_async

SHARD = Shard(0)
FAR_OFF = (3600.0, 3600.0)
"""Seconds until quarantines try again by themselves, if only a person's request is to help."""


def endless(assignment: Assignment) -> Answer:
    """A trial that runs until it is stopped."""
    return Answer((), seconds=1e6)


@dataclass
class Faults:
    """What fails with the one experiment, for as long as it is named here."""

    victim: ExperimentId
    failing: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    started: list[AttemptKey] = field(default_factory=list)
    ran: dict[AttemptKey, Assignment] = field(default_factory=dict)
    published: list[int] = field(default_factory=list)

    def meet(self, name: str, experiment: ExperimentId) -> None:
        if experiment == self.victim and name in self.failing:
            self.met.add(name)
            if name == "publish":
                raise RecordTooLargeError("a record is too large")
            raise TypeError(f"{name} is not possible")


class FaultyCluster(SimulatedCluster):
    faults: Faults

    async def start(self, launch: Launch) -> bool:
        self.faults.meet("start", launch.key.experiment)
        self.faults.started.append(launch.key)
        self.faults.ran.setdefault(launch.key, launch.assignment)
        return await super().start(launch)

    async def stop(self, key: AttemptKey) -> None:
        self.faults.meet("stop", key.experiment)
        if key.experiment == self.faults.victim and "lose stop" in self.faults.failing:
            self.faults.failing.discard("lose stop")
            return  # it was accepted, and forgotten in a crash
        await super().stop(key)

    async def forget(self, experiment: Identity) -> None:
        self.faults.meet("forget", experiment.id)
        if experiment.id == self.faults.victim and "forget for long" in self.faults.failing:
            self.faults.met.add("forget for long")
            await asyncio.Event().wait()
        await super().forget(experiment)

    async def sweep(
        self, experiment: Identity, expected: Collection[AttemptKey], wanted: Any
    ) -> None:
        self.faults.meet("sweep", experiment.id)
        await super().sweep(experiment, expected, wanted)


class FaultyBus(MemoryBus):
    faults: Faults

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            envelope = decode(record)
            if record.topic == topics.EVENTS:
                self.faults.meet("publish", envelope.experiment)
            elif envelope.body.type == "suggestions.made":
                self.faults.meet("suggest", envelope.experiment)
        await super().publish(records)
        for record in records:
            if record.topic == topics.EVENTS:
                envelope = decode(record)
                if envelope.experiment == self.faults.victim:
                    assert envelope.sequence is not None
                    self.faults.published.append(envelope.sequence)


class FaultyJournals(Journals):
    faults: Faults

    async def read(self, experiment: ExperimentId) -> Journal:
        self.faults.meet("journal", experiment)
        return await super().read(experiment)


class FaultyMeasurements(Measurements):
    faults: Faults

    async def store(self, shard: Shard, epoch: int, reports: Sequence[Report]) -> None:
        for key, _ in reports:
            self.faults.meet("store", key.experiment)
        await super().store(shard, epoch, reports)

    async def collected(
        self, shard: Shard, epoch: int, attempts: Collection[AttemptKey]
    ) -> dict[AttemptKey, Observation]:
        for key in attempts:
            self.faults.meet("summarize", key.experiment)
        return await super().collected(shard, epoch, attempts)


@dataclass
class Installation:
    """One controller with one shard."""

    database: Database
    bus: MemoryBus
    faults: Faults
    balancer: Balancer

    async def submit(self, wanted: Wanted, experiment: ExperimentId) -> None:
        document = load(wanted.text.encode())
        await self.tell(
            experiment,
            ExperimentSubmitted(
                name=document.name, namespace="default", spec=document.spec, seed=1
            ),
        )

    async def tell(self, experiment: ExperimentId, body: Any) -> None:
        told = Envelope(uuid4(), None, experiment, now(), body)
        await send(self.bus, topics.SIGNALS, SHARD, [told])

    async def done(self, name: str) -> Experiment:
        async def found() -> Experiment | None:
            known = await Ledger(self.database).find("default", name)
            return known[0] if known and known[0].done else None

        experiment = await eventually_async(found, f"{name} is done")
        assert experiment is not None
        return experiment

    async def holds(self, condition: str) -> None:
        async def asked() -> bool:
            row = await self.database.row(f"SELECT {condition} AS answer")
            return row is not None and bool(row["answer"])

        await eventually_async(asked, condition)


@asynccontextmanager
async def installation(
    url: str,
    victim: ExperimentId,
    function: Function = bowl,
    kind: type[FaultyBus] = FaultyBus,
) -> AsyncGenerator[Installation]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(url))
        bus, cluster, faults = kind(), FaultyCluster(function, pace=20.0), Faults(victim)
        bus.faults = cluster.faults = faults

        def follow(launch: Launch, *_: object) -> Source:
            faults.meet("follow", launch.key.experiment)
            return cluster.follow(launch)

        components = await stack.enter_async_context(
            open_components(
                database,
                bus,
                await stack.enter_async_context(open_pool()),
                cluster,
                follow,
                owner=str(uuid4()),
                check=check_of(simulated_problems),
            )
        )
        measurements, journals = FaultyMeasurements(database), FaultyJournals(database)
        measurements.faults = journals.faults = faults
        components = replace(components, measurements=measurements, journals=journals)
        leaving = asyncio.Event()
        balancer = Balancer(components, 1, leaving)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(balancer.run(), name="balancer")
            try:
                await eventually_async(lambda: _serving(balancer))
                yield Installation(database, bus, faults, balancer)
            finally:
                leaving.set()


async def _serving(balancer: Balancer) -> bool:
    return bool(balancer._holdings())
