"""An experiment in quarantine says so in its object, warns of it once, and takes it back when its
work goes on."""

import asyncio
import logging
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.experiments import Experiments
from controller.flows.reconcile.reconciler import Reconciler
from controller.store.holding import Holding
from events.ids import ExperimentId, Shard
from tests.controller.cluster.kubernetes.object_server import held_object, object_server
from tests.controller.core.histories import experiment
from tests.eventually import eventually_async

ID = ExperimentId(UUID(int=1))
SHARD = Shard(0)


async def test_a_quarantine_is_said_in_the_object_told_as_a_warning_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    held = held_object("e", ID)
    async with object_server(tmp_path, monkeypatch, held) as objects, open_api() as api:
        experiments = Experiments(api)
        unasked: Any = None  # of what runs and has no results nothing is read
        reconciler = Reconciler(experiments, unasked, unasked, unasked, unasked, 1)
        holding = Holding(SHARD, 1)
        holding.experiments[ID] = experiment(9, 3)
        quarantine = holding.quarantine

        def watched(kind: str) -> Any:
            """The condition, after the watch has brought the object as it is."""
            known = experiments.objects[ID].resource_version
            if known != objects.held["e"]["metadata"]["resourceVersion"]:
                experiments._handle_experiment(objects.held["e"], gone=False)
            return objects.condition("e", kind)

        experiments._handle_experiment(objects.held["e"], gone=False)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reconciler.run(), name="reconciler")
            with reconciler.serving(holding):
                await eventually_async(lambda: watched("Running"), "it is shown")
                queue = reconciler._queue
                await eventually_async(lambda: not (queue._due or queue._working), "all is said")
                assert (objects.condition("e", "Quarantined"), objects.told()) == (None, [])
                quarantine.add(ID, "launch", TypeError("start is not possible"))
                said = await eventually_async(lambda: watched("Quarantined"), "it is said")
                message = "launch failed: TypeError: start is not possible"
                assert said == ("True", "OwnWorkFails", message)
                warning = ("Warning", "OwnWorkFails", message, str(ID))
                await eventually_async(lambda: objects.told() == [warning], "it is told")
                assert objects.held["e"]["status"]["conditions"][-1]["type"] == "Running"
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
