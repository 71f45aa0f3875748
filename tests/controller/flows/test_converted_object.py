"""A word that kubectl has read as a boolean is refused where text is meant, before any trial."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.experiments import Experiments
from controller.flows.admit import check_of
from controller.flows.reconcile.reconciler import Reconciler
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.queries import Queries
from events.bus.memory import MemoryBus
from events.ids import Shard
from tests.controller.cluster.kubernetes.object_server import held_object, object_server
from tests.controller.flows.test_large_object import submitted
from tests.controller.histories import opened
from tests.eventually import eventually_async

SHARD = Shard(0)
WORDS, QUOTED = UUID(int=1), UUID(int=2)


def switch(*values: object) -> list[dict[str, Any]]:
    """As `kubectl` sends `list: [on, off]`."""
    space = {"list": list(values)}
    return [{"name": "x", "parameterType": "categorical", "feasibleSpace": space}]


async def test_an_object_whose_words_became_booleans_is_refused_in_its_status(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = held_object("words", WORDS, parameters=switch(True, False))
    quoted = held_object("quoted", QUOTED, parameters=switch("on", "off"))
    async with (
        object_server(tmp_path, monkeypatch, words, quoted) as objects,
        open_api() as api,
        opened(fresh_database_url) as (database, _),
    ):
        experiments, bus = Experiments(api), MemoryBus()
        ledger, check = Ledger(database), check_of(lambda _: ())
        reconciler = Reconciler(experiments, ledger, Queries(database), bus, check, 1)
        for one in (words, quoted):
            experiments._handle_experiment(one, gone=False)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reconciler.run(), name="reconciler")
            with reconciler.serving(Holding(SHARD, 1)):
                await eventually_async(lambda: submitted(bus), "the quoted one is handed in")
                await eventually_async(objects.told, "it is said")
            running.cancel()
        assert await submitted(bus) == [QUOTED]
    said = objects.condition("words", "Failed")
    assert said is not None
    assert said[:2] == ("True", "InvalidSpec")
    assert said[2].startswith("spec.parameters[0].feasibleSpace.list[0]: true is no text")
    assert "in quotes" in said[2]
