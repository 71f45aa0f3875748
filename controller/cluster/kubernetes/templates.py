"""Finds the pod templates in a workload of any kind; they may be changed in place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from events.spec.template import TrialTemplate

ARGO_CONTAINER = "main"
"""The name that Argo gives to a step's container."""
CLOSED_KINDS = frozenset({"TrainJob", "PipelineRun"})
"""Kinds without a pod template: their pods come from a runtime, or from steps."""
MASTERS = ("Master", "Chief", "Launcher")
RAY_NODES = {"head": "headGroupSpec", "worker": "workerGroupSpecs"}
OWN_PODS = ("v1", "batch/v1", "apps/v1")
"""Kubernetes' own kinds: their pods have the labels of the template, and those of CONTROLLERS."""
CONTROLLERS = ("batch.kubernetes.io/", "apps.kubernetes.io/", "statefulset.kubernetes.io/")


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """`spec` has initContainers, volumes and so on; `replica` is the field that holds it, such as
    Master, or the name of the item of a list."""

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


def append(tree: dict[str, Any], field_name: str, value: Any) -> None:
    """Add the value to a list that may not be there yet."""
    listed = tree.get(field_name)
    tree[field_name] = [*(listed if isinstance(listed, list) else []), value]


def pod_templates(tree: dict[str, Any]) -> list[PodTemplate]:
    """All of the workload; none for kinds without pod templates."""
    if tree.get("kind") in CLOSED_KINDS:
        return []
    if tree.get("kind") == "Workflow":
        return list(_steps(tree))
    return list(_find(tree, ""))


def primary_templates(tree: dict[str, Any], template: TrialTemplate) -> list[PodTemplate]:
    """Those with the primary container and the primary pods' labels."""
    every = pod_templates(tree)
    own = tree.get("apiVersion") in OWN_PODS
    return [
        one
        for one in every
        if one.container(template.primary_container_name or "") is not None
        and all(
            _has_label(one, label, value, every, own)
            for label, value in template.primary_pod_labels.items()
        )
    ]


def _find(tree: Any, above: str) -> Iterator[PodTemplate]:
    if isinstance(tree, list):
        for one in tree:
            named = one.get("name") if isinstance(one, dict) else None
            yield from _find(one, named if isinstance(named, str) else above)
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


def _has_label(
    one: PodTemplate, label: str, value: str, every: Sequence[PodTemplate], own: bool
) -> bool:
    """Will the pods of the template have the label? `own`: no operator makes them.

    An operator may add any label that none of the templates has."""
    if label in _labels(one):
        return bool(_labels(one)[label] == value)
    match label:
        case "training.kubeflow.org/job-role" if value == "master":
            led = any(other.replica in MASTERS for other in every)
            return one.replica in MASTERS or (not led and one.replica == "Worker")
        case "training.kubeflow.org/replica-type" | "mpi-job-role":
            return one.replica.lower() == value
        case "ray.io/node-type" if value in RAY_NODES:
            return one.replica == RAY_NODES[value]
        case "volcano.sh/task-spec":
            return one.replica == value
    if own:
        return label.startswith(CONTROLLERS)
    return not any(label in _labels(other) for other in every)


def _labels(one: PodTemplate) -> Mapping[str, Any]:
    found = one.metadata.get("labels")
    return found if isinstance(found, Mapping) else {}
