"""An object too large for a record is refused in its status, and its neighbour is served."""

import asyncio
import json
import re
from pathlib import Path
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
from tests.controller.cluster.kubernetes.object_server import held_object, object_server
from tests.controller.histories import opened
from tests.eventually import eventually_async

SHARD = Shard(0)
LARGE, SMALL = UUID(int=1), UUID(int=2)
COMMAND = ["train", *("x" * 97_700 for _ in range(10))]


async def submitted(bus: MemoryBus) -> list[UUID]:
    """The experiments that were handed in."""
    async with bus.subscribe(topics.SIGNALS, int(SHARD), 0) as heard:
        return [decode(one.record).experiment for one in await heard.fetch(100, 0.1)]


async def test_an_object_of_977_kb_is_refused_in_its_status_and_its_neighbour_is_served(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = held_object("large", LARGE, trialTemplate={"command": COMMAND})
    assert 977_000 <= len(json.dumps(large)) <= 978_000
    small = held_object("small", SMALL)
    async with (
        object_server(tmp_path, monkeypatch, large, small) as objects,
        open_api() as api,
        opened(fresh_database_url) as (database, _),
    ):
        experiments, bus = Experiments(api), MemoryBus()
        ledger, check = Ledger(database), check_of(lambda _: ())
        reconciler = Reconciler(experiments, ledger, Queries(database), bus, check, 1)
        for one in (large, small):
            experiments._handle_experiment(one, gone=False)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reconciler.run(), name="reconciler")
            with reconciler.serving(Holding(SHARD, 1)):
                await eventually_async(lambda: submitted(bus), "the neighbour is handed in")
                await eventually_async(objects.told, "it is said")
            running.cancel()
        assert await submitted(bus) == [SMALL]
    said = objects.condition("large", "Failed")
    assert said is not None
    assert said[:2] == ("True", "InvalidSpec")
    assert re.match(r"spec: has 97\d,\d{3} bytes .* at most 819,200 fit into a record", said[2])
    assert objects.held["large"]["status"]["state"] == "Refused"
    assert [(kind, reason, uid) for kind, reason, _, uid in objects.told()] == [
        ("Warning", "InvalidSpec", str(LARGE))
    ]
    assert "state" not in objects.held["small"]["status"]
