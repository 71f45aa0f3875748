"""The places where trials run, each behind one face, for the contract suite of the Cluster port."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey, Cluster, Launch
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster, WorkloadSettings
from controller.cluster.kubernetes.labels import EXPERIMENT_ID, TRIAL
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.cluster.local.cluster import LocalCluster
from controller.cluster.simulated import Answer, SimulatedCluster
from events.facts import Cause
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.defaults import with_defaults
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment
from tests.kubernetes import COLLECTOR, namespace, objects

NO_FAKE_NODE = "they need a fake node: kubernetes up --fake-nodes 1"
NAME = "exp"
OBJECTIVE = {"type": "minimize", "objectiveMetricName": "loss"}
PARAMETERS = [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": 0, "max": 1000}}]


class Behaviour(StrEnum):
    """What an attempt does once it runs."""

    COMPLETES = "completes"
    FAILS = "fails"
    STAYS = "stays"
    CANNOT_START = "cannot start"


@dataclass(kw_only=True)
class Place:
    """One place; `open` opens a controller's cluster there, several at once share what runs."""

    open: Callable[[], AbstractAsyncContextManager[Cluster]]
    template: Callable[[Behaviour, Launch], Mapping[str, Any]]
    runs: Callable[[Launch], Awaitable[int]]
    """How often an attempt has begun to run."""
    traces: Callable[[ExperimentId], Awaitable[list[str]]]
    """What is kept of an experiment."""
    survives: bool = True
    """Do attempts, and the ends of those that have ended, outlive the controller?"""
    namespace: str = "default"
    origin: str | None = None
    experiment: ExperimentId = field(default_factory=lambda: ExperimentId(uuid4()))

    def launch(
        self, trial: int, behaviour: Behaviour, *, experiment: ExperimentId | None = None
    ) -> Launch:
        key = AttemptKey(experiment or self.experiment, TrialNumber(trial), 1)
        bare = Launch(
            key, NAME, self.namespace, _spec({}), {"x": float(trial)}, self.origin, Shard(0)
        )
        spec = _spec(self.template(behaviour, bare))
        return Launch(key, NAME, self.namespace, spec, bare.assignment, self.origin, Shard(0))


def _spec(template: Mapping[str, Any]) -> ExperimentSpec:
    tree = {"objective": OBJECTIVE, "parameters": PARAMETERS, "trialTemplate": template}
    spec = ExperimentSpec.model_validate(tree, strict=False)
    return with_defaults(spec) if template else spec


@asynccontextmanager
async def local(folder: Path) -> AsyncGenerator[Place]:
    """Processes of this machine."""
    data = folder / "data"
    endings = {
        Behaviour.COMPLETES: "exit 0",
        Behaviour.FAILS: "exit 3",
        Behaviour.STAYS: "exec sleep 600",
    }

    def template(behaviour: Behaviour, launch: Launch) -> Mapping[str, Any]:
        if behaviour is Behaviour.CANNOT_START:
            return {"command": ["no-such-program"]}
        script = f"echo ran >> {folder}/runs-{launch.key.trial}; {endings[behaviour]}"
        return {"command": ["sh", "-c", script]}

    async def runs(launch: Launch) -> int:
        file = folder / f"runs-{launch.key.trial}"
        return len(file.read_text().splitlines()) if file.exists() else 0

    async def traces(experiment: ExperimentId) -> list[str]:
        return [str(path) for path in data.glob(f"experiments/{experiment}")]

    place = Place(
        open=lambda: LocalCluster.open(data, grace=0.5),
        template=template,
        runs=runs,
        traces=traces,
        origin=str(folder),
    )
    try:
        yield place
    finally:
        async with LocalCluster.open(data, grace=0.5) as cluster:
            for experiment in cluster.present():
                await cluster.kill_all(experiment)


@asynccontextmanager
async def simulated(folder: Path) -> AsyncGenerator[Place]:
    """Functions; nothing of them outlives the process."""
    behaviours: dict[float, Behaviour] = {}
    asked: list[float] = []
    answers = {
        Behaviour.COMPLETES: Answer((), seconds=1.0),
        Behaviour.FAILS: Answer((), seconds=1.0, cause=Cause.ERROR),
        Behaviour.STAYS: Answer((), seconds=1e9),
        Behaviour.CANNOT_START: Answer((), seconds=0.0, cause=Cause.SPAWN_FAILURE),
    }

    def function(assignment: Assignment) -> Answer:
        x = float(assignment["x"])
        asked.append(x)
        return answers[behaviours[x]]

    def template(behaviour: Behaviour, launch: Launch) -> Mapping[str, Any]:
        behaviours[float(launch.key.trial)] = behaviour
        return {"command": ["true"]}

    async def runs(launch: Launch) -> int:
        return asked.count(float(launch.key.trial))

    async def traces(experiment: ExperimentId) -> list[str]:
        return []

    @asynccontextmanager
    async def open_simulated() -> AsyncGenerator[Cluster]:
        yield SimulatedCluster(function, pace=20.0)

    yield Place(open=open_simulated, template=template, runs=runs, traces=traces, survives=False)


@asynccontextmanager
async def kubernetes(folder: Path) -> AsyncGenerator[Place]:
    """Jobs of a real API server, whose pods live on a fake node."""
    with namespace() as name:
        if not objects("nodes", "-l", "type=kwok"):
            pytest.skip(NO_FAKE_NODE)

        async def runs(launch: Launch) -> int:
            key = launch.key
            selector = f"{EXPERIMENT_ID}={key.experiment},{TRIAL}={key.trial}"
            return len(objects("pods", "-n", name, "-l", selector))

        async def traces(experiment: ExperimentId) -> list[str]:
            selector = f"{EXPERIMENT_ID}={experiment}"
            found = objects("jobs,pods", "-n", name, "-l", selector)
            return [f"{one['kind']} {one['metadata']['name']}" for one in found]

        @asynccontextmanager
        async def open_kubernetes() -> AsyncGenerator[Cluster]:
            settings = WorkloadSettings(Sidecar(COLLECTOR), namespaces=(name,))
            async with open_api() as api, KubernetesCluster.open(api, settings) as cluster:
                yield cluster

        yield Place(open=open_kubernetes, template=_job, runs=runs, traces=traces, namespace=name)


def _job(behaviour: Behaviour, launch: Launch) -> Mapping[str, Any]:
    run = {
        Behaviour.COMPLETES: {"run-for": "100ms"},
        Behaviour.FAILS: {"run-for": "100ms", "exit-code": "3"},
        Behaviour.STAYS: {"run-for": "600s"},
        Behaviour.CANNOT_START: {},
    }[behaviour]
    pod = {
        "restartPolicy": "Always" if behaviour is Behaviour.CANNOT_START else "Never",
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        "containers": [{"name": "main", "image": "none", "command": ["true"]}],
    }
    annotations = {f"fake.trialstream.dev/{key}": value for key, value in run.items()}
    template = {"metadata": {"annotations": annotations}, "spec": pod}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}
    return {"trialSpec": job, "primaryContainerName": "main"}


Opener = Callable[[Path], AbstractAsyncContextManager[Place]]
PLACES: dict[str, Opener] = {"local": local, "simulated": simulated, "kubernetes": kubernetes}
