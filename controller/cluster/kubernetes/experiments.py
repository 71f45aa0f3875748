"""The objects Experiment and Trial of the cluster: watched, and written."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import ApiError
from controller.cluster.kubernetes.kinds import Kind
from controller.cluster.kubernetes.labels import MANAGED, MANAGER, Object
from controller.cluster.kubernetes.objects import (
    FINALIZER,
    ExperimentObject,
    TrialObject,
    format_time,
)
from controller.cluster.kubernetes.rate_limiter import Priority
from controller.cluster.kubernetes.reflector import Changed, Reflector, Resource
from controller.cluster.kubernetes.trial_news import News
from events.ids import ExperimentId, TrialNumber
from events.spec.document import KATIB, OURS

BULKY = ("managedFields", "annotations")
"""Metadata that is not kept."""
SERVED = tuple(
    Kind(version, "Experiment", f"/apis/{version}", "experiments") for version in (OURS, KATIB)
)
TRIALS = Kind(OURS, "Trial", f"/apis/{OURS}", "trials")


@dataclass(slots=True)
class Experiments:
    """The experiments that exist, and the trials that are shown as objects. Use
    `Experiments.open`."""

    api: Api
    _experiments: Sequence[Reflector] = ()
    _trials: Sequence[Reflector] = ()
    on_change: Callable[[ExperimentId], None] = lambda _: None
    """Called for each experiment whose object, or one of whose trials' objects, has changed or is
    gone."""
    _objects: dict[ExperimentId, ExperimentObject] = field(default_factory=dict)
    _shown: dict[ExperimentId, dict[TrialNumber, TrialObject]] = field(default_factory=dict)
    """The trials that are shown, by the id of their experiment and their number."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, api: Api, namespaces: Sequence[str], versions: Sequence[str]
    ) -> AsyncIterator["Experiments"]:
        """`namespaces`: none = all; `versions`: the apiVersions of experiments that are served."""

        def watched(kind: Kind, selector: str, changed: Changed) -> list[Reflector]:
            places = [kind.path(one) for one in namespaces] or [kind.path()]
            return [Reflector(api, Resource(place, selector), _keep, changed) for place in places]

        opened = cls(api)
        opened._experiments = [
            one
            for kind in SERVED
            if kind.api_version in versions
            for one in watched(kind, "", opened._handle_experiment)
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

    @property
    def objects(self) -> Mapping[ExperimentId, ExperimentObject]:
        return self._objects

    def shown(self, experiment: ExperimentId) -> Mapping[TrialNumber, TrialObject]:
        """The trials of an experiment that are shown, by their number."""
        return self._shown.get(experiment, {})

    def troubles(self) -> Iterator[str]:
        """Why objects that are created or changed now are not seen."""
        for reflector in (*self._experiments, *self._trials):
            if trouble := reflector.trouble:
                yield trouble

    def _handle_experiment(self, obj: Object, gone: bool) -> None:
        experiment = ExperimentObject.read(obj)
        if gone:
            self._objects.pop(experiment.id, None)
        else:
            self._objects[experiment.id] = experiment
        self.on_change(experiment.id)

    def _handle_trial(self, obj: Object, gone: bool) -> None:
        trial = TrialObject.read(obj)
        if trial is None:
            return
        trials = self._shown.setdefault(trial.experiment, {})
        if not gone:
            trials[trial.number] = trial
        elif trials.get(trial.number, trial).uid == trial.uid:
            trials.pop(trial.number, None)
        if not trials:
            del self._shown[trial.experiment]
        self.on_change(trial.experiment)

    async def show(
        self,
        obj: ExperimentObject,
        status: Mapping[str, Any],
        *,
        priority: Priority = Priority.URGENT,
    ) -> None:
        """Replace the status. Raises ApiError."""
        await self.api.patch(f"{_path(obj)}/status", {"status": status}, priority=priority)

    async def hold(self, obj: ExperimentObject) -> None:
        """Add our finalizer, so that a deleted object stays until `release`. Raises ApiError."""
        await self._set_finalizers(obj, [*obj.finalizers, FINALIZER])

    async def release(self, obj: ExperimentObject) -> None:
        """Remove our finalizer: nothing of the experiment is left. Raises ApiError."""
        await self._set_finalizers(obj, [one for one in obj.finalizers if one != FINALIZER])

    async def _set_finalizers(self, obj: ExperimentObject, finalizers: list[str]) -> None:
        metadata = {"finalizers": finalizers, "resourceVersion": obj.resource_version}
        await self.api.patch(_path(obj), {"metadata": metadata})

    async def show_trial(
        self, trial: Mapping[str, Any], known: TrialObject | None
    ) -> TrialObject | None:
        """A background write; the object as it is then. Raises ThrottledError, ApiError."""
        place = TRIALS.path(trial["metadata"]["namespace"])
        if known is None:
            made = await self.api.create(place, trial, priority=Priority.BACKGROUND)
        else:
            status = {
                **dict.fromkeys(known.status),
                **trial["status"],
            }  # a merge keeps what is not named
            path = f"{place}/{trial['metadata']['name']}"
            made = await self.api.patch(path, {"status": status}, priority=Priority.BACKGROUND)
        return TrialObject.read(made)

    async def hide_trial(self, trial: TrialObject) -> None:
        """A background write. Raises ThrottledError, ApiError."""
        path = TRIALS.path(trial.namespace, trial.name)
        await self.api.delete(
            path, uid=trial.uid, propagation="Background", priority=Priority.BACKGROUND
        )

    async def tell(
        self,
        obj: ExperimentObject | TrialObject,
        news: News,
        at: datetime,
        *,
        priority: Priority = Priority.URGENT,
    ) -> None:
        """Write an Event about the object, for `kubectl describe`; an error is ignored."""
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{obj.name}.{uuid4().hex[:16]}", "namespace": obj.namespace},
            "involvedObject": obj.reference,
            "type": news.kind, "reason": news.reason, "message": news.message[:1000],
            "firstTimestamp": format_time(at), "lastTimestamp": format_time(at), "count": 1,
            "source": {"component": MANAGER}, "reportingComponent": MANAGER,
            "reportingInstance": MANAGER,
        }  # fmt: skip
        try:
            await self.api.create(
                f"/api/v1/namespaces/{obj.namespace}/events", event, priority=priority
            )
        except ApiError:
            return


def _path(obj: ExperimentObject) -> str:
    kind = next(one for one in SERVED if one.api_version == obj.api_version)
    return kind.path(obj.namespace, obj.name)


def _keep(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in BULKY}
    return {**obj, "metadata": metadata}
