"""An experiment in quarantine says so in its object, warns of it once, and takes it back when its
work goes on."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.objects import FINALIZER
from controller.flows.reconcile.reconciler import Reconciler
from controller.store.holding import Holding
from events.ids import ExperimentId, Shard
from events.spec.document import OURS
from tests.controller.cluster.kubernetes.proxy import Proxy, leading_to
from tests.controller.core.histories import experiment
from tests.eventually import eventually_async
from tests.experiments import experiment_tree

ID = ExperimentId(UUID(int=1))
SHARD = Shard(0)


class Objects:
    """An API server with one object: its status is replaced, and events are written."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held
        self.events: list[dict[str, Any]] = []

    async def patch(self, request: web.Request) -> web.Response:
        metadata = self.held["metadata"]
        version = str(int(metadata["resourceVersion"]) + 1)
        self.held = {
            **self.held,
            "metadata": {**metadata, "resourceVersion": version},
            "status": {**self.held["status"], **(await request.json())["status"]},
        }
        return web.json_response(self.held)

    async def tell(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return web.json_response(self.events[-1])

    def condition(self, kind: str) -> tuple[str, str, str] | None:
        """Status, reason and message of a condition."""
        for one in self.held["status"].get("conditions", ()):
            if one["type"] == kind:
                return one["status"], one["reason"], one["message"]
        return None

    def told(self) -> list[tuple[str, str, str, str]]:
        """The events about a quarantine: type, reason, message and the uid of what they are
        about."""
        return [
            (one["type"], one["reason"], one["message"], one["involvedObject"]["uid"])
            for one in self.events
            if one["reason"] not in ("ExperimentCreated", "ExperimentRunning")
        ]


@asynccontextmanager
async def served(folder: Path, patch: pytest.MonkeyPatch) -> AsyncGenerator[Objects]:
    tree = experiment_tree("e", namespace="default")
    metadata = {
        **tree["metadata"], "uid": str(ID), "resourceVersion": "1", "generation": 1,
        "finalizers": [FINALIZER],
    }  # fmt: skip
    objects = Objects({**tree, "metadata": metadata, "status": {"observedGeneration": 1}})
    app = web.Application()
    path = f"/apis/{OURS}/namespaces/default/experiments/e/status"
    app.router.add_patch(path, objects.patch)
    app.router.add_post("/api/v1/namespaces/default/events", objects.tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        with leading_to(Proxy(runner.addresses[0][1]), folder, patch):
            yield objects
    finally:
        await runner.cleanup()


async def test_a_quarantine_is_said_in_the_object_told_as_a_warning_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with served(tmp_path, monkeypatch) as objects, open_api() as api:
        experiments = Experiments(api)
        unasked: Any = None  # of what runs and has no results nothing is read
        reconciler = Reconciler(experiments, unasked, unasked, unasked, unasked, 1)
        holding = Holding(SHARD, 1)
        holding.experiments[ID] = experiment(9, 3)
        quarantine = holding.quarantine

        def watched(kind: str) -> Any:
            """The condition, after the watch has brought the object as it is."""
            known = experiments.objects[ID].resource_version
            if known != objects.held["metadata"]["resourceVersion"]:
                experiments._handle_experiment(objects.held, gone=False)
            return objects.condition(kind)

        experiments._handle_experiment(objects.held, gone=False)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reconciler.run(), name="reconciler")
            with reconciler.serving(holding):
                await eventually_async(lambda: watched("Running"), "it is shown")
                queue = reconciler._queue
                await eventually_async(lambda: not (queue._due or queue._working), "all is said")
                assert (objects.condition("Quarantined"), objects.told()) == (None, [])
                quarantine.add(ID, "launch", TypeError("start is not possible"))
                said = await eventually_async(lambda: watched("Quarantined"), "it is said")
                message = "launch failed: TypeError: start is not possible"
                assert said == ("True", "OwnWorkFails", message)
                warning = ("Warning", "OwnWorkFails", message, str(ID))
                await eventually_async(lambda: objects.told() == [warning], "it is told")
                assert objects.held["status"]["conditions"][-1]["type"] == "Running"
                quarantine.release(ID)  # it is tried again, and a while later as good as any other
                monkeypatch.setattr("controller.store.quarantine.QUIET_SECONDS", 0.0)
                quarantine.settle()
                assert not quarantine.cases
                back = ("False", "GoesOn", "Its work goes on")
                await eventually_async(lambda: watched("Quarantined") == back, "it is taken back")
                quarantine.add(ID, "launch", TypeError("start is not possible"))
                await eventually_async(lambda: watched("Quarantined") == said, "it is said again")
                await eventually_async(lambda: len(objects.told()) == 2, "and told again")
            running.cancel()
        assert objects.told() == [warning, warning]
