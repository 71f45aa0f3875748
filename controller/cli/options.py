"""The options that several commands share, and the settings and the database that they name."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.store.embedded import embedded
from controller.store.migrate import migrate
from controller.store.postgres import Database, open_database

if TYPE_CHECKING:
    from controller.settings import Settings
    from events.bus.kafka import KafkaSettings


def default_data() -> Path:
    """The default data folder of this user."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "trialstream"


class ListOutput(StrEnum):
    TABLE = "table"
    JSON = "json"


DEFAULT_DATA = default_data()
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="TRIALSTREAM_DATA",
        show_default="~/.local/share/trialstream",
        file_okay=False,
        help="Folder of the embedded database and the trials' logs.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TRIALSTREAM_DATABASE",
        metavar="URL",
        help="A Postgres to use instead of the embedded one: "
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
    ),
]
Kafka = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT,...",
        show_default="TRIALSTREAM_KAFKA",
        help="The Kafka of the controllers; user, password and more as TRIALSTREAM_KAFKA_*.",
    ),
]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the experiment.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The experiment: NAME or NAMESPACE/NAME.")
]
ListFormat = Annotated[ListOutput, typer.Option("--output", "-o", help="How to print.")]
Trial = Annotated[
    str,
    typer.Argument(metavar="TRIAL", help="The trial: its number, or its name such as digits-12."),
]
ExperimentFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The experiment, a YAML file.")
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Seed of the search, unless the file has one.")
]
DEFAULT_NAMESPACE = "default"


def full_name(name: str, namespace: str) -> tuple[str, str]:
    """(namespace, name) of `NAME` or `NAMESPACE/NAME`; what is written in the name wins."""
    before, slash, after = name.rpartition("/")
    return (before, after) if slash else (namespace, name)


def read_settings(database: str | None = None, kafka: str | None = None) -> "Settings":
    """What the options say, else the environment, else the settings file. Raises SettingsError."""
    from controller.settings import Settings

    named = {"TRIALSTREAM_DATABASE": database, "TRIALSTREAM_KAFKA": kafka}
    return Settings.read(
        {**os.environ, **{name: text for name, text in named.items() if text is not None}}
    )


def kafka_settings(kafka: str | None) -> "KafkaSettings":
    """The Kafka that the option, the environment or the settings file names; raises CommandError if
    none is named."""
    return kafka_of(read_settings(kafka=kafka))


def kafka_of(settings: "Settings") -> "KafkaSettings":
    """The Kafka of the settings; raises CommandError if they name none."""
    if settings.kafka is None:
        raise CommandError(
            "this needs the Kafka that the controllers share: --kafka HOST:PORT, "
            "TRIALSTREAM_KAFKA, "
            "or [kafka] in the settings file. On one machine without Kafka use: trialstream run "
            "FILE",
            ExitCode.INVALID,
        )
    return settings.kafka


def has_store(data: Path, database: str | None) -> bool:
    """Whether there is a database to read from. None is made."""
    return (
        read_settings(database).database is not None
        or (data / "postgres" / "cluster" / "PG_VERSION").exists()
    )


@asynccontextmanager
async def open_store(data: Path, database: str | None) -> AsyncGenerator[Database]:
    """The database at the URL `database`, else the embedded one of the folder `data`, with the
    schema of this version.

    Raises StoreRefusedError or StoreUnavailableError, and CommandError if the folder cannot be
    made.
    """
    url = read_settings(database).database_url
    if url is not None:
        async with _migrated(url) as opened:
            yield opened
        return
    async with embedded(_usable(data)) as server, _migrated(server.url) as opened:
        yield opened


@asynccontextmanager
async def _migrated(url: str) -> AsyncGenerator[Database]:
    async with open_database(url) as database:
        await migrate(database)
        yield database


def _usable(data: Path) -> Path:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = (
            f"the data folder {data} cannot be used: {error.strerror}; choose another with --data"
        )
        raise CommandError(message, ExitCode.INVALID) from None
    return data.absolute()
