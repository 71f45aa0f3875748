"""An API server that lists pods late: nothing is told of a workload before, and then once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey, Ended, Event, Launch, Started
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster
from controller.cluster.kubernetes.kinds import Kind
from controller.cluster.kubernetes.labels import RULES, labels_of, workload_name, write_rules
from controller.cluster.kubernetes.workload_cache import WorkloadCache
from events.facts import Cause
from events.ids import ExperimentId
from tests.controller.cluster.kubernetes.objects import JOB
from tests.controller.cluster.kubernetes.proxy import Proxy
from tests.controller.cluster.kubernetes.recorded_api import listed, recorded_api, said
from tests.controller.cluster.kubernetes.test_isolation import CLUSTER, SETTINGS, identity, launch
from tests.eventually import eventually_async

PODS = "/api/v1/pods"
JOBS = Kind("batch/v1", "Job", "/apis/batch/v1", "jobs")
SHORT_SECONDS = 0.3
"""Long enough for what is in this process to be told."""


def ended(one: Launch) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Job of an attempt that has succeeded, and its pod, whose log the controller reads."""
    rules = write_rules(replace(JOB, sidecar=False))
    marks = {"labels": labels_of(one), "annotations": {RULES: rules}}
    meta = {"name": workload_name(one), "namespace": "n", "uid": workload_name(one), **marks}
    job = {"metadata": meta, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    pod = {
        "metadata": meta, "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Succeeded"},
    }  # fmt: skip
    return job, pod


def answers(*launches: Launch) -> dict[str, bytes]:
    jobs, pods = zip(*map(ended, launches), strict=True)
    return {
        **CLUSTER,
        "GET /apis/batch/v1/jobs": listed("Job", "batch/v1", *jobs),
        f"GET {PODS}": listed("Pod", "v1", *pods),
        **{
            f"GET /api/v1/namespaces/n/pods/{pod['metadata']['name']}/log": said(b"loss=0.5\n")
            for pod in pods
        },
    }


def hold_pods(proxy: Proxy) -> asyncio.Event:
    proxy.held[PODS] = asyncio.Event()
    return proxy.held[PODS]


async def _first(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


async def test_an_end_is_told_once_its_pods_and_their_logs_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = launch(ExperimentId(uuid4()))
    async with (
        recorded_api(answers(one), tmp_path, monkeypatch) as proxy,
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
        asyncio.TaskGroup() as tasks,
    ):
        pods = hold_pods(proxy)
        events = aiter(cluster.watch())
        told = tasks.create_task(_first(events), name="the first event")
        sweeping = cluster.sweep(identity(one), {one.key}, lambda _: True)
        swept = tasks.create_task(sweeping, name="sweep")
        await eventually_async(
            lambda: one.key.experiment in cluster.present(), "the Job was listed"
        )
        await asyncio.wait([told, swept], timeout=SHORT_SECONDS)
        assert not told.done()
        assert not swept.done()
        pods.set()
        async with asyncio.timeout(10):
            assert await told == Started(one.key, False)
            assert await anext(events) == Ended(one.key, Cause.COMPLETED, 0, "", False)


async def test_a_sweep_that_pods_do_not_answer_gives_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.cluster.kubernetes.workload_cache.SYNC_SECONDS", SHORT_SECONDS)
    experiment = ExperimentId(uuid4())
    one, missing = launch(experiment, 1), launch(experiment, 2)
    async with (
        recorded_api(answers(one), tmp_path, monkeypatch) as proxy,
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        pods = hold_pods(proxy)
        await cluster.sweep(identity(one), {one.key, missing.key}, lambda _: True)
        events = aiter(cluster.watch())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_SECONDS):
                await anext(events)
        pods.set()
        async with asyncio.timeout(10):
            assert await anext(aiter(cluster.watch())) == Started(one.key, False)


async def test_what_changed_before_is_told_once_whoever_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty that begin to watch at once do not look at all workloads twenty times."""
    experiment = ExperimentId(uuid4())
    launches = [launch(experiment, number) for number in range(1, 11)]
    told: list[AttemptKey] = []
    async with (
        recorded_api(answers(*launches), tmp_path, monkeypatch) as proxy,
        open_api() as api,
        asyncio.TaskGroup() as tasks,
    ):
        pods = hold_pods(proxy)
        cache = WorkloadCache(api, (), tasks, told.append, lambda _: None)
        waiting = [tasks.create_task(cache.watch(JOBS), name="watch") for _ in range(20)]
        await eventually_async(
            lambda: len(cache.workloads) == len(launches), "all Jobs were listed"
        )
        assert not told
        assert not cache.synced(JOBS)
        pods.set()
        assert await asyncio.gather(*waiting) == [""] * len(waiting)
        await eventually_async(lambda: len(told) >= len(launches), "all were told")
        assert sorted(told) == sorted(one.key for one in launches)
        assert cache.synced(JOBS)
        cache.close()


async def test_one_that_cannot_be_judged_hides_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that a controller finds when it starts: each is told, whatever comes of another."""
    experiment = ExperimentId(uuid4())
    launches = [launch(experiment, number) for number in range(1, 6)]
    told: list[AttemptKey] = []

    def judge(key: AttemptKey) -> None:
        told.append(key)
        raise TypeError(f"trial {key.trial} cannot be judged")

    async with (
        recorded_api(answers(*launches), tmp_path, monkeypatch) as proxy,
        open_api() as api,
        asyncio.TaskGroup() as tasks,
    ):
        pods = hold_pods(proxy)
        cache = WorkloadCache(api, (), tasks, judge, lambda _: None)
        watching = tasks.create_task(cache.watch(JOBS), name="watch")
        await eventually_async(lambda: len(cache.workloads) == len(launches), "Jobs were listed")
        assert not told
        pods.set()
        assert await watching == ""
        await eventually_async(lambda: len(told) >= len(launches), "each was told")
        assert {key.trial for key in told} == {1, 2, 3, 4, 5}
        assert "trial 3 cannot be judged" in caplog.text
        cache.close()
