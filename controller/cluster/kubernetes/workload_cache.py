"""The workloads and pods that exist, by attempt; each kind and namespace is listed once and then
watched."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from controller.cluster import AttemptKey
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.kinds import Kind
from controller.cluster.kubernetes.labels import MANAGED, Object, key_of
from controller.cluster.kubernetes.object_faults import isolating
from controller.cluster.kubernetes.pods import GONE, keep_pod, keep_workload
from controller.cluster.kubernetes.reflector import Reflector, Resource
from controller.cluster.kubernetes.workload import Workload
from events.ids import ExperimentId

JOBSET = "jobset.sigs.k8s.io/jobset-name"
"""The only label by which the pods of a TrainJob are found: the name of the TrainJob."""
TRAIN_JOB = "TrainJob"
SYNC_SECONDS = 20.0
PODS = Kind("v1", "Pod", "/api/v1", "pods")


@dataclass(slots=True)
class WorkloadCache:
    """`changed` is called with an attempt whenever something of it has changed, `gone` with a
    workload that is gone.

    Before pods were listed nothing is told: a workload that has ended seems to have none."""

    api: Api
    namespaces: Sequence[str]
    """Those that are watched; none = all."""
    tasks: asyncio.TaskGroup
    changed: Callable[[AttemptKey], None]
    gone: Callable[[Workload], None]
    workloads: dict[AttemptKey, Workload] = field(default_factory=dict)
    attempts: dict[ExperimentId, set[AttemptKey]] = field(default_factory=dict)
    """Those whose workloads exist, by experiment."""
    _untold: set[AttemptKey] = field(default_factory=set)
    """Those that have changed before pods were listed."""
    _pods: dict[AttemptKey, dict[str, Object]] = field(default_factory=dict)
    _train_jobs: dict[tuple[str, str], AttemptKey] = field(default_factory=dict)
    """The attempts of TrainJobs, by namespace and name."""
    _reflectors: dict[tuple[Kind, str], list[Reflector]] = field(default_factory=dict)
    _running: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def watch(self, kind: Kind) -> str:
        """Watch the kind and its pods from now on; returns after the first try to list them, or
        after SYNC_SECONDS.

        The result says what is wrong; it is empty if nothing is."""
        reflectors = [*self._watched(PODS, MANAGED), *self._watched(kind, MANAGED)]
        if kind.kind == TRAIN_JOB:
            reflectors += self._watched(PODS, JOBSET)
        with suppress(TimeoutError):
            async with asyncio.timeout(SYNC_SECONDS):
                await _first_tries(reflectors)
        return next((reflector.problem for reflector in reflectors if reflector.problem), "")

    def troubles(self) -> Iterator[str]:
        """Why changes of pods are not seen. Of a kind that may not be watched its own trials
        tell."""
        for reflector in self._reflectors.get((PODS, MANAGED), ()):
            if trouble := reflector.trouble:
                yield trouble

    def synced(self, kind: Kind) -> bool:
        """Has everything been listed that existed when the watch began, and pods, if they may be
        listed?"""
        reflectors = self._reflectors.get((kind, MANAGED), [])
        listed = bool(reflectors) and all(reflector.synced.is_set() for reflector in reflectors)
        return listed and self._pods_listed

    def pods(self, key: AttemptKey) -> list[Object]:
        """Of an attempt, also those that are gone: they may tell why the workload fails."""
        return list(self._pods.get(key, {}).values())

    def of(self, experiment: ExperimentId) -> Iterable[AttemptKey]:
        return tuple(self.attempts.get(experiment, ()))

    def add(self, workload: Object) -> None:
        """Add a workload before the watch reports it."""
        self._handle_workload(keep_workload(workload), gone=False)

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    def _watched(self, kind: Kind, selector: str) -> list[Reflector]:
        if (kind, selector) not in self._reflectors:
            paths = [kind.path(namespace) for namespace in self.namespaces] or [kind.path()]
            reflectors = [self._reflector(kind, Resource(path, selector)) for path in paths]
            self._reflectors[kind, selector] = reflectors
            for reflector in reflectors:
                name = f"watch {reflector.resource.path} ({selector})"
                self._running.append(self.tasks.create_task(reflector.run(), name=name))
            if kind is PODS:
                telling = self._tell_once_listed(reflectors)
                self._running.append(self.tasks.create_task(telling, name="tell once pods listed"))
        return self._reflectors[kind, selector]

    def _reflector(self, kind: Kind, resource: Resource) -> Reflector:
        if kind is PODS:
            return Reflector(self.api, resource, keep_pod, self._handle_pod)
        return Reflector(self.api, resource, keep_workload, self._handle_workload)

    @property
    def _pods_listed(self) -> bool:
        """Have all pods been listed, or could they not be?"""
        watched = (one for (kind, _), one in self._reflectors.items() if kind is PODS)
        return all(reflector.tried.is_set() for reflectors in watched for reflector in reflectors)

    async def _tell_once_listed(self, pods: Iterable[Reflector]) -> None:
        await _first_tries(pods)
        if self._pods_listed:
            untold, self._untold = self._untold, set()
            for key in untold & self.workloads.keys():
                with isolating("workloads", key):
                    self.changed(key)

    def _tell(self, key: AttemptKey) -> None:
        if self._pods_listed:
            self.changed(key)
        else:
            self._untold.add(key)

    def _handle_workload(self, obj: Object, gone: bool) -> None:
        workload = Workload.of(obj)
        if workload is None:
            return
        key = workload.key
        if gone:
            self._remove(workload)
            return
        self.workloads[key] = workload
        self.attempts.setdefault(key.experiment, set()).add(key)
        if workload.kind == TRAIN_JOB:
            self._train_jobs[workload.namespace, workload.name] = key
        self._tell(key)

    def _remove(self, workload: Workload) -> None:
        key = workload.key
        if self.workloads.pop(key, None) is not None:
            self.attempts[key.experiment].discard(key)
            self._train_jobs.pop((workload.namespace, workload.name), None)
            self.gone(workload)
            self._pods.pop(key, None)
        if not self.attempts.get(key.experiment, True):
            del self.attempts[key.experiment]

    def _handle_pod(self, pod: Object, gone: bool) -> None:
        metadata = pod["metadata"]
        train_job = (metadata.get("labels") or {}).get(JOBSET, "")
        key = key_of(pod) or self._train_jobs.get((metadata["namespace"], train_job))
        if key is None:
            return
        pods = self._pods.setdefault(key, {})
        pods[metadata["uid"]] = {**pod, GONE: True} if gone else pod
        if key in self.workloads:
            self._tell(key)
        elif all(known.get(GONE) for known in pods.values()):
            del self._pods[key]


async def _first_tries(reflectors: Iterable[Reflector]) -> None:
    for reflector in reflectors:
        await reflector.tried.wait()
