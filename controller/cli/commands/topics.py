"""`topics`: create the topics of an installation, or check them."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from controller.cli.errors import print_error
from controller.cli.exits import ExitCode
from controller.cli.options import Kafka, kafka_settings
from events.bus.kafka import topics as kafka_topics


class TopicsAction(StrEnum):
    """What to do with the topics."""

    CREATE = "create"
    CHECK = "check"


def topics(
    action: Annotated[
        TopicsAction, typer.Argument(help="create what is missing, or check what is there.")
    ],
    partitions: Annotated[
        int, typer.Option(min=1, max=512, help="Shards of the installation; can never be changed.")
    ] = kafka_topics.PARTITIONS,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="3, or as many as there are brokers", help="Copies of each."
        ),
    ] = None,
    kafka: Kafka = None,
) -> None:
    """Create or check the topics that the controllers share.

    Exit code 2: something is wrong with them.
    """
    settings = kafka_settings(kafka)
    if action is TopicsAction.CREATE:
        made = asyncio.run(kafka_topics.create(settings, partitions, replicas))
        typer.echo(f"made {', '.join(made)}" if made else "all topics are there")
    problems = asyncio.run(kafka_topics.check(settings))
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(ExitCode.INVALID)
    if action is TopicsAction.CHECK:
        typer.echo("the topics are as they should be")
