"""An embedded Postgres for one benchmark, in a data folder of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.store.embedded import EmbeddedServer, embedded
from controller.store.migrate import migrate
from controller.store.postgres import Database, open_database


@dataclass(frozen=True, slots=True)
class Store:
    """The running server and a pool of connections to it."""

    server: EmbeddedServer
    database: Database

    async def version(self) -> str:
        rows = await self.database.fetch("SHOW server_version")
        return str(rows[0]["server_version"])


@asynccontextmanager
async def store(data: Path) -> AsyncGenerator[Store]:
    """The database of the data folder, made if need be; its server ends with the block."""
    async with embedded(data) as server, open_database(server.url) as database:
        await migrate(database)
        yield Store(server, database)
