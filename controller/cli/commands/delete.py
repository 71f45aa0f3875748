"""`delete`: stop an experiment, and forget it."""

import asyncio
from pathlib import Path
from typing import Annotated

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
from controller.cli.session import delete_locally, open_local_components
from events.signals import DeletionRequested


def delete(
    name: Name,
    namespace: Namespace = DEFAULT_NAMESPACE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data: Data = DEFAULT_DATA,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Delete an experiment: its trials, metrics, events and logs. Running trials are stopped."""
    if not yes:
        typer.confirm(f"Delete {name} with all its trials, metrics and logs?", abort=True)
    shared = read_settings(database, kafka).kafka
    if shared is None or not of_controllers(name, namespace, data, database):
        asyncio.run(_delete(name, namespace, data, database))
    else:
        asyncio.run(
            request(name, namespace, DeletionRequested(), lambda _: False, shared, database)
        )
    typer.echo(f"{name} deleted")


async def _delete(name: str, namespace: str, data: Path, database: str | None) -> None:
    async with open_local_components(data, database) as (components, cluster):
        deleted = await delete_locally(components, cluster, name, namespace)
        await components.upkeep.clear(deleted.identity.id)
