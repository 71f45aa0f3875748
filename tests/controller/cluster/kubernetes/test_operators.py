"""Trials as training jobs, workflows and queued Jobs under real operators: each to its end, or
stopped."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.cluster import Ended, Launch
from events.bus.kafka import KafkaSettings
from events.facts import Cause
from tests.collectors.shipping import arrived, losses
from tests.controller.cluster.kubernetes.stage import Stage, job, name_of, stage
from tests.eventually import eventually_async
from tests.kubernetes import PYTHON, kubectl, operator
from tests.tiers import rest_is_long

GOOD = "import time\nfor step in (1, 2):\n    print(f'loss={step / 10}')\n    time.sleep(0.3)"
BAD = "print('loss=0.5')\nraise SystemExit(3)"
PATIENT = "import time\nprint('loss=0.5')\ntime.sleep(600)"
PHASES = {f"{name}Condition": f'status.[@this].#(phase=="{phase}")#' for name, phase in
          (("success", "Succeeded"), ("failure", "Failed"))}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """How a kind's workload that runs a line of Python looks; `template`: what its trial template
    says besides."""

    operator: str
    tree: Callable[[str], dict[str, Any]]
    template: dict[str, Any] = field(default_factory=dict)
    by_log: bool = False
    """Is it heard by its pod's log?"""


def replicas(
    kind: str, field_name: str, container: str, *roles: str
) -> Callable[[str], dict[str, Any]]:
    """A kind of the training operator: the first role runs the code, the others sleep."""

    def replica(code: str) -> dict[str, Any]:
        main = {"name": container, "image": PYTHON, "command": ["python3", "-u", "-c", code]}
        return {
            "replicas": 1,
            "restartPolicy": "Never",
            "template": {"spec": {"containers": [main]}},
        }

    def tree(code: str) -> dict[str, Any]:
        first, *others = roles
        waits = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit()); signal.pause()"
        specs = {first: replica(code), **{role: replica(waits) for role in others}}
        return {"apiVersion": "kubeflow.org/v1", "kind": kind, "spec": {field_name: specs}}

    return tree


def trainjob(code: str) -> dict[str, Any]:
    trainer = {"image": PYTHON, "numNodes": 1, "command": ["python3", "-u", "-c", code]}
    spec = {"runtimeRef": {"kind": "TrainingRuntime", "name": "once"}, "trainer": trainer}
    return {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "spec": spec}


def workflow(code: str) -> dict[str, Any]:
    container = {"image": PYTHON, "command": ["python3", "-u", "-c", code]}
    step = {"name": "train", "metadata": {"labels": {"trains": "yes"}}, "container": container}
    spec = {"entrypoint": "train", "templates": [step]}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec}


RUNTIME: dict[str, Any] = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainingRuntime",
    "metadata": {"name": "once"},
    "spec": {"mlPolicy": {"numNodes": 1},
        "template": {"spec": {"replicatedJobs": [{"name": "node", "template": {
        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "node", "image": PYTHON}]}}},
    }}]}}},
}  # fmt: skip
KINDS = {
    "PyTorchJob": Kind("training",
        replicas("PyTorchJob", "pytorchReplicaSpecs", "pytorch", "Master", "Worker"),
                       {"primaryContainerName": "pytorch"}),
    "TFJob": Kind("training", replicas("TFJob", "tfReplicaSpecs", "tensorflow", "Worker"),
                  {"primaryContainerName": "tensorflow"}),
    "XGBoostJob": Kind("training", replicas("XGBoostJob", "xgbReplicaSpecs", "xgboost", "Master"),
                       {"primaryContainerName": "xgboost"}),
    "MPIJob": Kind("training", replicas("MPIJob", "mpiReplicaSpecs", "mpi", "Launcher", "Worker"),
                   {"primaryContainerName": "mpi"}),
    "TrainJob": Kind("trainer", trainjob, {"primaryContainerName": "node"}, by_log=True),
    "Workflow": Kind("argo", workflow, {"primaryPodLabels": {"trains": "yes"}, **PHASES}),
}  # fmt: skip


