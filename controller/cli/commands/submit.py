"""`submit`: hand an experiment to the controllers."""

import asyncio
from pathlib import Path
from uuid import uuid4

import typer

from controller.cli.client import ControllerClient, open_client, require_controllers
from controller.cli.errors import CommandError, print_warning
from controller.cli.exits import ExitCode
from controller.cli.experiment_file import load_experiment, submission
from controller.cli.lookup import named
from controller.cli.options import DEFAULT_DATA, ExperimentFile, Kafka, Seed, Url, kafka_settings
from controller.core.experiment import Experiment
from controller.flows.admit import DifferentSpecError, continuation, examine
from controller.store.ledger import Ledger
from controller.store.warm_start import UnknownEarlierError
from events.ids import ExperimentId, shard_of
from events.spec.document import ExperimentDocument
from events.spec.experiment import ExperimentSpec


def submit(
    file: ExperimentFile,
    seed: Seed = None,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Hand an experiment to the controllers: the same file again resumes it, a larger maxTrialCount
    extends it."""
    document = load_experiment(file)
    for warning in document.warnings:
        print_warning(warning)
    experiment = asyncio.run(_submit(document, file.absolute().parent, seed, kafka, database))
    name = named(experiment)
    typer.echo(
        f"{experiment.identity.name} {experiment.progress.state.value}; watch it: "
        f"trialstream show {name}, trialstream subscribe --experiment {name}"
    )


async def _submit(
    document: ExperimentDocument,
    origin: Path,
    seed: int | None,
    kafka: str | None,
    database: str | None,
) -> Experiment:
    settings = kafka_settings(kafka)
    async with open_client(settings, DEFAULT_DATA, database) as client:
        known = await client.ledger.find(document.namespace, document.name)
        if known is None:
            await _require_earlier(client.ledger, document)
            await _send_new(client, document, origin, seed)
            await client.until(document.namespace, document.name, lambda there: there is not None)
            known = await client.ledger.find(document.namespace, document.name)
        else:
            require_controllers(document.name, known[1])
        assert known is not None
        try:
            requests = list(continuation(known[0], document.spec))
        except DifferentSpecError as error:
            raise CommandError(str(error), ExitCode.CONFLICT) from None
        await client.ask(known[0].identity.id, known[1], *requests)
        return known[0]


async def _require_earlier(ledger: Ledger, document: ExperimentDocument) -> None:
    """The controller would look for the earlier experiments, too, but could not tell anybody.

    Raises CommandError.
    """
    try:
        await examine(ledger, _accept, document.namespace, document.spec)
    except UnknownEarlierError as error:
        raise CommandError(str(error), ExitCode.INVALID) from None


async def _accept(_: str, spec: ExperimentSpec) -> ExperimentSpec:
    """Only the controllers know what can run where they are."""
    return spec


async def _send_new(
    client: ControllerClient, document: ExperimentDocument, origin: Path, seed: int | None
) -> None:
    shard = shard_of(document.namespace, document.name, client.bus.partitions)
    await client.ask(ExperimentId(uuid4()), shard, submission(document, origin, seed))
