"""Trials as workloads of Kubernetes: created once, watched, judged, deleted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controller.cluster import AttemptKey, Ended, Event, Launch, Waiting
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import (
    ApiError,
    ApiUnavailableError,
    ConflictError,
    NotFoundError,
    WithdrawnError,
)
from controller.cluster.kubernetes.attempt_events import AttemptEvents
from controller.cluster.kubernetes.configmaps import ConfigMaps, MissingConfigMapError
from controller.cluster.kubernetes.deletions import Deletions
from controller.cluster.kubernetes.kinds import Kind, Kinds, NoKindError, workload_kind
from controller.cluster.kubernetes.labels import key_of, workload_name
from controller.cluster.kubernetes.logs import FollowedLog, Logs
from controller.cluster.kubernetes.manifests import ManifestError, manifest, with_owner
from controller.cluster.kubernetes.observer import WorkloadObserver
from controller.cluster.kubernetes.policy import DENY, Policy
from controller.cluster.kubernetes.refusals import event_of_refusal
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.cluster.kubernetes.starts import Starts
from controller.cluster.kubernetes.workload import Workload, WorkloadRef
from controller.cluster.kubernetes.workload_cache import WorkloadCache
from controller.core.experiment import Identity
from events.facts import Cause
from events.ids import ExperimentId
from events.spec.placeholders import TemplateError
from events.spec.yaml import DocumentError
from events.waiting import wait

FORGOTTEN_SECONDS = 120.0
"""The first sweep of an experiment, after which its kind is known, comes sooner."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkloadSettings:
    """How trials run on Kubernetes. `namespaces`: those that are served; none = all."""

    sidecar: Sidecar
    policy: Policy = DENY
    namespaces: tuple[str, ...] = ()


