"""Trials as workloads of Kubernetes: created once, watched, judged, deleted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controller.cluster import AttemptKey, Ended, Event, Launch, Started, Waiting
from controller.cluster.kubernetes import phases
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import ApiError, ApiUnavailableError, ConflictError, NotFoundError
from controller.cluster.kubernetes.causes import Over
from controller.cluster.kubernetes.configmaps import ConfigMaps
from controller.cluster.kubernetes.kinds import Kind, Kinds, NoKindError
from controller.cluster.kubernetes.labels import Object, Rules, key_of, rules_of, workload_name
from controller.cluster.kubernetes.logs import Logs
from controller.cluster.kubernetes.manifests import ManifestError, manifest
from controller.cluster.kubernetes.policy import DENY, Policy
from controller.cluster.kubernetes.refusals import refused
from controller.cluster.kubernetes.sidecar import COLLECTOR, Sidecar
from controller.cluster.kubernetes.workload_cache import WorkloadCache
from controller.core.experiment import Identity
from events.backoff import Backoff
from events.clock import now
from events.facts import Cause
from events.ids import ExperimentId
from events.spec.placeholders import TemplateError

DELETE_AGAIN_SECONDS = (0.5, 30.0)
OWNER = "trialstream.io/"
"""An experiment that came as a custom resource has an `origin` that begins so."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """Where an attempt's workload is, or would be."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        return self.kind.path(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Settings:
    """How trials run on Kubernetes. `namespaces`: those that are served; none = all."""

    sidecar: Sidecar
    policy: Policy = DENY
    namespaces: tuple[str, ...] = ()


