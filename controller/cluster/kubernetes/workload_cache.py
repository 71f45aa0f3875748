"""What is seen of workloads and their pods, by attempt: one list-and-watch for each kind and namespace."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from controller.cluster import AttemptKey
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.kinds import Kind
from controller.cluster.kubernetes.labels import OURS, Object, key_of
from controller.cluster.kubernetes.pods import GONE, keep_pod, keep_workload
from controller.cluster.kubernetes.reflector import Reflector, Resource
from events.ids import ExperimentId

JOBSET = "jobset.sigs.k8s.io/jobset-name"
"""The only label by which the pods of a TrainJob are found: the name of the TrainJob."""
TRAIN_JOB = "TrainJob"
SYNC_SECONDS = 20.0
PODS = Kind("v1", "Pod", "/api/v1", "pods")


@dataclass(slots=True)
class WorkloadCache:
    """`changed` is called with the attempt whenever something of it has changed; `gone` when its workload is gone."""

    api: Api
    namespaces: Sequence[str]
    """Those to look at; none = all."""
    tasks: asyncio.TaskGroup
    changed: Callable[[AttemptKey], None]
    gone: Callable[[AttemptKey, Object], None]
    workloads: dict[AttemptKey, Object] = field(default_factory=dict)
    attempts: dict[ExperimentId, set[AttemptKey]] = field(default_factory=dict)
    """Whose workloads are seen."""
    _pods: dict[AttemptKey, dict[str, Object]] = field(default_factory=dict)
    _by_name: dict[tuple[str, str], AttemptKey] = field(default_factory=dict)
    """The attempts of TrainJobs, by namespace and name."""
    _reflectors: dict[tuple[Kind, str], list[Reflector]] = field(default_factory=dict)
    _running: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def watch(self, kind: Kind) -> str:
        """See to it that the kind and its pods are watched; why they are not yet seen, or nothing.

        It returns after the first list, or after SYNC_SECONDS."""
        reflectors = [*self._watched(PODS, OURS), *self._watched(kind, OURS)]
        if kind.kind == TRAIN_JOB:
            reflectors += self._watched(PODS, JOBSET)
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                for reflector in reflectors:
                    await reflector.synced.wait()
        except TimeoutError:
            pass
        return next((one.trouble for one in reflectors if one.trouble), "")

    def synced(self, kind: Kind) -> bool:
        """Has all been seen that was there when we began to look?"""
        return all(one.synced.is_set() for one in self._reflectors.get((kind, OURS), [])) and bool(
            self._reflectors.get((kind, OURS))
        )

    def pods(self, key: AttemptKey) -> list[Object]:
        """Also those that are gone: they may say why the workload fails."""
        return list(self._pods.get(key, {}).values())

    def of(self, experiment: ExperimentId) -> Iterable[AttemptKey]:
        return tuple(self.attempts.get(experiment, ()))

    def add(self, workload: Object) -> None:
        """Take note of a workload before the watch brings it."""
        self._workload(keep_workload(workload), gone=False)

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    def _watched(self, kind: Kind, selector: str) -> list[Reflector]:
        if (kind, selector) not in self._reflectors:
            seen, keep = (self._pod, keep_pod) if kind is PODS else (self._workload, keep_workload)
            places = [kind.path(namespace) for namespace in self.namespaces] or [kind.path()]
            made = [Reflector(self.api, Resource(place, selector), keep, seen) for place in places]
            self._reflectors[kind, selector] = made
            self._running += [self.tasks.create_task(one.run(), name=f"watch {one.resource.path}") for one in made]
        return self._reflectors[kind, selector]

    def _workload(self, thing: Object, gone: bool) -> None:
        key = key_of(thing)
        if key is None:
            return
        place = (thing["metadata"]["namespace"], thing["metadata"]["name"])
        if gone:
            if self.workloads.pop(key, None) is not None:
                self.attempts[key.experiment].discard(key)
                self._by_name.pop(place, None)
                self.gone(key, thing)
                self._pods.pop(key, None)
            if not self.attempts.get(key.experiment, True):
                del self.attempts[key.experiment]
            return
        self.workloads[key] = thing
        self.attempts.setdefault(key.experiment, set()).add(key)
        if thing.get("kind") == TRAIN_JOB:
            self._by_name[place] = key
        self.changed(key)

    def _pod(self, thing: Object, gone: bool) -> None:
        metadata = thing["metadata"]
        name = (metadata.get("labels") or {}).get(JOBSET, "")
        key = key_of(thing) or self._by_name.get((metadata["namespace"], name))
        if key is None:
            return
        pods = self._pods.setdefault(key, {})
        pods[metadata["uid"]] = {**thing, GONE: True} if gone else thing
        if key in self.workloads:
            self.changed(key)
        elif all(pod.get(GONE) for pod in pods.values()):
            del self._pods[key]
