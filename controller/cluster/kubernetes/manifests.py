"""A trial's template → the workload of one attempt, complete with marks and collector."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from controller.cluster import Launch
from controller.cluster.kubernetes.labels import RULES, Rules, labels, rules_written, workload_name
from controller.cluster.kubernetes.policy import Policy, refusals
from controller.cluster.kubernetes.sidecar import Sidecar, add_collector, can_collect
from controller.cluster.kubernetes.templates import CLOSED_KINDS, pod_templates, primary
from events.errors import RefusalError
from events.spec.collector import CollectorKind
from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import absent_names, substitute, template_values, written
from events.spec.problem import Path, Problem
from events.spec.template import TrialTemplate
from events.spec.yaml import text_of

INTEGERS = frozenset(
    {"replicas", "parallelism", "completions", "activeDeadlineSeconds", "numNodes", "numProcPerNode", "slotsPerWorker"}
)
"""Fields that a parameter may fill and that take no text. All others get text, as with Katib."""
TRAINING = "kubeflow.org/v1"
REPLICAS = ("tfReplicaSpecs", "pytorchReplicaSpecs", "mpiReplicaSpecs", "xgbReplicaSpecs", "mxReplicaSpecs")
_WHERE: Path = ("spec", "trialTemplate")


class ManifestError(RefusalError, ValueError):
    """The workload cannot be written; the message names the field."""


def manifest(
    launch: Launch, sidecar: Sidecar, policy: Policy, source: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The object to create; `source`: the template if it is not in the spec. Raises ManifestError, TemplateError."""
    template = launch.spec.trial_template
    name = workload_name(launch)
    values = template_values(template, launch.assignment, name, launch.namespace)
    said = {key: written(value) for key, value in values.items()}
    absent = absent_names(launch.spec, launch.assignment)
    tree: dict[str, Any] = _typed(substitute(source or template.trial_spec or {}, said, absent))
    for place, words in refusals(tree, policy):
        raise ManifestError(f"{text_of((*_WHERE, 'trialSpec', *place))}: {words}")
    _once(tree, template)
    _mark(tree, launch)
    rules = Rules(
        template.success_condition or "", template.failure_condition or "", template.primary_container_name or "",
        template.primary_pod_labels, _collect(tree, launch, sidecar), template.retain,
    )  # fmt: skip
    known = _dict(tree, "metadata")
    tree["metadata"] = {
        **known,
        "name": name,
        "namespace": launch.namespace,
        "labels": {**_dict(known, "labels"), **labels(launch)},
        "annotations": {**_dict(known, "annotations"), RULES: rules_written(rules)},
    }
    return tree


def problems(spec: ExperimentSpec, policy: Policy) -> Iterator[Problem]:
    """Why trials of `spec` could not run on Kubernetes."""
    template = spec.trial_template
    if template.command is not None:
        yield Problem((*_WHERE, "command"), "runs on one machine only; give trialSpec, which has an image")
    tree = template.trial_spec
    if tree is None:
        return
    for place, words in refusals(tree, policy):
        yield Problem((*_WHERE, "trialSpec", *place), words)
    if tree.get("kind") in CLOSED_KINDS:
        if spec.metrics_collector_spec.collector.kind is CollectorKind.FILE:
            where: Path = ("spec", "metricsCollectorSpec", "collector", "kind")
            yield Problem(where, f"File cannot be collected from a {tree['kind']}, whose pods are closed; use StdOut")
    elif not primary(_copied(tree), template):
        names = sorted({str(one.get("name")) for pod in pod_templates(_copied(tree)) for one in pod.containers})
        yield Problem(
            (*_WHERE, "primaryContainerName"),
            f"no pod with primaryPodLabels has a container {template.primary_container_name!r}; containers are: "
            f"{', '.join(names) or 'none'}",
        )


def _typed(tree: Any, key: str = "") -> Any:
    """Numbers where only numbers are taken, text where only text is."""
    match tree:
        case dict():
            return {name: _typed(value, name) for name, value in tree.items()}
        case list():
            return [written(one) if key in ("command", "args") and _is_scalar(one) else _typed(one) for one in tree]
        case str() if key in INTEGERS and tree.isdecimal():
            return int(tree)
        case _:
            return tree


def _is_scalar(one: Any) -> bool:
    return isinstance(one, bool | int | float)


def _once(tree: dict[str, Any], template: TrialTemplate) -> None:
    """Each attempt runs once: tries again are Trialstream's, and so is cleaning up."""
    if tree.get("apiVersion") == "batch/v1" and tree.get("kind") == "Job":
        spec = tree.setdefault("spec", {})
        spec["backoffLimit"] = 0
        spec["podReplacementPolicy"] = "Failed"
        limits = spec
    elif tree.get("apiVersion") == TRAINING:
        spec = tree.setdefault("spec", {})
        limits = spec.setdefault("runPolicy", {})
        limits["backoffLimit"] = 0
        for replicas in (_dict(spec, name) for name in REPLICAS):
            for replica in replicas.values():
                replica.setdefault("restartPolicy", "Never")
    else:
        return
    limits.pop("ttlSecondsAfterFinished", None)
    if template.timeout_seconds is not None:
        own = limits.get("activeDeadlineSeconds")
        ours = math.ceil(template.timeout_seconds)
        limits["activeDeadlineSeconds"] = min(own, ours) if isinstance(own, int) else ours


def _mark(tree: dict[str, Any], launch: Launch) -> None:
    """The pods are found by their labels; without a service account of its own, a pod has no token either."""
    for pod in pod_templates(tree):
        pod.metadata["labels"] = {**_dict(pod.metadata, "labels"), **labels(launch)}
        if not pod.argo and not {"serviceAccountName", "serviceAccount"} & pod.spec.keys():
            pod.spec.setdefault("automountServiceAccountToken", False)


def _collect(tree: dict[str, Any], launch: Launch, sidecar: Sidecar) -> bool:
    """Put a collector into each primary pod; False if there must be another way."""
    template = launch.spec.trial_template
    name = template.primary_container_name or ""
    pods = primary(tree, template)
    for pod in pods:
        container = pod.container(name)
        assert container is not None
        container["env"] = _environment(container, launch)
    hears = [can_collect(launch.spec.metrics_collector_spec, pod.container(name) or {}) for pod in pods]
    if not pods or not all(hears):
        return False
    for pod in pods:
        add_collector(pod, name, launch, sidecar, str(tree.get("apiVersion")))
    return True


def _environment(container: dict[str, Any], launch: Launch) -> list[Any]:
    """What a trial may want to know of itself; the template's own variables win."""
    ours = {
        "TRIALSTREAM_TRIAL": launch.name,
        "TRIALSTREAM_ATTEMPT": str(launch.key.attempt),
        "TRIALSTREAM_PARAMETERS": json.dumps(dict(launch.assignment)),
        "KATIB_TRIAL_NAME": launch.name,
    }
    listed = container.get("env") or []
    named = {one.get("name") for one in listed if isinstance(one, dict)}
    added = [{"name": name, "value": value.replace("$", "$$")} for name, value in ours.items() if name not in named]
    return [*added, *listed]


def _dict(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def _copied(tree: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = substitute(tree, _Anything())
    return copied


class _Anything(dict[str, str]):
    """Every placeholder stands for itself."""

    def __missing__(self, name: str) -> str:
        return f"${{trialParameters.{name}}}"
