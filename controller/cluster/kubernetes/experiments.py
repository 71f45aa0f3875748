"""The objects Experiment and Trial of the cluster: watched, and written."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import ApiError
from controller.cluster.kubernetes.kinds import Kind
from controller.cluster.kubernetes.labels import EXPERIMENT_ID, MANAGED, MANAGER, TRIAL, Object
from controller.cluster.kubernetes.projection import format_time
from controller.cluster.kubernetes.rate_limiter import Priority
from controller.cluster.kubernetes.reflector import Changed, Reflector, Resource
from events.ids import ExperimentId, TrialNumber
from events.spec.document import KATIB, OURS

FINALIZER = "trialstream.io/experiment"
BULKY = ("managedFields", "annotations")
"""Metadata that is not kept."""
SERVED = tuple(Kind(version, "Experiment", f"/apis/{version}", "experiments") for version in (OURS, KATIB))
TRIALS = Kind(OURS, "Trial", f"/apis/{OURS}", "trials")


@dataclass(slots=True)
class Experiments:
    """The experiments that exist, and the trials that are shown as objects. Use `Experiments.open`."""

    api: Api
    _experiments: Sequence[Reflector] = ()
    _trials: Sequence[Reflector] = ()
    _shown: dict[str, dict[TrialNumber, Object]] = field(default_factory=dict)
    """The trials that are shown, by the id of their experiment and their number."""

    @classmethod
    @asynccontextmanager
    async def open(cls, api: Api, namespaces: Sequence[str], versions: Sequence[str]) -> AsyncIterator["Experiments"]:
        """`namespaces`: none = all; `versions`: the apiVersions of experiments that are served."""

        def watched(kind: Kind, selector: str, changed: Changed) -> list[Reflector]:
            places = [kind.path(one) for one in namespaces] or [kind.path()]
            return [Reflector(api, Resource(place, selector), _keep, changed) for place in places]

        opened = cls(api)
        opened._experiments = [
            one for kind in SERVED if kind.api_version in versions for one in watched(kind, "", _ignore)
        ]
        opened._trials = watched(TRIALS, MANAGED, opened._handle_trial)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(reflector.run(), name=f"watch {reflector.resource.path}")
                for reflector in (*opened._experiments, *opened._trials)
            ]
            try:
                yield opened
            finally:
                for task in running:
                    task.cancel()

    def all(self) -> Iterator[Object]:
        for reflector in self._experiments:
            yield from list(reflector.objects.values())

    def shown(self, experiment: ExperimentId) -> Mapping[TrialNumber, Object]:
        """The trials of an experiment that are shown, by their number."""
        return self._shown.get(str(experiment), {})

    def _handle_trial(self, trial: Object, gone: bool) -> None:
        known = trial["metadata"].get("labels") or {}
        experiment, number = known.get(EXPERIMENT_ID, ""), TrialNumber(int(known.get(TRIAL, 0)))
        of_it = self._shown.setdefault(experiment, {})
        if not gone:
            of_it[number] = trial
        elif of_it.get(number, trial)["metadata"]["uid"] == trial["metadata"]["uid"]:
            of_it.pop(number, None)
        if not of_it:
            del self._shown[experiment]

    async def show(self, obj: Object, status: Mapping[str, Any], *, priority: Priority = Priority.URGENT) -> None:
        """Replace the status. Raises ApiError."""
        await self.api.patch(f"{_path(obj)}/status", {"status": status}, priority=priority)

    async def hold(self, obj: Object) -> None:
        """Add our finalizer, so that a deleted object stays until `release`. Raises ApiError."""
        others = obj["metadata"].get("finalizers") or []
        version = obj["metadata"]["resourceVersion"]
        metadata = {"finalizers": [*others, FINALIZER], "resourceVersion": version}
        await self.api.patch(_path(obj), {"metadata": metadata})

    async def release(self, obj: Object) -> None:
        """Remove our finalizer: nothing of the experiment is left. Raises ApiError."""
        others = [one for one in obj["metadata"].get("finalizers") or [] if one != FINALIZER]
        version = obj["metadata"]["resourceVersion"]
        await self.api.patch(_path(obj), {"metadata": {"finalizers": others, "resourceVersion": version}})

    async def show_trial(self, trial: Mapping[str, Any], known: Object | None) -> None:
        """A background write. Raises ThrottledError, ApiError."""
        place = TRIALS.path(trial["metadata"]["namespace"])
        if known is None:
            await self.api.create(place, trial, priority=Priority.BACKGROUND)
        else:
            status = {**dict.fromkeys(known.get("status") or ()), **trial["status"]}  # a merge keeps what is not named
            path = f"{place}/{trial['metadata']['name']}"
            await self.api.patch(path, {"status": status}, priority=Priority.BACKGROUND)

    async def hide_trial(self, trial: Object) -> None:
        """A background write. Raises ThrottledError, ApiError."""
        metadata = trial["metadata"]
        path = TRIALS.path(metadata["namespace"], metadata["name"])
        await self.api.delete(path, uid=metadata["uid"], propagation="Background", priority=Priority.BACKGROUND)

    async def tell(self, obj: Object, kind: str, reason: str, message: str, at: datetime) -> None:
        """Write an Event about the object, for `kubectl describe`; an error is ignored."""
        metadata = obj["metadata"]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{uuid4().hex[:16]}", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"],
                "namespace": metadata["namespace"], "uid": metadata["uid"],
            },
            "type": kind, "reason": reason, "message": message[:1000],
            "firstTimestamp": format_time(at), "lastTimestamp": format_time(at), "count": 1,
            "source": {"component": MANAGER}, "reportingComponent": MANAGER, "reportingInstance": MANAGER,
        }  # fmt: skip
        try:
            await self.api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event, priority=Priority.URGENT)
        except ApiError:
            return


def _path(obj: Object) -> str:
    metadata = obj["metadata"]
    kind = next(one for one in SERVED if one.api_version == obj["apiVersion"])
    return kind.path(metadata["namespace"], metadata["name"])


def _keep(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in BULKY}
    return {**obj, "metadata": metadata}


def _ignore(obj: Object, gone: bool) -> None:
    """The reconciler reads all of them again and again."""
