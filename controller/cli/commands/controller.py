"""`controller`: run one of several controllers until SIGTERM."""

import asyncio
import logging
from importlib import import_module
from typing import Annotated

import typer
from pydantic import SecretStr

from controller.app.service import ClusterKind, ControllerOptions, Service
from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.options import DEFAULT_DATA, Data, Kafka, Url, kafka_of, read_settings
from controller.cluster.simulated import Function

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def controller(
    cluster: Annotated[
        ClusterKind, typer.Option("--cluster", help="Where trials run.")
    ] = ClusterKind.LOCAL,
    kafka: Kafka = None,
    database: Url = None,
    data: Data = DEFAULT_DATA,
    answers: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION", help="With --cluster simulated: assignment -> Answer."
        ),
    ] = None,
    pace: Annotated[
        float | None,
        typer.Option(min=0.001, help="Simulated seconds in a second; without it, time jumps."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address on which metrics and health are answered.")
    ] = "127.0.0.1",
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics; 0 = none.")
    ] = 0,
    health_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /healthz and /readyz; 0 = none.")
    ] = 0,
) -> None:
    """Run a controller: one of several that share the experiments of `submit`.

    On SIGTERM the others take over.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    settings = read_settings(database, kafka)
    options = ControllerOptions(
        database=_shared(settings.database),
        kafka=kafka_of(settings),
        local=settings.local,
        kubernetes=settings.kubernetes,
        suggestion=settings.suggestion,
        history=settings.history,
        collector=settings.collector,
        cluster=cluster,
        data=data.absolute(),
        answers=_function(cluster, answers),
        pace=pace,
        host=host,
        metrics_port=metrics_port,
        health_port=health_port,
    )
    asyncio.run(Service(options).run())


def _shared(database: SecretStr | None) -> SecretStr:
    if database is None:
        raise CommandError(
            "a controller needs a Postgres that all controllers reach: --database URL, "
            "TRIALSTREAM_DATABASE, or `database` in the settings file",
            ExitCode.INVALID,
        )
    return database


def _function(place: ClusterKind, answers: str | None) -> Function | None:
    if place is not ClusterKind.SIMULATED:
        return None
    module, _, name = (answers or "").partition(":")
    try:
        function: Function = getattr(import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise CommandError(
            f"--answers {answers!r}: {error}; give MODULE:FUNCTION", ExitCode.INVALID
        ) from None
    return function
