"""A cluster in trouble: answers lost, an API server away, a node drained, a kubelet stopped; one
workload each."""

import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from controller.cluster import Ended
from events.bus.kafka import KafkaSettings
from events.facts import Cause
from tests.collectors.shipping import arrived, losses
from tests.controller.cluster.kubernetes.proxy import leading_to, plain_api, proxied
from tests.controller.cluster.kubernetes.stage import Stage, job, name_of, stage
from tests.eventually import eventually_async
from tests.kubernetes import kubectl, objects, program
from tests.tiers import LONG

PRINTS = "print('loss=0.5')"
PATIENT = (
    "import time, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); "
    "time.sleep(600)"
)
SOON = [
    {
        "key": f"node.kubernetes.io/{why}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 2,
    }
    for why in ("unreachable", "not-ready")
]
AWAY_SECONDS = 60 if LONG else 20


def cluster(*words: str) -> None:
    """A command of the program that runs the cluster."""
    subprocess.run([program(), *words], check=True, capture_output=True, timeout=120)


def test_an_answer_that_is_lost_makes_no_second_workload(
    room: str, kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []

    def loses(method: str, path: str) -> bool:
        if method == "POST" and "/jobs" in path and len(lost) < 2:
            lost.append(path)
            return True
        return False

    async def scene(port: int) -> None:
        async with proxied(port) as proxy:
            proxy.loses = loses
            with leading_to(proxy, tmp_path, monkeypatch):
                async with stage(room, kafka) as here:
                    launches = [here.launch(n, job(PRINTS)) for n in (1, 2, 3)]
                    for launch in launches:
                        await eventually_async(lambda launch=launch: here.cluster.start(launch))  # type: ignore[misc]
                    for launch in launches:
                        assert (await here.ended(launch.key.trial)).cause is Cause.COMPLETED
                    made = await asyncio.to_thread(objects, "jobs", "-n", room)
                    assert sorted(one["metadata"]["name"] for one in made) == sorted(
                        map(name_of, launches)
                    )

    with plain_api() as port:
        asyncio.run(scene(port))
    assert len(lost) == 2


async def test_an_api_server_that_is_away_is_waited_for(room: str, kafka: KafkaSettings) -> None:
    """For a while nothing answers: what ran goes on, what should start waits, what should stop
    stops later."""

    async with stage(room, kafka) as here:
        ends, stops = (
            await here.start(1, job(f"import time; time.sleep(8); {PRINTS}")),
            await here.start(2, job(PATIENT)),
        )
        for trial in (1, 2):
            await here.started(trial)
        await asyncio.to_thread(cluster, "kill", "apiserver")
        began = time.monotonic()
        late = here.launch(3, job(PRINTS))
        assert not await here.cluster.start(late)
        assert (await here.waits(3)).reason == "Unreachable"
        await here.cluster.stop(stops.key)
        await here.sweep(ends, stops)
        await asyncio.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - began)))
        await asyncio.to_thread(cluster, "start", "apiserver")
        await eventually_async(lambda: here.cluster.start(late))
        assert (await here.ended(1)).cause is Cause.COMPLETED
        assert (await here.ended(2)).cause is Cause.CANCELLED
        assert (await here.ended(3)).cause is Cause.COMPLETED
        assert losses(await asyncio.to_thread(arrived, kafka, ends.key)) == [(1, 0.5)]
        made = await asyncio.to_thread(objects, "jobs", "-n", room)
        assert sorted(one["metadata"]["name"] for one in made) == sorted(map(name_of, (ends, late)))


async def test_a_drained_node_preempts(room: str, kafka: KafkaSettings) -> None:
    try:
        async with stage(room, kafka) as here:
            await here.start(1, job(PATIENT))
            await here.started(1)
            drain = (
                "drain",
                "trialstream",
                "--ignore-daemonsets",
                "--force",
                "--delete-emptydir-data",
            )
            await asyncio.to_thread(
                kubectl, *drain, "--pod-selector=app.kubernetes.io/managed-by=trialstream"
            )
            assert (await here.ended(1)).cause is Cause.PREEMPTED
            again = here.launch(2, job(PRINTS))
            await here.cluster.start(again)
            assert (await here.waits(2)).reason == "Unschedulable"
            await asyncio.to_thread(kubectl, "uncordon", "trialstream")
            assert (await here.ended(2)).cause is Cause.COMPLETED
    finally:
        kubectl("uncordon", "trialstream")


@pytest.mark.long  # Kubernetes takes its time until it gives a node up
async def test_a_kubelet_that_stops_loses_its_trials(room: str, kafka: KafkaSettings) -> None:
    """Beside another node: of a cluster whose nodes are all away at once, Kubernetes takes no pod
    away."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    if len(nodes) < 2:
        pytest.skip("they need a second node: start the cluster with --fake-nodes 1")

    try:
        async with stage(room, kafka) as here:
            launch = await here.start(
                1, job(PATIENT, terminationGracePeriodSeconds=1, tolerations=SOON)
            )
            await here.started(1)
            await asyncio.to_thread(cluster, "stop", "kubelet")
            end = await _swept(here, launch)
            assert end.cause is Cause.LOST, end
            assert len(await asyncio.to_thread(objects, "jobs", "-n", room)) == 1
    finally:
        cluster("start", "kubelet")
        kubectl("wait", "--for=condition=Ready", "node/trialstream", "--timeout=60s")


async def _swept(here: Stage, launch: Any) -> Ended:
    """Its end, found by looking again and again, as the flows do."""
    async with asyncio.timeout(240):
        while True:
            await here.sweep(launch)
            for event in here.told.get(1, ()):
                if isinstance(event, Ended):
                    return event
            await asyncio.sleep(1)
