"""A desk: a folder with an experiment file and a data folder, and `trialstream` as a person starts
it."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.store.embedded import EmbeddedServer
from controller.store.migrate import migrate
from controller.store.postgres import open_database
from tests.run.desk import Desk


@pytest.fixture(scope="session")
def stopped_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server at our schema that was made, which takes a second, and stopped: for
    others to begin with."""
    folder = tmp_path_factory.mktemp("made")
    server = EmbeddedServer(folder)
    with server.use():
        server.ensure_now()
        asyncio.run(_migrate(server.url))
    return folder / "postgres"


async def _migrate(url: str) -> None:
    async with open_database(url) as database:
        await migrate(database)


@pytest.fixture
def desk(tmp_path: Path, stopped_server: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.data.mkdir()
    subprocess.run(["cp", "--archive", stopped_server, made.data], check=True)
    yield made
    made.close()