class KubernetesCluster:
    """The Cluster port; see `controller.cluster` for its promises. Use `KubernetesCluster.open`.

    A workload says itself which attempt it is and how it is judged, so any controller can continue
    with it.
    """

    def __init__(
        self, api: Api, settings: WorkloadSettings, logs: Path, tasks: asyncio.TaskGroup
    ) -> None:
        self._api = api
        self._settings = settings
        self._kinds = Kinds(api)
        self._configmaps = ConfigMaps(api)
        self._events = AttemptEvents()
        self._cache = WorkloadCache(
            api, settings.namespaces, tasks, self._observe, self._handle_gone
        )
        self._logs = Logs(api, logs, tasks, self._observe)
        self._observer = WorkloadObserver(self._cache, self._logs, self._events)
        self._deletions = Deletions(tasks, self._delete)
        self._created: dict[AttemptKey, WorkloadRef] = {}
        """Of the attempts that were started here: they may not be seen yet."""
        self._starts = Starts()
        self._kind_known: dict[ExperimentId, asyncio.Event] = {}
        """Set once it is known of which kind the experiment's workloads are."""
        self._kinds_of: dict[ExperimentId, Kind | None] = {}
        """Which it is; None if the cluster has no such kind, and so no such workloads."""

    @classmethod
    @asynccontextmanager
    async def open(cls, api: Api, settings: WorkloadSettings) -> AsyncIterator["KubernetesCluster"]:
        """Work with the cluster behind `api`. Workloads go on when it is left."""
        with TemporaryDirectory(prefix="trialstream-logs-") as logs:
            async with asyncio.TaskGroup() as tasks:
                cluster = cls(api, settings, Path(logs), tasks)
                try:
                    yield cluster
                finally:
                    cluster._close()

    async def start(self, launch: Launch) -> bool:
        """As the port says. An attempt that was asked to stop before is never started."""
        key = launch.key
        if not self._may_start(key):
            return True
        with self._starts.begin(key):
            return await self._start(key, launch)

    def _may_start(self, key: AttemptKey) -> bool:
        return key not in self._deletions and not self._starts.is_forbidden(key)

    async def _start(self, key: AttemptKey, launch: Launch) -> bool:
        try:
            spec = await self._configmaps.complete(key.experiment, launch.namespace, launch.spec)
            launch = replace(launch, spec=spec)
            kind = await self._watch_kind_of(launch)
            workload = WorkloadRef(kind, launch.namespace, workload_name(launch))
            body = manifest(launch, self._settings.sidecar, self._settings.policy)
        except MissingConfigMapError as error:
            return self._events.publish(Waiting(key, "NotFound", str(error)))
        except NoKindError as error:
            return self._events.publish(Waiting(key, "KindNotFound", str(error)))
        except (ManifestError, TemplateError, DocumentError) as error:
            return self._events.publish(Ended(key, Cause.SPAWN_FAILURE, None, str(error)))
        except ApiError as error:
            return self._events.publish(event_of_refusal(key, error))
        return await self._create(key, workload, with_owner(launch, body))

    async def stop(self, key: AttemptKey) -> None:
        """Delete the attempt's workload, gracefully; its end is yielded when all of its pods are
        gone. A start that still waits for its turn is withdrawn."""
        self._deletions.begin(key)

    async def watch(self) -> AsyncIterator[Event]:
        """What happens to the attempts of all experiments of the namespaces."""
        async for event in self._events.watch():
            yield event

    async def sweep(
        self,
        experiment: Identity,
        expected: Collection[AttemptKey],
        wanted: Callable[[AttemptKey], bool],
    ) -> None:
        """As the port says; a workload whose end was noticed is deleted, unless it is to be
        retained."""
        kind = await self._watch_experiment(experiment)
        if kind is None or not self._cache.synced(kind):
            return
        for key in expected:
            if key in self._cache.workloads:
                self._events.forget(key)
                self._observe(key)
            else:
                await self._look_up(kind, experiment, key)
        for key in self._cache.of(experiment.id):
            noticed = key not in expected or not self._events.has_ended(key)
            if noticed and not wanted(key) and not self._is_retained(key):
                await self.stop(key)

    def present(self) -> set[ExperimentId]:
        """As the port says: all that have a workload which is not to be retained."""
        return {
            experiment
            for experiment, keys in self._cache.attempts.items()
            if any(key not in self._deletions and not self._is_retained(key) for key in keys)
        }

    async def forget(self, experiment: Identity) -> None:
        """Delete the workloads that were retained."""
        await self._watch_experiment(experiment)
        for key in self._cache.of(experiment.id):
            await self.stop(key)
        self._kind_known.pop(experiment.id, None)
        self._kinds_of.pop(experiment.id, None)
        self._starts.forget(experiment.id)
        self._configmaps.forget(experiment.id)

    def log_path(self, key: AttemptKey) -> Path:
        """Where the log of an attempt without a collector of its own is written."""
        return self._logs.path(key)

    def followed_log(self, key: AttemptKey) -> FollowedLog | None:
        """The log that is written there; None if it is not followed, or not yet."""
        return self._logs.followed.get(key)

    async def _watch_experiment(self, experiment: Identity) -> Kind | None:
        """Watch the kind of the experiment's workloads; None if the cluster has no such kind, or
        does not answer."""
        problem = ""
        try:
            spec = await self._configmaps.complete(
                experiment.id, experiment.namespace, experiment.spec
            )
            kind = await self._kinds.find(*workload_kind(spec.trial_template))
            problem = await self._cache.watch(kind)
        except NoKindError:
            kind = None
        except (ApiError, ManifestError, DocumentError) as error:
            _log.warning("experiment %s: %s", experiment.name, error)
            return None
        if problem:
            _log.warning("experiment %s: %s", experiment.name, problem)
        self._note_kind(experiment.id, kind)
        return kind

    def _note_kind(self, experiment: ExperimentId, kind: Kind | None) -> None:
        self._kinds_of[experiment] = kind
        self._kind_known.setdefault(experiment, asyncio.Event()).set()

    async def _watch_kind_of(self, launch: Launch) -> Kind:
        """Raises NoKindError, ApiError."""
        kind = await self._kinds.find(*workload_kind(launch.spec.trial_template))
        await self._cache.watch(kind)
        self._note_kind(launch.key.experiment, kind)
        return kind

    async def _create(
        self, key: AttemptKey, workload: WorkloadRef, body: Mapping[str, Any]
    ) -> bool:
        def wanted() -> bool:
            if not self._may_start(key):
                return False
            self._starts.send(key)
            self._created[key] = workload
            return True

        path = workload.kind.path(workload.namespace)
        try:
            self._cache.add(await self._api.create(path, body, wanted=wanted))
        except WithdrawnError:
            return True
        except ConflictError:
            return await self._adopt(key, workload)
        except ApiError as error:
            if not isinstance(
                error, ApiUnavailableError
            ):  # else it may have been created all the same
                del self._created[key]
            return self._events.publish(event_of_refusal(key, error))
        return True

    async def _adopt(self, key: AttemptKey, workload: WorkloadRef) -> bool:
        """The name is taken: by this very attempt, when the answer to its creation was lost, or by
        something else."""
        try:
            obj = await self._api.get(workload.path)
        except ApiError as error:
            return self._events.publish(event_of_refusal(key, error))
        if key_of(obj) == key:
            self._cache.add(obj)
            return True
        del self._created[key]
        taken = f"the name {workload.name} is taken by a {workload.kind.kind}"
        message = f"{taken} that is not Trialstream's; delete or rename it"
        return self._events.publish(Ended(key, Cause.SPAWN_FAILURE, None, message))

    async def _look_up(self, kind: Kind, experiment: Identity, key: AttemptKey) -> None:
        """The attempt is expected and not seen: ask for it by name before it is given up as
        lost."""
        launch = Launch(key, experiment.name, experiment.namespace, experiment.spec, {})
        expected = WorkloadRef(kind, experiment.namespace, workload_name(launch))
        workload = self._created.get(key, expected)
        try:
            obj = await self._api.get(workload.path)
        except NotFoundError:
            if key not in self._cache.workloads:
                message = f"its {kind.kind} {workload.name} is not there any more"
                self._finish(Ended(key, Cause.LOST, None, message))
        except ApiError as error:
            _log.warning("%s: %s", workload.path, error)
        else:
            if key_of(obj) == key:
                self._cache.add(obj)

    def _observe(self, key: AttemptKey) -> None:
        self._observer.observe(key)

    def _handle_gone(self, workload: Workload) -> None:
        """The workload and all its pods are gone."""
        key = workload.key
        if self._events.has_ended(key):
            self._clear(key)
        elif key in self._deletions:
            self._finish(Ended(key, Cause.CANCELLED))
        else:
            message = f"its {workload.kind} {workload.name} was deleted, and not by Trialstream"
            self._finish(Ended(key, Cause.LOST, None, message))

    def _finish(self, end: Ended) -> None:
        """Publish the end of an attempt of which nothing is left."""
        self._events.publish(end)
        self._clear(end.key)

    def _clear(self, key: AttemptKey) -> None:
        self._events.forget(key)
        self._created.pop(key, None)
        self._observer.forget(key)
        self._deletions.forget(key)

    async def _delete(self, key: AttemptKey) -> None:
        """Ask the API server to delete the attempt's workload. Raises ApiError, NoKindError."""
        if key in self._starts:
            await self._starts.answered(key)
        else:
            await self._await_list(key)
        deleted = await self._delete_if_there(key)
        if not deleted and key not in self._cache.workloads:
            self._starts.forbid(key)
            self._finish(Ended(key, Cause.CANCELLED))

    async def _await_list(self, key: AttemptKey) -> None:
        """Wait until what is not seen of the attempt is not there. Raises ApiError while it may be.

        Of an experiment that nobody asks about any more the kind is never known.
        """
        if key in self._cache.workloads or key in self._created:
            return
        known = self._kind_known.setdefault(key.experiment, asyncio.Event())
        if not await wait(known, FORGOTTEN_SECONDS):
            await self._api.get("/api")  # is it only that the API server does not answer?
            self._kind_known.pop(key.experiment, None)
        kind = self._kinds_of.get(key.experiment)
        if kind is not None and not self._cache.synced(kind):
            message = f"{kind.root}/{kind.plural} could not be listed yet"
            raise ApiUnavailableError(0, "NotListed", message)

    async def _delete_if_there(self, key: AttemptKey) -> bool:
        """Was there something to delete?"""
        workload, created = self._cache.workloads.get(key), self._created.get(key)
        if workload is None:
            return created is not None and await self._api.delete(created.path)
        kind = await self._kinds.find(workload.api_version, workload.kind)
        path = kind.path(workload.namespace, workload.name)
        # Once it has ended nobody waits for its pods, so the server need not, either.
        propagation = "Background" if self._events.has_ended(key) else "Foreground"
        return await self._api.delete(path, uid=workload.uid, propagation=propagation)

    def troubles(self) -> Iterator[str]:
        """Why what happens to pods is not seen now."""
        return self._cache.troubles()

    def _is_retained(self, key: AttemptKey) -> bool:
        """Has it ended, and is its workload to be kept?"""
        rules = self._cache.workloads[key].rules
        return rules is not None and rules.retain and self._events.has_ended(key)

    def _close(self) -> None:
        self._cache.close()
        self._logs.close()
        self._deletions.close()
