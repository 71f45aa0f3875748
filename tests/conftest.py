"""One real Postgres for all tests that need one."""

import asyncio
from collections.abc import Iterator

import pytest

from controller.store.embedded import EmbeddedServer
from controller.store.migrate import migrate
from controller.store.postgres import open_database
from tests.folding import check_all


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded server at our schema, shared by the session; its facts must tell in the end how it is."""
    server = EmbeddedServer(tmp_path_factory.mktemp("postgres"))
    with server.use():
        asyncio.run(_prepare(server))
        yield server.url
        asyncio.run(check_all(server.url))


async def _prepare(server: EmbeddedServer) -> None:
    await server.ensure()
    async with open_database(server.url) as database:
        await migrate(database)
