"""One embedded server for all tests of the command line, with a few experiments in it."""

import asyncio
from collections.abc import Generator

import pytest

from controller.store.embedded import EmbeddedServer
from tests.controller.cli.place import Place
from tests.folding import check_all


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    data = tmp_path_factory.mktemp("cli")
    server = EmbeddedServer(data)
    with server.use():
        asyncio.run(server.ensure())
        filled = Place(data, server.url)
        asyncio.run(filled.fill())
        log = filled.log("digits", 2, 2)
        log.parent.mkdir(parents=True)
        log.write_text("epoch 1\n\x1b[31mValueError: again\x1b[0m\n")
        yield filled
        asyncio.run(check_all(server.url))
