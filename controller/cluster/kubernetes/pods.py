"""Reads a pod's object, whatever is missing or malformed in it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from controller.cluster.kubernetes.labels import RULES, Object
from controller.cluster.kubernetes.reading import dict_of, list_of, number_of, text_of, time_of

GONE = "gone"
"""Marks the last known object of a pod that is not there any more."""
UNREACHABLE = frozenset({"NodeLost", "NodeStatusUnknown", "NodeStatusNeverUpdated", "NodeNotReady"})
_METADATA = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


@dataclass(frozen=True)
class Pod:
    """`primary`: the name of the primary container."""

    obj: Object
    primary: str = ""

    @cached_property
    def _status(self) -> dict[str, Any]:
        return dict_of(self.obj, "status")

    @property
    def _metadata(self) -> dict[str, Any]:
        return dict_of(self.obj, "metadata")

    @property
    def name(self) -> str:
        return text_of(self._metadata, "name")

    @property
    def namespace(self) -> str:
        return text_of(self._metadata, "namespace")

    @property
    def created(self) -> str:
        """As the API writes it; these texts sort by time."""
        return text_of(self._metadata, "creationTimestamp")

    @property
    def labels(self) -> dict[str, Any]:
        return dict_of(self._metadata, "labels")

    @property
    def gone(self) -> bool:
        return bool(self.obj.get(GONE))

    @property
    def node(self) -> str:
        return text_of(dict_of(self.obj, "spec"), "nodeName")

    @property
    def phase(self) -> str:
        return text_of(self._status, "phase")

    @property
    def reason(self) -> str:
        return text_of(self._status, "reason")

    @property
    def message(self) -> str:
        return text_of(self._status, "message")

    @cached_property
    def containers(self) -> list[dict[str, Any]]:
        """The states of all containers, init containers and native sidecars first."""
        return list_of(self._status, "initContainerStatuses") + self.neighbours

    @property
    def neighbours(self) -> list[dict[str, Any]]:
        """The states of the primary container and of those beside it, without native sidecars."""
        return list_of(self._status, "containerStatuses")

    @property
    def has_primary(self) -> bool:
        named = {text_of(one, "name") for one in list_of(dict_of(self.obj, "spec"), "containers")}
        return self.primary in named or bool(self._main)

    @property
    def _main(self) -> dict[str, Any]:
        return next((one for one in self.neighbours if one.get("name") == self.primary), {})

    @property
    def terminated(self) -> dict[str, Any]:
        """How the primary container ended; empty if it has not."""
        return dict_of(dict_of(self._main, "state"), "terminated")

    @property
    def last_end(self) -> dict[str, Any]:
        """How it ended last; it may have been restarted since."""
        return self.terminated or dict_of(dict_of(self._main, "lastState"), "terminated")

    @property
    def primary_ran(self) -> bool:
        state = dict_of(self._main, "state")
        return "running" in state or "terminated" in state or dict_of(self._main, "lastState") != {}

    @property
    def exit_code(self) -> int | None:
        """The exit code of its last end."""
        return number_of(self.last_end, "exitCode")

    @property
    def finished_at(self) -> datetime | None:
        return time_of(self.terminated, "finishedAt")

    @property
    def ended_for_good(self) -> bool:
        """Has the primary container ended, and is not started again in this pod?"""
        again = text_of(dict_of(self.obj, "spec"), "restartPolicy")
        return (
            bool(self.terminated)
            and self.exit_code is not None
            and (again == "Never" or (again == "OnFailure" and self.exit_code == 0))
        )

    def condition(self, kind: str) -> dict[str, Any]:
        return next(
            (one for one in list_of(self._status, "conditions") if one.get("type") == kind), {}
        )

    @property
    def disruption(self) -> dict[str, Any]:
        found = self.condition("DisruptionTarget")
        return found if found.get("status") == "True" else {}

    @property
    def unschedulable(self) -> str | None:
        """Why the scheduler finds no node, in its own words; None if it has found one or still
        looks."""
        found = self.condition("PodScheduled")
        unfit = found.get("status") == "False" and found.get("reason") == "Unschedulable"
        return text_of(found, "message") if unfit else None

    @property
    def scheduled_at(self) -> datetime | None:
        found = self.condition("PodScheduled")
        return time_of(found, "lastTransitionTime") if found.get("status") == "True" else None

    @property
    def obstacles(self) -> Iterator[tuple[str, str, str]]:
        """Name, reason and message of the containers that wait for something."""
        for one in self.containers:
            waiting = dict_of(dict_of(one, "state"), "waiting")
            if waiting:
                yield text_of(one, "name"), text_of(waiting, "reason"), text_of(waiting, "message")

    @property
    def deadline(self) -> datetime | None:
        """When a pod that is being deleted should be gone (the deletion's time has the grace in
        it)."""
        return time_of(self._metadata, "deletionTimestamp")

    @property
    def unreachable(self) -> bool:
        ready = self.condition("Ready")
        return (
            self.disruption.get("reason") == "DeletionByTaintManager"
            or self.reason in UNREACHABLE
            or (ready.get("status") != "True" and text_of(ready, "reason") in UNREACHABLE)
        )


def keep_workload(obj: Object) -> dict[str, Any]:
    """The parts of a workload that `phases` and `Workload` read."""
    spec, metadata = dict_of(obj, "spec"), dict_of(obj, "metadata")
    rules = text_of(dict_of(metadata, "annotations"), RULES)
    return {
        "apiVersion": sys.intern(str(obj.get("apiVersion"))),
        "kind": sys.intern(str(obj.get("kind"))),
        "metadata": {
            **{name: metadata[name] for name in _METADATA if name in metadata},
            "labels": _interned(dict_of(metadata, "labels")),
            "annotations": {RULES: sys.intern(rules)} if rules else {},
        },
        "spec": {
            "suspend": spec.get("suspend"),
            "runPolicy": {"suspend": dict_of(spec, "runPolicy").get("suspend")},
        },
        "status": dict_of(obj, "status"),
    }


def keep_pod(obj: Object) -> dict[str, Any]:
    """The parts of a pod that are read here."""
    spec, status, metadata = dict_of(obj, "spec"), dict_of(obj, "status"), dict_of(obj, "metadata")
    return {
        "metadata": {
            **{name: metadata[name] for name in _METADATA if name in metadata},
            "labels": _interned(dict_of(metadata, "labels")),
        },
        "spec": {
            "nodeName": spec.get("nodeName"),
            "restartPolicy": spec.get("restartPolicy"),
            "containers": [
                {"name": sys.intern(text_of(one, "name"))} for one in list_of(spec, "containers")
            ],
        },
        "status": {
            **{name: status[name] for name in ("phase", "reason", "message") if name in status},
            "conditions": [
                {
                    name: value
                    for name, value in one.items()
                    if value is not None and name != "lastProbeTime"
                }
                for one in list_of(status, "conditions")
                if one.get("type") in ("PodScheduled", "DisruptionTarget", "Ready")
            ],
            **{
                name: [_keep_container(one) for one in list_of(status, name)]
                for name in ("initContainerStatuses", "containerStatuses")
            },
        },
    }


def _keep_container(status: dict[str, Any]) -> dict[str, Any]:
    return {
        name: status[name]
        for name in ("name", "state", "lastState", "restartCount")
        if name in status
    }


def _interned(labels: dict[str, Any]) -> dict[str, Any]:
    return {
        sys.intern(str(key)): sys.intern(value) if isinstance(value, str) else value
        for key, value in labels.items()
    }