class KubernetesCluster:
    """The Cluster port; see `controller.cluster` for its promises. Use `KubernetesCluster.open`.

    The workloads say themselves which attempt they are and how they are judged, so any controller can go on with them.
    """

    def __init__(self, api: Api, settings: Settings, logs: Path, tasks: asyncio.TaskGroup) -> None:
        self._api = api
        self._settings = settings
        self._tasks = tasks
        self._kinds = Kinds(api)
        self._configmaps = ConfigMaps(api)
        self._workload_cache = WorkloadCache(api, settings.namespaces, tasks, self._look, self._gone)
        self._logs = Logs(api, logs, tasks, self._look)
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._workloads: dict[AttemptKey, WorkloadRef] = {}
        """Of the attempts that were started here: they may not be seen yet."""
        self._introduced: dict[ExperimentId, asyncio.Event] = {}
        self._said: dict[AttemptKey, Event] = {}
        self._unwanted: dict[AttemptKey, asyncio.Task[None]] = {}
        self._ran: set[AttemptKey] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, api: Api, settings: Settings) -> AsyncIterator["KubernetesCluster"]:
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
        if key in self._unwanted:
            return True
        try:
            template = await self._configmaps.template(launch)
            kind = await self._kind(launch)
            workload = WorkloadRef(kind, launch.namespace, workload_name(launch))
            body = manifest(launch, self._settings.sidecar, self._settings.policy, template)
        except NoKindError as error:
            return self._say(Waiting(key, "KindNotFound", str(error)))
        except (ManifestError, TemplateError) as error:
            return self._say(Ended(key, Cause.SPAWN_FAILURE, None, str(error)))
        except ApiError as error:
            return self._say(refused(key, error))
        return await self._create(launch, workload, _owned(launch, body))

    async def stop(self, key: AttemptKey) -> None:
        """Delete the attempt's workload, gracefully; its end is told when all of its pods are gone."""
        await self._introduced.setdefault(key.experiment, asyncio.Event()).wait()
        if key not in self._unwanted:
            self._unwanted[key] = self._tasks.create_task(self._delete(key), name="delete a workload")

    async def watch(self) -> AsyncIterator[Event]:
        """What happens to the attempts of all experiments of the namespaces."""
        while True:
            yield await self._events.get()

    async def sweep(
        self, experiment: Identity, expected: Collection[AttemptKey], wanted: Callable[[AttemptKey], bool]
    ) -> None:
        """As the port says; what is over and was noticed is deleted, unless it is to be retained."""
        kind = await self._introduce(experiment)
        if kind is None or not self._workload_cache.synced(kind):
            return
        for key in expected:
            if key in self._workload_cache.workloads:
                self._said.pop(key, None)
                self._look(key)
            else:
                await self._missing(kind, experiment, key)
        for key in self._workload_cache.of(experiment.id):
            noticed = key not in expected or not self._is_over(key)
            if noticed and not wanted(key) and not self._rests(key):
                await self.stop(key)

    def present(self) -> set[ExperimentId]:
        """As the port says: all that have a workload which is not to be retained."""
        return {
            number
            for number, keys in self._workload_cache.attempts.items()
            if any(key not in self._unwanted and not self._rests(key) for key in keys)
        }

    async def forget(self, experiment: Identity) -> None:
        """Delete the workloads that were retained."""
        await self._introduce(experiment)
        for key in self._workload_cache.of(experiment.id):
            await self.stop(key)
        self._introduced.pop(experiment.id, None)
        self._configmaps.forget(experiment.id)

    def log_path(self, key: AttemptKey) -> Path:
        """Where the log of an attempt without a collector of its own is written."""
        return self._logs.path(key)

    async def _introduce(self, experiment: Identity) -> Kind | None:
        """Look at the kind of the experiment's workloads; None if the cluster has no such kind, or is away."""
        try:
            kind = await self._kinds.find(*self._configmaps.kind_of(experiment.id, experiment.spec.trial_template))
            trouble = await self._workload_cache.watch(kind)
        except NoKindError:
            kind, trouble = None, ""
        except ApiError as error:
            kind, trouble = None, error.message
        if trouble:
            _log.warning("experiment %s: %s", experiment.name, trouble)
        self._introduced.setdefault(experiment.id, asyncio.Event()).set()
        return kind

    async def _kind(self, launch: Launch) -> Kind:
        kind = await self._kinds.find(*self._configmaps.kind_of(launch.key.experiment, launch.spec.trial_template))
        await self._workload_cache.watch(kind)
        self._introduced.setdefault(launch.key.experiment, asyncio.Event()).set()
        return kind

    async def _create(self, launch: Launch, workload: WorkloadRef, body: Mapping[str, Any]) -> bool:
        key = launch.key
        self._workloads[key] = workload
        try:
            self._workload_cache.add(await self._api.create(workload.kind.path(workload.namespace), body))
        except ConflictError:
            return await self._adopt(key, workload)
        except ApiError as error:
            outcome = refused(key, error)
            if not isinstance(error, ApiUnavailableError):  # else it may have been created all the same
                del self._workloads[key]
            return self._say(outcome)
        return True

    async def _adopt(self, key: AttemptKey, workload: WorkloadRef) -> bool:
        """The name is taken: by this very attempt, when the answer to its creation was lost, or by something else."""
        try:
            there = await self._api.get(workload.path)
        except ApiError as error:
            return self._say(refused(key, error))
        if key_of(there) == key:
            self._workload_cache.add(there)
            return True
        del self._workloads[key]
        taken = f"the name {workload.name} is taken by a {workload.kind.kind}"
        words = f"{taken} that is not Trialstream's; delete or rename it"
        return self._say(Ended(key, Cause.SPAWN_FAILURE, None, words))

    def _say(self, event: Event) -> bool:
        """Tell it unless it was the last thing told; True if no later try will change it."""
        if self._said.get(event.key) != event:
            self._said[event.key] = event
            self._events.put_nowait(event)
        return not isinstance(event, Waiting)

    async def _missing(self, kind: Kind, experiment: Identity, key: AttemptKey) -> None:
        """It is expected and not seen: ask for it by name before it is given up."""
        launch = Launch(key, experiment.name, experiment.namespace, experiment.spec, {})
        workload = self._workloads.get(key) or WorkloadRef(kind, experiment.namespace, workload_name(launch))
        try:
            there = await self._api.get(workload.path)
        except NotFoundError:
            if key not in self._workload_cache.workloads:
                self._over(key, Ended(key, Cause.LOST, None, f"its {kind.kind} {workload.name} is not there any more"))
        except ApiError as error:
            _log.warning("%s: %s", workload.path, error)
        else:
            if key_of(there) == key:
                self._workload_cache.add(there)

    def _look(self, key: AttemptKey) -> None:
        """Judge what is seen of the attempt now, and tell what is new."""
        workload = self._workload_cache.workloads.get(key)
        rules = rules_of(workload) if workload else None
        if workload is None or rules is None or self._is_over(key):
            return
        pods = self._workload_cache.pods(key)
        match phases.phase(workload, pods, rules, now(), started=key in self._ran):
            case Over() as over:
                self._follow(key, pods, rules)
                if self._logs.complete(key):
                    collector = rules.sidecar and any(map(_collects, pods))
                    self._say(Ended(key, over.cause, over.exit_code, over.message, collector))
            case phases.Running():
                self._ran.add(key)
                self._follow(key, pods, rules)
                self._say(Started(key, rules.sidecar))
            case phases.Waiting(reason=reason, message=message) if reason:
                self._say(Waiting(key, reason, message))
            case _:
                pass

    def _follow(self, key: AttemptKey, pods: list[Object], rules: Rules) -> None:
        if not rules.sidecar:
            for pod in phases.primary_pods(pods, rules)[:1]:
                self._logs.follow(key, pod)

    def _gone(self, key: AttemptKey, workload: Object) -> None:
        """The workload and all its pods are gone."""
        if self._is_over(key):
            self._clear(key)
            return
        kind, name = workload.get("kind", "workload"), workload["metadata"]["name"]
        if key in self._unwanted:
            end = Ended(key, Cause.CANCELLED)
        else:
            end = Ended(key, Cause.LOST, None, f"its {kind} {name} was deleted, and not by Trialstream")
        self._over(key, end)

    def _over(self, key: AttemptKey, end: Ended) -> None:
        """Tell the end of an attempt of which nothing is left."""
        self._say(end)
        self._clear(key)

    def _clear(self, key: AttemptKey) -> None:
        for known in (self._said, self._workloads):
            known.pop(key, None)
        self._ran.discard(key)
        self._logs.forget(key)
        if task := self._unwanted.pop(key, None):
            task.cancel()

    async def _delete(self, key: AttemptKey) -> None:
        """Ask until the API server has taken it."""
        backoff = Backoff(*DELETE_AGAIN_SECONDS)
        while True:
            try:
                if not await self._delete_once(key) and key not in self._workload_cache.workloads:
                    self._over(key, Ended(key, Cause.CANCELLED))
                return
            except ApiError as error:
                _log.warning("attempt %s/%s cannot be deleted now: %s", key.trial, key.attempt, error)
            await asyncio.sleep(backoff.next())

    async def _delete_once(self, key: AttemptKey) -> bool:
        """Was there something to delete?"""
        workload, named = self._workload_cache.workloads.get(key), self._workloads.get(key)
        if workload is not None:
            kind = await self._kinds.find(workload["apiVersion"], workload["kind"])
            metadata = workload["metadata"]
            path = kind.path(metadata["namespace"], metadata["name"])
            # Nobody waits for the pods of what is over, so the server need not, either.
            propagation = "Background" if self._is_over(key) else "Foreground"
            return await self._api.delete(path, uid=metadata["uid"], propagation=propagation)
        return named is not None and await self._api.delete(named.path)

    def _is_over(self, key: AttemptKey) -> bool:
        return isinstance(self._said.get(key), Ended)

    def _rests(self, key: AttemptKey) -> bool:
        """Is it over, and to be retained?"""
        rules = rules_of(self._workload_cache.workloads[key])
        return rules is not None and rules.retain and self._is_over(key)

    def _close(self) -> None:
        self._workload_cache.close()
        self._logs.close()
        for task in self._unwanted.values():
            task.cancel()


def _owned(launch: Launch, body: dict[str, Any]) -> dict[str, Any]:
    """With the experiment as owner, if that is an object of the cluster: with it the workload is deleted."""
    origin = launch.origin or ""
    if not origin.endswith("/Experiment"):
        return body
    owner = {
        "apiVersion": origin.removesuffix("/Experiment"),
        "kind": "Experiment",
        "name": launch.experiment,
        "uid": str(launch.key.experiment),
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}}


def _collects(pod: Object) -> bool:
    """Does a collector run in it, that has not said yet that all is reported?"""
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    return any(one.get("name") == COLLECTOR and "running" in (one.get("state") or {}) for one in statuses)
