"""One object's fault is one object's fault: all others are seen, and trouble with the API server is
told."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from controller.cluster import AttemptKey, Ended, Launch
from controller.cluster.kubernetes import cluster as kubernetes
from controller.cluster.kubernetes import reflector
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster, WorkloadSettings
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.labels import EXPERIMENT_ID, TRIAL, labels_of, workload_name
from controller.cluster.kubernetes.reading import MAX_DEPTH, parse_json
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.core.experiment import Identity
from events.facts import Cause
from events.ids import ExperimentId, TrialNumber
from events.spec.document import OURS
from tests.controller.cluster.kubernetes.recorded_api import (
    FORBIDDEN,
    listed,
    recorded_api,
    said,
)
from tests.eventually import eventually_async
from tests.experiments import experiment_spec, experiment_tree

EXPIRED = FORBIDDEN.replace(b"403", b"401")
EXPERIMENTS, TRIALS = f"GET /apis/{OURS}/experiments", f"GET /apis/{OURS}/trials"
UID = str(UUID(int=5))


def experiment(name: str, uid: str = UID) -> dict[str, Any]:
    tree = experiment_tree(name, namespace="n")
    return {**tree, "metadata": {**tree["metadata"], "uid": uid, "resourceVersion": "1"}}


def trial(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": str(uuid4()), "labels": labels}}


def deep(levels: int) -> bytes:
    """An Experiment that Kubernetes stores and orjson does not parse."""
    tree = json.dumps(experiment("deep", str(UUID(int=6)))).encode()
    value = b'{"a":' * levels + b'"]}\\""' + b"}" * levels
    return tree.replace(b'"objective": ', b'"x": ' + value + b', "objective": ', 1)


def test_what_lies_too_deep_is_cut_and_what_stands_beside_it_is_not() -> None:
    tree = b'{"items":[' + deep(1100) + b',{"b":[1,{"c":"}]"}]}],"last":2}'
    parsed = parse_json(tree)
    assert parsed["items"][0]["spec"]["objective"]["type"] == "minimize"
    assert parsed["items"][1:] == [{"b": [1, {"c": "}]"}]}]
    assert parsed["last"] == 2
    value, levels = parsed["items"][0]["spec"]["x"], 0
    while isinstance(value, dict):
        value, levels = value["a"], levels + 1
    assert MAX_DEPTH - 10 < levels < MAX_DEPTH
    with pytest.raises(json.JSONDecodeError):
        parse_json(b'{"items":[')


@pytest.mark.parametrize("part", [b'\\"', b'"', b"[", b'{"a":', b'[""'])
def test_an_answer_that_breaks_off_is_looked_at_in_linear_time(part: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(orjson.JSONDecodeError):
        parse_json(b'{"metadata": "' + part * 100_000)
    assert time.process_time() - begun < 2


async def test_strange_objects_hide_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = trial("good-1", **{EXPERIMENT_ID: UID, TRIAL: "1"})
    strange = trial("strange", **{EXPERIMENT_ID: UID, TRIAL: "abc"})
    no_uid = {**experiment("no-uid"), "metadata": {"name": "no-uid", "uid": "x"}}
    answers = {
        EXPERIMENTS: listed("Experiment", OURS, no_uid, deep(1100), experiment("good")),
        TRIALS: listed("Trial", OURS, strange, shown),
    }
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        Experiments.open(api, (), (OURS,)) as seen,
    ):
        await eventually_async(lambda: _is(len(seen.objects) == 2))
        assert {one.name for one in seen.objects.values()} == {"good", "deep"}
        known = ExperimentId(UUID(UID))
        await eventually_async(lambda: _is(list(seen.shown(known)) == [1]))


@pytest.mark.parametrize("refused", [FORBIDDEN, EXPIRED])
async def test_a_list_that_fails_is_a_reason_not_to_be_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bytes
) -> None:
    """Once permissions are given, or there is a new token, it goes on by itself."""
    monkeypatch.setattr(reflector, "TROUBLE_SECONDS", 0.5)
    answers = {EXPERIMENTS: refused, TRIALS: listed("Trial", OURS)}
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        Experiments.open(api, (), (OURS,)) as seen,
    ):
        await eventually_async(lambda: _is(any(seen.troubles())))
        (trouble,) = seen.troubles()
        assert trouble == f"/apis/{OURS}/experiments cannot be watched: cannot list resource"
        answers[EXPERIMENTS] = listed("Experiment", OURS, experiment("good"))
        await eventually_async(lambda: _is(not any(seen.troubles())))
        assert len(seen.objects) == 1


def launch(experiment_id: ExperimentId, number: int = 1) -> Launch:
    container = {"name": "main", "image": "i", "args": ["${trialParameters.x}"]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    parameters = [{"name": "x", "reference": "x"}]
    template = {
        "trialSpec": job, "primaryContainerName": "main", "trialParameters": parameters,
    }  # fmt: skip
    spec = experiment_spec("e", trialTemplate=template)
    return Launch(AttemptKey(experiment_id, TrialNumber(number), 1), "e", "n", spec, {"x": 0.5})


def identity(one: Launch) -> Identity:
    return Identity(one.key.experiment, one.experiment, one.namespace, one.spec, 1, None)


JOBS = said(
    {"resources": [{"name": "jobs", "kind": "Job", "namespaced": True}], "kind": "APIResourceList"}
)
CLUSTER = {
    "GET /api": said({"kind": "APIVersions"}),
    "GET /apis/batch/v1": JOBS,
    "GET /apis/batch/v1/jobs": listed("Job", "batch/v1"),
    "GET /api/v1/pods": listed("Pod", "v1"),
}
SETTINGS = WorkloadSettings(Sidecar(image="collector"))


async def test_a_kind_that_may_not_be_listed_delays_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {**CLUSTER, "GET /apis/batch/v1/jobs": FORBIDDEN}
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        one = identity(launch(ExperimentId(uuid4())))
        began = time.monotonic()
        for _ in range(3):
            await cluster.sweep(one, (), lambda _: False)
        assert time.monotonic() - began < 5.0
        assert not list(cluster.troubles())


async def test_a_stop_for_a_forgotten_experiment_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "FORGOTTEN_SECONDS", 0.3)
    async with (
        recorded_api(dict(CLUSTER), tmp_path, monkeypatch),
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        one = launch(ExperimentId(uuid4()))
        await cluster.forget(identity(one))
        async with asyncio.timeout(10):
            await cluster.stop(one.key)
            assert await anext(aiter(cluster.watch())) == Ended(one.key, Cause.CANCELLED)


async def test_what_cannot_be_listed_yet_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {**CLUSTER, "GET /apis/batch/v1/jobs": FORBIDDEN}
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        one = launch(ExperimentId(uuid4()))
        await cluster.sweep(identity(one), (), lambda _: True)
        await cluster.stop(one.key)
        events = aiter(cluster.watch())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await anext(events)
        answers["GET /apis/batch/v1/jobs"] = CLUSTER["GET /apis/batch/v1/jobs"]
        async with asyncio.timeout(20):
            assert await anext(aiter(cluster.watch())) == Ended(one.key, Cause.CANCELLED)


async def test_a_stop_overtakes_a_start_that_waits_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At four writes a second, the last of 24 starts would be sent after four seconds."""
    created = said({"kind": "Status", "code": 409, "reason": "AlreadyExists"}, "409 Conflict")
    answers = {**CLUSTER, "POST /apis/batch/v1/namespaces/n/jobs": created}
    experiment_id = ExperimentId(uuid4())
    starts = [launch(experiment_id, number) for number in range(1, 25)]
    async with (
        recorded_api(answers, tmp_path, monkeypatch) as proxy,
        open_api(writes_per_second=4.0) as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
        asyncio.TaskGroup() as tasks,
    ):
        await cluster.sweep(identity(starts[0]), (), lambda _: True)
        running = [tasks.create_task(cluster.start(one), name="start") for one in starts]
        await eventually_async(lambda: _is(_posts(proxy.asked) >= 2))
        began = time.monotonic()
        await cluster.stop(starts[-1].key)
        async for event in cluster.watch():
            if event.key == starts[-1].key:
                assert event == Ended(starts[-1].key, Cause.CANCELLED)
                break
        assert time.monotonic() - began < 2.0
        assert not running[-1].done()
        for one in starts[:-1]:
            await cluster.stop(one.key)
        await asyncio.wait(running, timeout=15)
        assert _posts(proxy.asked) < len(starts)


