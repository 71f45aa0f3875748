"""`stop`: end an experiment and its running trials."""

import asyncio
from pathlib import Path

import typer

from controller.cli.client import of_controllers, request
from controller.cli.options import (
    DEFAULT_DATA,
    DEFAULT_NAMESPACE,
    Data,
    Kafka,
    Name,
    Namespace,
    Url,
    read_settings,
)
from controller.cli.session import open_local_components, stop_locally
from controller.core.experiment import Experiment
from controller.views.summary import state_after_trials
from events.signals import StopRequested


def stop(
    name: Name,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Stop an experiment and its running trials. `run` or `resume` continues with the rest."""
    shared = read_settings(database, kafka).kafka
    if shared is None or not of_controllers(name, namespace, data, database):
        work = _stop(name, namespace, data, database)
    else:
        work = request(name, namespace, StopRequested(), lambda there: there.done, shared, database)
    typer.echo(state_after_trials(asyncio.run(work)))


async def _stop(name: str, namespace: str, data: Path, database: str | None) -> Experiment:
    async with open_local_components(data, database) as (components, cluster):
        experiment, _ = await stop_locally(components, cluster, name, namespace)
        return experiment
