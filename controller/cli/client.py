"""Send requests to the controllers through Kafka, and see in Postgres what becomes of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.options import DEFAULT_DATA, full_name, open_store
from controller.core.experiment import Experiment
from controller.store.ledger import FIRST_EMBEDDED_SHARD, Ledger
from events import topics
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus
from events.clock import now
from events.envelope import Envelope, send
from events.ids import ExperimentId, Shard
from events.signals import DeletionRequested, ResumeRequested, Signal

ANSWER_SECONDS = 30.0
"""How long a command waits for a controller to act; the request waits in Kafka as long as that
keeps it."""
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ControllerClient:
    """Where requests are handed in, and where one sees what became of them."""

    bus: KafkaBus
    ledger: Ledger

    async def ask(self, experiment: ExperimentId, shard: Shard, *signals: Signal) -> None:
        """Send requests to the owner of the experiment, in order."""
        envelopes = [Envelope(uuid4(), None, experiment, now(), signal) for signal in signals]
        await send(self.bus, topics.SIGNALS, shard, envelopes)

    async def until(
        self, namespace: str, name: str, settled: Callable[[Experiment | None], bool]
    ) -> Experiment | None:
        """Wait until `settled` holds for the experiment (None if there is none of this name), and
        return it.

        Raises CommandError if it does not hold within ANSWER_SECONDS.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    known = await self.ledger.find(namespace, name)
                    experiment = known[0] if known else None
                    if settled(experiment):
                        return experiment
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise CommandError(
                f"no controller has acted on it within {ANSWER_SECONDS:.0f} s; the request waits "
                "in Kafka until one does. Is one running? Start it with: trialstream controller",
                ExitCode.FAILED,
            ) from None


@asynccontextmanager
async def open_client(
    settings: KafkaSettings, data: Path, database: str | None
) -> AsyncGenerator[ControllerClient]:
    """A client, for as long as the block lasts."""
    async with open_store(data, database) as store, open_bus(settings) as bus:
        yield ControllerClient(bus, Ledger(store))


async def request(
    name: str,
    namespace: str,
    signal: Signal,
    settled: Callable[[Experiment], bool],
    settings: KafkaSettings,
    database: str | None,
) -> Experiment:
    """Ask the controllers, and wait until `settled` holds; the experiment as it then was, or before
    it was deleted."""
    where = full_name(name, namespace)
    async with open_client(settings, DEFAULT_DATA, database) as client:
        known = await client.ledger.find(*where)
        if known is None:
            raise CommandError(
                f"there is no experiment {name!r} in namespace {where[0]!r}; see: trialstream list",
                ExitCode.NOT_FOUND,
            )
        experiment, shard = known
        require_controllers(name, shard)
        always = isinstance(signal, DeletionRequested | ResumeRequested)  # it may be in quarantine
        if always or not settled(experiment):
            await client.ask(experiment.identity.id, shard, signal)
        wanted = experiment.identity.id
        after = await client.until(
            *where, lambda there: there is None or there.identity.id != wanted or settled(there)
        )
        return after or experiment


def of_controllers(name: str, namespace: str, data: Path, database: str | None) -> bool:
    """Does the experiment belong to the controllers, and not to a `run`?

    Yes, too, if there is none of this name.
    """

    async def look() -> bool:
        async with open_store(data, database) as store:
            known = await Ledger(store).find(*full_name(name, namespace))
            return known is None or known[1] < FIRST_EMBEDDED_SHARD

    return asyncio.run(look())


def require_controllers(name: str, shard: Shard) -> None:
    """Raises CommandError if the experiment in this shard belongs to a `run`."""
    if shard >= FIRST_EMBEDDED_SHARD:
        raise CommandError(
            f"{name!r} was started with `trialstream run` and belongs to that; resume it with run, "
            "stop or delete it, or use another name",
            ExitCode.CONFLICT,
        )