async def test_a_name_that_is_taken_is_neither_adopted_nor_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, jobs = launch(ExperimentId(uuid4())), "/apis/batch/v1/namespaces/n/jobs"
    taken = said({"kind": "Status", "code": 409, "reason": "AlreadyExists"}, "409 Conflict")
    name = workload_name(one)
    foreign = {"kind": "Job", "metadata": {"name": name, "namespace": "n", "uid": UID}}
    answers = {**CLUSTER, f"POST {jobs}": taken, f"GET {jobs}/{name}": said(foreign)}
    async with (
        recorded_api(answers, tmp_path, monkeypatch) as proxy,
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        await cluster.sweep(identity(one), (), lambda _: True)
        await cluster.start(one)
        async with asyncio.timeout(20):
            end = await anext(aiter(cluster.watch()))
        assert isinstance(end, Ended)
        assert (end.cause, "not Trialstream's" in end.message) == (Cause.SPAWN_FAILURE, True)
        assert not [method for method, _ in proxy.asked if method in ("DELETE", "PATCH", "PUT")]


async def test_a_workload_of_no_kind_is_asked_for_again_and_delays_no_other_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one of an API that was taken away, of which the cache of the server still tells."""
    experiment_id, jobs = ExperimentId(uuid4()), "/apis/batch/v1/namespaces/n/jobs"
    strange, plain = launch(experiment_id, 1), launch(experiment_id, 2)
    answers = {
        **CLUSTER,
        "GET /apis/batch/v1/jobs": listed(
            "Job", "batch/v1", {**workload(strange), "kind": "Strange"}, workload(plain)
        ),
        f"DELETE {jobs}/{workload_name(plain)}": said({"kind": "Status"}),
        f"DELETE {jobs}/{workload_name(strange)}": said({"kind": "Status"}),
    }
    async with (
        recorded_api(answers, tmp_path, monkeypatch) as proxy,
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        await cluster.sweep(identity(plain), {strange.key, plain.key}, lambda _: True)
        await cluster.stop(strange.key)
        await eventually_async(lambda: _is("no kind Strange" in caplog.text))
        await cluster.stop(plain.key)
        await eventually_async(lambda: _is(_deleted(proxy.asked) == [workload_name(plain)]))
        answers["GET /apis/batch/v1"] = said(
            {"resources": [{"name": "jobs", "kind": "Strange", "namespaced": True}]}
        )
        await eventually_async(lambda: _is(workload_name(strange) in _deleted(proxy.asked)))


def workload(one: Launch) -> dict[str, Any]:
    """What the API server has of an attempt that it has taken."""
    labels, name = labels_of(one), workload_name(one)
    return {"metadata": {"name": name, "namespace": "n", "uid": name, "labels": labels}}


def _deleted(asked: list[tuple[str, str]]) -> list[str]:
    return [path.rpartition("/")[2] for method, path in asked if method == "DELETE"]


def _posts(asked: list[tuple[str, str]]) -> int:
    return sum(method == "POST" for method, _ in asked)


async def _is(true: bool) -> bool:
    return true