@pytest.fixture(
    scope="module",
    params=rest_is_long(["training", "trainer", "argo"], lambda name: name == "training"),
)
def running(request: pytest.FixtureRequest) -> Iterator[str]:
    with operator(request.param):
        yield request.param


async def heard(
    here: Stage, launch: Launch, end: Ended, kafka: KafkaSettings, by_log: bool
) -> list[float]:
    """What the attempt said of its loss."""
    if by_log:
        assert not end.collector
        text = here.cluster.log_path(launch.key).read_text()
        return [float(line.removeprefix("loss=")) for line in text.splitlines()]
    return [value for _, value in losses(await asyncio.to_thread(arrived, kafka, launch.key))]


def test_each_kind_runs_to_its_ends_and_can_be_stopped(
    running: str, room: str, kafka: KafkaSettings
) -> None:
    """Each kind of the operator at once: one attempt that succeeds, one that fails, one that is
    stopped."""
    kinds = {name: kind for name, kind in KINDS.items() if kind.operator == running}
    if running == "trainer":
        kubectl("create", "-n", room, "-f", "-", said=RUNTIME)

    async def scene(kind: Kind) -> None:
        async with stage(room, kafka) as here:
            codes = {1: GOOD, 2: BAD, 3: PATIENT}
            launches = {
                n: await here.start(n, kind.tree(code), **kind.template)
                for n, code in codes.items()
            }
            good, bad = await here.ended(1), await here.ended(2)
            assert (good.cause, good.exit_code) == (Cause.COMPLETED, 0), good
            assert (bad.cause, bad.exit_code) == (Cause.ERROR, 3), bad
            assert await heard(here, launches[1], good, kafka, kind.by_log) == [0.1, 0.2]
            assert await heard(here, launches[2], bad, kafka, kind.by_log) == [0.5]
            await here.started(3)
            await here.cluster.stop(launches[3].key)
            assert (await here.ended(3)).cause is Cause.CANCELLED
            await here.sweep()
            await eventually_async(lambda: _gone(room, launches[3]))

    for name, kind in kinds.items():
        print(name)  # shown if it fails
        asyncio.run(scene(kind))


async def _gone(room: str, launch: Launch) -> bool:
    pods = await asyncio.to_thread(kubectl, "get", "pods", "-n", room, "-o", "name")
    return name_of(launch) not in pods


async def test_kueue_admits_preempts_and_admits_again(room: str, kafka: KafkaSettings) -> None:
    queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "LocalQueue",
        "metadata": {"name": "team"},
    }

    def queued(code: str) -> dict[str, Any]:
        tree = job(code, container={"resources": {"requests": {"cpu": "1500m"}}})
        return {**tree, "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}}

    with operator("kueue"):
        kubectl(
            "create", "-n", room, "-f", "-", said={**queue, "spec": {"clusterQueue": "trialstream"}}
        )
        async with stage(room, kafka) as here:
            first = await here.start(1, queued(PATIENT))
            await here.started(1)
            waits = await here.start(2, queued(GOOD))
            told = await here.waits(2)
            assert (told.reason, told.message) == ("Suspended", "it waits in Kueue's queue team")
            listed = await asyncio.to_thread(kubectl, "get", "workloads", "-n", room, "-o", "name")
            (workload,) = [one for one in listed.split() if name_of(first) in one]
            evict = (
                "patch",
                workload,
                "-n",
                room,
                "--type",
                "merge",
                "-p",
                '{"spec": {"active": false}}',
            )
            await asyncio.to_thread(kubectl, *evict)
            end = await here.ended(1)
            assert (end.cause, end.message) == (
                Cause.PREEMPTED,
                "it was suspended after it had started",
            )
            assert (await here.ended(2)).cause is Cause.COMPLETED
            await here.sweep(waits)
            again = here.launch(3, queued(GOOD), attempt=2)
            assert await here.cluster.start(again)
            assert (await here.ended(3)).cause is Cause.COMPLETED
            assert losses(await asyncio.to_thread(arrived, kafka, again.key)) == [
                (1, 0.1),
                (2, 0.2),
            ]
