"""What a workload has to be like where Trialstream adds to it; the rest is the API server's to
check."""

from collections.abc import Iterator, Mapping
from typing import Any

from controller.cluster.kubernetes.templates import pod_templates
from events.spec.problem import Path, Problem

TRAINING = "kubeflow.org/v1"
REPLICAS = (
    "tfReplicaSpecs",
    "pytorchReplicaSpecs",
    "mpiReplicaSpecs",
    "xgbReplicaSpecs",
    "mxReplicaSpecs",
)
_OF_A_POD = ("initContainers", "volumes", "imagePullSecrets")
_OF_A_CONTAINER = ("env", "volumeMounts")
_MAPPING, _OBJECTS, _WORDS = "must be a mapping", "must be a list of mappings", "must be a list"


def shape_problems(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """The fields of a workload that are not what Kubernetes takes there; paths begin in it.

    A list of a pod has the place of its name alone: pods are found wherever they stand."""
    yield from _spec_problems(tree)
    for pod in pod_templates(dict(tree)):
        fields = [(pod.spec, name) for name in _OF_A_POD]
        for container in pod.containers:
            fields += [(container, name) for name in _OF_A_CONTAINER]
            if not isinstance(container.get("command"), list | None):
                yield Problem(("command",), _WORDS)
        for holder, name in fields:
            if not _is_list_of_mappings(holder.get(name)):
                yield Problem((name,), _OBJECTS)


def _spec_problems(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Of a Job and of the training operator's kinds, whose retries are turned off."""
    if tree.get("apiVersion") not in (TRAINING, "batch/v1"):
        return
    spec = tree.get("spec", {})
    if not isinstance(spec, dict):
        yield Problem(("spec",), _MAPPING)
        return
    for name in ("runPolicy", *REPLICAS):
        found = spec.get(name, {})
        if not isinstance(found, dict):
            yield Problem(("spec", name), _MAPPING)
        elif name != "runPolicy":
            for replica, one in found.items():
                if not isinstance(one, dict):
                    where: Path = ("spec", name, str(replica))
                    yield Problem(where, _MAPPING)


def _is_list_of_mappings(found: Any) -> bool:
    return found is None or (
        isinstance(found, list) and all(isinstance(one, dict) for one in found)
    )
