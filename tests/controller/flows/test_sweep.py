"""A regular look: a collector that never says that it is done is waited for, and then the trial
says so; an experiment that the cluster holds up holds up no other."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey, Ended
from controller.cluster.simulated import SimulatedCluster, _Run
from controller.core.experiment import Identity
from controller.flows import sweep
from controller.flows.sweep import COMPARED_AT_ONCE, Sweeper
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from events.bus.memory import MemoryBus
from events.ids import ExperimentId, Shard
from tests.controller.core.histories import experiment
from tests.controller.flows.stage import Wanted, bowl, on_stage
from tests.eventually import eventually_async


class MuteCluster(SimulatedCluster):
    """Each attempt has a collector of its own, which never reports."""

    def _end(self, key: AttemptKey, run: _Run) -> Ended:
        return replace(super()._end(key, run), collector=True)


async def test_a_silent_collector_is_the_cause(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "COLLECTOR_SECONDS", 0.0)
    wanted = Wanted(f"e{uuid4().hex[:12]}", trials=1)
    async with on_stage(database_url, wanted, kind=MuteCluster) as stage:
        done = await stage.run_to_rest()
        assert done.progress.counts.metrics_unavailable == 1
        rows = await stage.components.database.fetch(
            "SELECT message FROM trial WHERE experiment = $1", done.identity.id
        )
    assert [row["message"] for row in rows] == [
        "the objective 'loss' was never reported: its collector has reported nothing: it did not "
        "start, is gone, or cannot reach Kafka"
    ]


class HangingCluster(SimulatedCluster):
    """Does not answer when it is asked about the first so many experiments, until it is `free`."""

    def __init__(self, hanging: int) -> None:
        super().__init__(bowl)
        self.hanging, self.free = hanging, asyncio.Event()
        self.asked: list[ExperimentId] = []
        self.compared: list[ExperimentId] = []

    async def sweep(
        self, experiment: Identity, expected: Collection[AttemptKey], wanted: Any
    ) -> None:
        self.asked.append(experiment.id)
        if len(self.asked) <= self.hanging:
            await self.free.wait()
        self.compared.append(experiment.id)


@asynccontextmanager
async def comparing(hanging: int, experiments: int) -> AsyncGenerator[HangingCluster]:
    """Compare so many experiments again and again, with a cluster that hangs at the first."""
    cluster, nothing, held = HangingCluster(hanging), None, dict[ExperimentId, Any]()
    for _ in range(experiments):
        one = experiment(9, 3)
        key = ExperimentId(uuid4())
        held[key] = replace(one, identity=replace(one.identity, id=key))
    anything: Any = nothing
    sweeper = Sweeper(
        cluster, Ledger(anything), MemoryBus(), anything, anything, Holding(Shard(0), 1, held)
    )
    task = asyncio.get_running_loop().create_task(sweeper._compare_all(), name="compare")
    try:
        yield cluster
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_an_experiment_that_the_cluster_holds_up_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "PATIENCE_SECONDS", 3600.0)
    async with comparing(hanging=3, experiments=20) as cluster:
        await eventually_async(lambda: len(cluster.compared) == 17, "all others were compared")
        assert set(cluster.compared) == set(cluster.asked[3:])


async def test_only_some_experiments_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "PATIENCE_SECONDS", 3600.0)
    async with comparing(hanging=1_000, experiments=2 * COMPARED_AT_ONCE + 1) as cluster:
        await eventually_async(lambda: len(cluster.asked) >= COMPARED_AT_ONCE, "they were begun")
        await asyncio.sleep(0)
        assert len(cluster.asked) == COMPARED_AT_ONCE
        cluster.free.set()
        await eventually_async(lambda: len(cluster.compared) == 2 * COMPARED_AT_ONCE + 1)


async def test_whoever_waits_for_one_that_hangs_waits_no_longer_than_patience(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweep, "COMPARED_AT_ONCE", 1)
    monkeypatch.setattr(sweep, "PATIENCE_SECONDS", 0.2)
    async with comparing(hanging=1, experiments=2) as cluster:
        await eventually_async(lambda: len(cluster.asked) == 2, "the second had its turn")
        assert cluster.compared == cluster.asked[1:]
        assert "the cluster takes too long" in caplog.text
