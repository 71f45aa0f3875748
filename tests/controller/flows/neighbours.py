"""Two objects that one controller finds: one that it refuses, and a neighbour that it hands in."""

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
from events import topics
from events.bus.memory import MemoryBus
from events.envelope import decode
from events.ids import Shard
from tests.controller.cluster.kubernetes.object_server import Objects, object_server
from tests.controller.histories import opened
from tests.eventually import eventually_async

SHARD = Shard(0)


async def refuse_one(
    url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: dict[str, Any],
    neighbour: dict[str, Any],
) -> Objects:
    """What is held of both once the neighbour alone was handed in, and something was told."""
    async with (
        object_server(folder, monkeypatch, refused, neighbour) as objects,
        open_api() as api,
        opened(url) as (database, _),
    ):
        experiments, bus = Experiments(api), MemoryBus()
        ledger, check = Ledger(database), check_of(lambda _: ())
        reconciler = Reconciler(experiments, ledger, Queries(database), bus, check, 1)
        for one in (refused, neighbour):
            experiments._handle_experiment(one, gone=False)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reconciler.run(), name="reconciler")
            with reconciler.serving(Holding(SHARD, 1)):
                await eventually_async(lambda: _submitted(bus), "the neighbour is handed in")
                await eventually_async(objects.told, "it is said")
            running.cancel()
        assert await _submitted(bus) == [UUID(neighbour["metadata"]["uid"])]
    return objects


async def _submitted(bus: MemoryBus) -> list[UUID]:
    """The experiments that were handed in."""
    async with bus.subscribe(topics.SIGNALS, int(SHARD), 0) as heard:
        return [decode(one.record).experiment for one in await heard.fetch(100, 0.1)]
