"""`submit`, `pause`, `resume`, and what `stop` and `delete` do with an experiment of controllers: ask through Kafka."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from controller.app.solo import at_rest
from controller.cli.commands.check import checked
from controller.cli.commands.run import File
from controller.cli.errors import CommandError, warn
from controller.cli.exits import Exit
from controller.cli.options import (
    DEFAULT_DATA,
    DEFAULT_NAMESPACE,
    Kafka,
    Name,
    Namespace,
    Url,
    full_name,
    kafka_settings,
    open_store,
)
from controller.core.experiment import Experiment
from controller.flows.admit import DifferentSpecError, continuation, examine
from controller.store.ledger import FIRST_EMBEDDED_SHARD, Ledger
from controller.store.warm_start import UnknownEarlierError
from controller.views import words
from events import topics
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus
from events.clock import now
from events.envelope import Envelope, send
from events.ids import ExperimentId, Shard, shard_of
from events.signals import (
    DeletionRequested,
    ExperimentSubmitted,
    PauseRequested,
    ResumeRequested,
    Signal,
    StopRequested,
)
from events.spec.document import ExperimentDocument
from events.spec.experiment import ExperimentSpec

ANSWER_SECONDS = 30.0
"""How long a command waits for a controller to act; the request waits in Kafka as long as that keeps it."""
LOOK_SECONDS = 0.2
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of the search, unless the file has one.")]


@dataclass(frozen=True, slots=True)
class ControllerClient:
    """Where requests are handed in, and where one sees what became of them."""

    bus: KafkaBus
    ledger: Ledger

    async def ask(self, experiment: ExperimentId, shard: Shard, *signals: Signal) -> None:
        """Send requests to the owner of the experiment, in order."""
        envelopes = [Envelope(uuid4(), None, experiment, now(), signal) for signal in signals]
        await send(self.bus, topics.SIGNALS, shard, envelopes)

    async def until(self, namespace: str, name: str, settled: Callable[[Experiment | None], bool]) -> Experiment | None:
        """Look until it is so. Raises CommandError if no controller has made it so in ANSWER_SECONDS."""
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
                f"no controller has acted on it within {ANSWER_SECONDS:.0f} s; the request waits in Kafka until one "
                "does. Is one running? Start it with: trialstream controller",
                Exit.FAILED,
            ) from None


@asynccontextmanager
async def open_client(settings: KafkaSettings, data: Path, database: str | None) -> AsyncGenerator[ControllerClient]:
    async with open_store(data, database) as store, open_bus(settings) as bus:
        yield ControllerClient(bus, Ledger(store))


def submit(
    file: File,
    seed: Seed = None,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Hand an experiment to the controllers: the same file again resumes it, a larger maxTrialCount extends it."""
    document = checked(file.read_bytes(), file.absolute().parent)
    for warning in document.warnings:
        warn(warning)
    experiment = asyncio.run(_submit(document, file.absolute().parent, seed, kafka, database))
    name = experiment.identity.name
    typer.echo(
        f"{name} {experiment.progress.state.value}; watch it: trialstream show {name}, "
        f"trialstream subscribe --experiment {name}"
    )


async def _submit(
    document: ExperimentDocument, origin: Path, seed: int | None, kafka: str | None, database: str | None
) -> Experiment:
    settings = kafka_settings(kafka)
    async with open_client(settings, DEFAULT_DATA, database) as client:
        known = await client.ledger.find(document.namespace, document.name)
        if known is None:
            await _must_know_earlier(client.ledger, document)
            await _send_new(client, document, origin, seed)
            await client.until(document.namespace, document.name, lambda there: there is not None)
            known = await client.ledger.find(document.namespace, document.name)
        else:
            _must_be_of_controllers(document.name, known[1])
        assert known is not None
        try:
            requests = list(continuation(known[0], document.spec))
        except DifferentSpecError as error:
            raise CommandError(str(error), Exit.CONFLICT) from None
        await client.ask(known[0].identity.id, known[1], *requests)
        return known[0]


