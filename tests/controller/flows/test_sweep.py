"""A collector that never says that it is done is waited for, and then the trial says so."""

from dataclasses import replace
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey, Ended
from controller.cluster.simulated import SimulatedCluster, _Run
from controller.flows import sweep
from tests.controller.flows.stage import Wanted, on_stage


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
