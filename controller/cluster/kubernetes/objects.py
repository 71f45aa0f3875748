"""The objects Experiment and Trial, read once from the API's JSON into typed values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from controller.cluster.kubernetes.labels import EXPERIMENT_ID, TRIAL, Object
from controller.cluster.kubernetes.reading import dict_of, list_of
from events.ids import ExperimentId, TrialNumber
from events.spec.document import OURS

FINALIZER = "trialstream.io/experiment"
Condition = dict[str, Any]
"""As Kubernetes writes it: type, status, reason, message and times."""


@dataclass(frozen=True, slots=True)
class ExperimentObject:
    """An Experiment. Its uid is the id of the experiment."""

    id: ExperimentId
    api_version: str
    kind: str
    name: str
    namespace: str
    resource_version: str
    generation: int
    """The version of its spec."""
    created: str | None
    """When, as Kubernetes writes a time."""
    being_deleted: bool
    finalizers: tuple[str, ...]
    document: Mapping[str, Any]
    """What a person wrote: apiVersion, kind, metadata, spec."""
    status: Mapping[str, Any]

    @classmethod
    def read(cls, obj: Object) -> "ExperimentObject":
        metadata = obj["metadata"]
        return cls(
            id=ExperimentId(UUID(metadata["uid"])),
            api_version=str(obj.get("apiVersion")),
            kind=str(obj.get("kind")),
            name=metadata["name"],
            namespace=metadata.get("namespace", ""),
            resource_version=metadata.get("resourceVersion", ""),
            generation=metadata.get("generation", 0),
            created=metadata.get("creationTimestamp"),
            being_deleted=bool(metadata.get("deletionTimestamp")),
            finalizers=tuple(metadata.get("finalizers") or ()),
            document={name: obj.get(name) for name in ("apiVersion", "kind", "metadata", "spec")},
            status=dict_of(obj, "status"),
        )

    @property
    def reference(self) -> Object:
        """How an event names it."""
        return _reference(self.api_version, self.kind, self.name, self.namespace, self.id)

    @property
    def held(self) -> bool:
        """Does our finalizer keep it until `Experiments.release`?"""
        return FINALIZER in self.finalizers

    @property
    def conditions(self) -> list[Condition]:
        return _conditions(self.status)

    def with_conditions(self, conditions: Sequence[Condition]) -> "ExperimentObject":
        return replace(self, status={**self.status, "conditions": list(conditions)})


@dataclass(frozen=True, slots=True)
class TrialObject:
    """A Trial: it shows a live trial, or the best one."""

    experiment: ExperimentId
    number: TrialNumber
    name: str
    namespace: str
    uid: str
    status: Mapping[str, Any]

    @classmethod
    def read(cls, obj: Object) -> "TrialObject | None":
        """None if its labels do not say which trial it shows: people write them, too."""
        metadata = obj["metadata"]
        labels = metadata.get("labels") or {}
        try:
            experiment = ExperimentId(UUID(labels[EXPERIMENT_ID]))
            number = TrialNumber(int(labels[TRIAL]))
        except (KeyError, ValueError):
            return None
        return cls(
            experiment=experiment,
            number=number,
            name=metadata["name"],
            namespace=metadata.get("namespace", ""),
            uid=metadata["uid"],
            status=dict_of(obj, "status"),
        )

    @property
    def conditions(self) -> list[Condition]:
        return _conditions(self.status)

    @property
    def reference(self) -> Object:
        """How an event names it."""
        return _reference(OURS, "Trial", self.name, self.namespace, self.uid)


def _conditions(status: Mapping[str, Any]) -> list[Condition]:
    """Those that are conditions; people write a status, too."""
    return [one for one in list_of(status, "conditions") if _is_condition(one)]


def _is_condition(one: Condition) -> bool:
    named = isinstance(one.get("type"), str) and isinstance(one.get("status"), str)
    return named and not any(isinstance(value, dict | list) for value in one.values())


def _reference(version: str, kind: str, name: str, namespace: str, uid: object) -> Object:
    return {
        "apiVersion": version, "kind": kind, "name": name, "namespace": namespace, "uid": str(uid)
    }  # fmt: skip


def format_time(at: datetime) -> str:
    """A time as Kubernetes writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def set_condition(
    conditions: list[Condition],
    generation: int,
    at: datetime,
    kind: str,
    holds: bool,
    reason: str,
    message: str,
) -> list[Condition]:
    """As in Katib the last changed condition comes last; its transition time changes only with its
    status."""
    status = "True" if holds else "False"
    before = next((one for one in conditions if one.get("type") == kind), None)
    if before is not None and (before["status"], before.get("reason"), before.get("message")) == (
        status, reason, message,
    ):  # fmt: skip
        return conditions
    same = before is not None and before["status"] == status
    since = before.get("lastTransitionTime") if same and before else None
    changed = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": format_time(at),
        "lastTransitionTime": since or format_time(at),
        "observedGeneration": generation,
    }
    return [*(one for one in conditions if one is not before), changed]