async def _must_know_earlier(ledger: Ledger, document: ExperimentDocument) -> None:
    """The controller would look for the earlier experiments, too, but could tell nobody."""
    try:
        await examine(ledger, _anything, document.namespace, document.spec)
    except UnknownEarlierError as error:
        raise CommandError(str(error), Exit.INVALID) from None


def _anything(_: ExperimentSpec) -> tuple[()]:
    """Only the controllers know what can run where they are."""
    return ()


async def _send_new(client: ControllerClient, document: ExperimentDocument, origin: Path, seed: int | None) -> None:
    chosen = document.spec.seed if document.spec.seed is not None else seed
    submitted = ExperimentSubmitted(
        name=document.name,
        namespace=document.namespace,
        spec=document.spec,
        seed=secrets.randbits(32) if chosen is None else chosen,
        origin=str(origin),
    )
    await client.ask(
        ExperimentId(uuid4()), shard_of(document.namespace, document.name, client.bus.partitions), submitted
    )


def pause(name: Name, namespace: Namespace = DEFAULT_NAMESPACE, kafka: Kafka = None, database: Url = None) -> None:
    """Pause an experiment of the controllers: its running trials are stopped and run anew when it is resumed."""
    _tell(asyncio.run(request(name, namespace, PauseRequested(), at_rest, kafka_settings(kafka), database)))


def resume(name: Name, namespace: Namespace = DEFAULT_NAMESPACE, kafka: Kafka = None, database: Url = None) -> None:
    """Resume a paused or stopped experiment of the controllers."""

    def goes_on(experiment: Experiment) -> bool:
        return experiment.active or (experiment.done and experiment.unspent == 0)

    _tell(asyncio.run(request(name, namespace, ResumeRequested(), goes_on, kafka_settings(kafka), database)))


async def request(
    name: str,
    namespace: str,
    signal: Signal,
    settled: Callable[[Experiment], bool],
    settings: KafkaSettings,
    database: str | None,
) -> Experiment:
    """Ask the controllers, and wait until they have done it; the experiment as it then was, or was at last."""
    where = full_name(name, namespace)
    async with open_client(settings, DEFAULT_DATA, database) as client:
        known = await client.ledger.find(*where)
        if known is None:
            raise CommandError(
                f"there is no experiment {name!r} in namespace {where[0]!r}; see: trialstream list", Exit.NOT_FOUND
            )
        experiment, shard = known
        _must_be_of_controllers(name, shard)
        if isinstance(signal, DeletionRequested) or not settled(experiment):
            await client.ask(experiment.identity.id, shard, signal)
        number = experiment.identity.id
        after = await client.until(*where, lambda there: there is None or there.identity.id != number or settled(there))
        return after or experiment


def of_controllers(name: str, namespace: str, data: Path, database: str | None) -> bool:
    """Is it an experiment of the controllers, and not of a `run`?"""

    async def look() -> bool:
        async with open_store(data, database) as store:
            known = await Ledger(store).find(*full_name(name, namespace))
            return known is None or known[1] < FIRST_EMBEDDED_SHARD

    return asyncio.run(look())


def stop_remotely(name: str, namespace: str, settings: KafkaSettings, database: str | None) -> Experiment:
    """As the command `stop`, for an experiment of controllers."""
    return asyncio.run(request(name, namespace, StopRequested(), lambda there: there.done, settings, database))


def delete_remotely(name: str, namespace: str, settings: KafkaSettings, database: str | None) -> None:
    """As the command `delete`, for an experiment of controllers."""
    asyncio.run(request(name, namespace, DeletionRequested(), lambda _: False, settings, database))


def _must_be_of_controllers(name: str, shard: Shard) -> None:
    if shard >= FIRST_EMBEDDED_SHARD:
        raise CommandError(
            f"{name!r} was started with `trialstream run` and belongs to that; resume it with run, stop or delete it, "
            "or use another name",
            Exit.CONFLICT,
        )


def _tell(experiment: Experiment) -> None:
    done = words.count(experiment.progress.counts.concluded, "trial")
    typer.echo(f"{experiment.identity.name} {experiment.progress.state.value} after {done}")
