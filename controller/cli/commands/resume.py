"""`resume`: resume a paused or stopped experiment of the controllers."""

import asyncio

import typer

from controller.cli.client import request
from controller.cli.options import DEFAULT_NAMESPACE, Kafka, Name, Namespace, Url, kafka_settings
from controller.core.experiment import Experiment
from controller.views.summary import state_after_trials
from events.signals import ResumeRequested


def resume(
    name: Name, namespace: Namespace = DEFAULT_NAMESPACE, kafka: Kafka = None, database: Url = None
) -> None:
    """Resume a paused or stopped experiment of the controllers."""
    settings = kafka_settings(kafka)
    experiment = asyncio.run(
        request(name, namespace, ResumeRequested(), _resumed, settings, database)
    )
    typer.echo(state_after_trials(experiment))


def _resumed(experiment: Experiment) -> bool:
    """Does it run again, or is there nothing left to run?"""
    return experiment.active or (experiment.done and experiment.unspent == 0)
