"""`stop` and `delete`: end an experiment and its running trials; forget it."""

import asyncio
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from controller.app.components import Components
from controller.cli.commands.submit import delete_remotely, of_controllers, stop_remotely
from controller.cli.errors import CommandError
from controller.cli.exits import Exit
from controller.cli.lookup import the_experiment
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Kafka, Name, Namespace, Url, read_settings
from controller.cli.session import Session, open_local_components
from controller.cluster.local.cluster import LocalCluster
from controller.core.experiment import Experiment
from controller.store.queries import Queries
from controller.views import words
from events.clock import now
from events.ids import Shard
from events.signals import StopRequested


def stop(
    name: Name,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Stop an experiment and its running trials. `run`, or `resume`, continues with what is left."""
    shared = read_settings(database, kafka).kafka
    if shared is None or not of_controllers(name, namespace, data, database):
        experiment = asyncio.run(_stop(name, namespace, data, database))
    else:
        experiment = stop_remotely(name, namespace, shared, database)
    done = words.count(experiment.progress.counts.concluded, "trial")
    typer.echo(f"{experiment.identity.name} {experiment.progress.state.value} after {done}")


def delete(
    name: Name,
    namespace: Namespace = DEFAULT_NAMESPACE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data: Data = DEFAULT_DATA,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Delete an experiment: its trials, metrics, events and logs. What still runs is stopped first."""
    if not yes:
        typer.confirm(f"Delete {name} with all its trials, metrics and logs?", abort=True)
    shared = read_settings(database, kafka).kafka
    if shared is None or not of_controllers(name, namespace, data, database):
        asyncio.run(_delete(name, namespace, data, database))
    else:
        delete_remotely(name, namespace, shared, database)
    typer.echo(f"{name} deleted")


async def _stop(name: str, namespace: str, data: Path, database: str | None) -> Experiment:
    async with open_local_components(data, database) as (components, cluster):
        experiment, _ = await _ended(components, cluster, name, namespace)
        return experiment


async def _delete(name: str, namespace: str, data: Path, database: str | None) -> None:
    async with open_local_components(data, database) as (components, cluster):
        experiment, shard = await _ended(components, cluster, name, namespace)
        while await components.leases.claim(shard) is None:  # noqa: ASYNC110  # the database does not call back
            await asyncio.sleep(0.2)
        await components.ledger.delete(experiment.identity.id)
        await cluster.forget(experiment.identity)


async def _ended(components: Components, cluster: LocalCluster, name: str, namespace: str) -> tuple[Experiment, Shard]:
    """Ask for the end and see it through, ourselves if nobody else owns the experiment."""
    found = await the_experiment(Queries(components.database), name, namespace)
    identity = found.experiment.identity
    known = await components.ledger.find(identity.namespace, identity.name)
    if known is None:
        raise CommandError(f"the experiment {name!r} was deleted meanwhile", Exit.NOT_FOUND)
    experiment, shard = known
    if not experiment.done:
        await components.mailbox.add(uuid4(), identity.id, now(), StopRequested())
        session = Session(components, cluster, experiment, shard, lambda _: None)
        await session.run_to_rest()
        experiment = await session.state()
    return experiment, shard
