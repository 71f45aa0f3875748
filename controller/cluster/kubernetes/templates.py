"""Finds the pod templates in a workload of any kind; they may be changed in place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from events.spec.template import TrialTemplate

ARGO_CONTAINER = "main"
"""The name that Argo gives to a step's container."""
CLOSED_KINDS = frozenset({"TrainJob", "PipelineRun"})
"""Kinds without a pod template: their pods come from a runtime, or from steps."""
JOB_ROLE, REPLICA_TYPE = "training.kubeflow.org/job-role", "training.kubeflow.org/replica-type"
OPERATORS = ("training.kubeflow.org/", "jobset.sigs.k8s.io/", "batch.kubernetes.io/")
"""Operators put labels with these prefixes on pods; no template has them."""
MASTERS = ("Master", "Chief", "Launcher")


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """`spec` has initContainers, volumes and so on; `replica` is the field that holds it, such as
    Master."""

    metadata: dict[str, Any]
    spec: dict[str, Any]
    containers: list[dict[str, Any]]
    replica: str
    argo: bool = False

    def container(self, name: str) -> dict[str, Any] | None:
        """The container that has this name in the pod."""
        if self.argo:
            return self.containers[0] if name == ARGO_CONTAINER else None
        return next((one for one in self.containers if one.get("name") == name), None)


def pod_templates(tree: dict[str, Any]) -> list[PodTemplate]:
    """All of the workload; none for kinds without pod templates."""
    if tree.get("kind") in CLOSED_KINDS:
        return []
    if tree.get("kind") == "Workflow":
        return list(_steps(tree))
    return list(_find(tree, ""))


def primary_templates(tree: dict[str, Any], template: TrialTemplate) -> list[PodTemplate]:
    """Those with the primary container."""
    every = pod_templates(tree)
    led = any(one.replica in MASTERS for one in every)
    return [
        one
        for one in every
        if one.container(template.primary_container_name or "") is not None
        and all(
            _has_label(one, label, value, led)
            for label, value in template.primary_pod_labels.items()
        )
    ]


def _find(tree: Any, above: str) -> Iterator[PodTemplate]:
    if isinstance(tree, list):
        for one in tree:
            yield from _find(one, above)
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        spec = value.get("spec") if key == "template" and isinstance(value, dict) else None
        if isinstance(spec, dict) and _is_container_list(spec.get("containers")):
            yield PodTemplate(_metadata(value), spec, spec["containers"], above)
        else:
            yield from _find(value, key)


def _steps(tree: dict[str, Any]) -> Iterator[PodTemplate]:
    """Of an Argo workflow: each step with a container is a pod."""
    spec = tree.get("spec")
    listed = spec.get("templates") if isinstance(spec, dict) else None
    for one in listed if isinstance(listed, list) else ():
        container = one.get("container") if isinstance(one, dict) else None
        if isinstance(container, dict):
            yield PodTemplate(_metadata(one), one, [container], str(one.get("name")), argo=True)


def _is_container_list(listed: Any) -> bool:
    return isinstance(listed, list) and all(isinstance(one, dict) for one in listed)


def _metadata(template: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(template.get("metadata"), dict):
        template["metadata"] = {}
    found: dict[str, Any] = template["metadata"]
    return found


def _has_label(one: PodTemplate, label: str, value: str, led: bool) -> bool:
    """Will the pods of the template have the label?"""
    if label == JOB_ROLE and value == "master":
        return one.replica in MASTERS or (not led and one.replica == "Worker")
    if label == REPLICA_TYPE:
        return one.replica.lower() == value
    if label.startswith(OPERATORS):
        return True
    labels: Mapping[str, Any] = one.metadata.get("labels") or {}
    return labels.get(label) == value
