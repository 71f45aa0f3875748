"""`pause`: pause an experiment of the controllers."""

import asyncio

import typer

from controller.app.solo import at_rest
from controller.cli.client import request
from controller.cli.options import DEFAULT_NAMESPACE, Kafka, Name, Namespace, Url, kafka_settings
from controller.views.summary import state_after_trials
from events.signals import PauseRequested


def pause(
    name: Name, namespace: Namespace = DEFAULT_NAMESPACE, kafka: Kafka = None, database: Url = None
) -> None:
    """Pause an experiment of the controllers: its running trials are stopped and run anew when it
    is resumed."""
    settings = kafka_settings(kafka)
    experiment = asyncio.run(
        request(name, namespace, PauseRequested(), at_rest, settings, database)
    )
    typer.echo(state_after_trials(experiment))
