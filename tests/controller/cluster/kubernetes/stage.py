"""Attempts on a real cluster: launched, watched, and what was told of each."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from controller.cluster import AttemptKey, Ended, Event, Launch, Started, Waiting
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster, WorkloadSettings
from controller.cluster.kubernetes.labels import workload_name
from controller.cluster.kubernetes.sidecar import Sidecar
from events.bus.kafka import KafkaSettings
from events.ids import ExperimentId, TrialNumber
from events.spec.defaults import with_defaults
from events.spec.experiment import ExperimentSpec
from tests.collectors.shipping import SHARD
from tests.controller.cluster.identity import identity
from tests.kubernetes import COLLECTOR, PYTHON

SECONDS = 90.0


def job(*code: str, container: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    """A Job that runs a line of Python."""
    main = {
        "name": "main",
        "image": PYTHON,
        "command": ["python3", "-u", "-c", *code],
        **(container or {}),
    }
    others = pod.pop("beside", [])
    spec = {"restartPolicy": "Never", "containers": [main, *others], **pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": spec}}}


@dataclass
class Stage:
    """One experiment's attempts in a namespace; `told`: what was said of each, by the number of its
    trial."""

    namespace: str
    cluster: KubernetesCluster
    experiment: ExperimentId = field(default_factory=lambda: ExperimentId(uuid4()))
    told: dict[int, list[Event]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def launch(
        self, trial: int, tree: dict[str, Any] | None, attempt: int = 1, **template: Any
    ) -> Launch:
        spec = ExperimentSpec.model_validate(
            {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "parameters": [
                    {
                        "name": "lr",
                        "parameterType": "double",
                        "feasibleSpace": {"min": 0.1, "max": 1},
                    }
                ],
                "metricsCollectorSpec": template.pop("collector", {}),
                "trialTemplate": {"trialSpec": tree, "primaryContainerName": "main", **template},
            },
            strict=False,
        )
        key = AttemptKey(self.experiment, TrialNumber(trial), attempt)
        return Launch(key, "exp", self.namespace, with_defaults(spec), {"lr": 0.25}, None, SHARD)

    async def start(self, trial: int, tree: dict[str, Any] | None, **template: Any) -> Launch:
        launch = self.launch(trial, tree, **template)
        await self.cluster.start(launch)
        return launch

    async def listen(self) -> None:
        async for event in self.cluster.watch():
            async with self.changed:
                self.told.setdefault(event.key.trial, []).append(event)
                self.changed.notify_all()

    async def until(self, trial: int, seen: Callable[[Event], bool]) -> Event:
        """The first event of the trial that fits; the sweep is made to look again meanwhile, as the
        flows do."""
        async with asyncio.timeout(SECONDS), self.changed:
            while True:
                for event in self.told.get(trial, ()):
                    if seen(event):
                        return event
                await self.changed.wait()

    async def started(self, trial: int) -> None:
        await self.until(trial, lambda event: isinstance(event, Started))

    async def ended(self, trial: int) -> Ended:
        event = await self.until(trial, lambda event: isinstance(event, Ended))
        assert isinstance(event, Ended)
        return event

    async def waits(self, trial: int) -> Waiting:
        event = await self.until(trial, lambda event: isinstance(event, Waiting))
        assert isinstance(event, Waiting)
        return event

    async def sweep(self, *launches: Launch) -> None:
        """These attempts are expected; nothing else is wanted."""
        keys = {launch.key for launch in launches}
        await self.cluster.sweep(identity(self.launch(1, job("1"))), keys, keys.__contains__)


def name_of(launch: Launch) -> str:
    return workload_name(launch)


@asynccontextmanager
async def stage(namespace: str, kafka: KafkaSettings, **settings: Any) -> AsyncGenerator[Stage]:
    """A cluster of one namespace; what was started is deleted with the namespace."""
    sidecar = Sidecar(COLLECTOR, environment=kafka.to_environment())
    async with (
        open_api() as api,
        KubernetesCluster.open(
            api, WorkloadSettings(sidecar, namespaces=(namespace,), **settings)
        ) as cluster,
        asyncio.TaskGroup() as tasks,
    ):
        opened = Stage(namespace, cluster)
        listening = tasks.create_task(opened.listen())
        try:
            yield opened
        finally:
            listening.cancel()
