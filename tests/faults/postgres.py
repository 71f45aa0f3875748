"""A Postgres of the tests' own, which is killed and started again, and asked."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from controller.store.embedded import EmbeddedServer
from controller.store.migrate import migrate
from controller.store.postgres import Database, open_database

Answer = TypeVar("Answer")
GONE_SECONDS = 10.0


class Postgres:
    def __init__(self, folder: Path) -> None:
        self.cluster = folder / "postgres" / "cluster"
        self._server = EmbeddedServer(folder)
        self.url = self._server.url

    def start(self) -> None:
        self._server.ensure_now()

    def kill(self) -> None:
        """kill -9 of the server; its children see it and go."""
        server = psutil.Process(self._pid())
        server.kill()
        server.wait(GONE_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """The server and its children."""
        server = psutil.Process(self._pid())
        return [server, *server.children(recursive=True)]

    def _pid(self) -> int:
        return int((self.cluster / "postmaster.pid").read_text().split()[0])

    def ask(self, question: Callable[[Database], Awaitable[Answer]]) -> Answer:
        async def asked() -> Answer:
            async with open_database(self.url, size=2) as database:
                return await question(database)

        return asyncio.run(asked())

    def rows(self, sql: str, *values: Any) -> list[Any]:
        return self.ask(lambda database: database.fetch(sql, *values))

    def value(self, sql: str, *values: Any) -> Any:
        return self.rows(sql, *values)[0][0]

    def execute(self, sql: str, *values: Any) -> None:
        self.ask(lambda database: database.execute(sql, *values))


@contextmanager
def postgres(folder: Path, *, migrated: bool = True) -> Iterator[Postgres]:
    """A server, at our schema or empty, stopped in the end."""
    folder.mkdir()
    server = EmbeddedServer(folder)
    with server.use():
        opened = Postgres(folder)
        opened.start()
        if migrated:
            opened.ask(migrate)
        yield opened
