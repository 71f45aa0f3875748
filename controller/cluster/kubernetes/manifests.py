"""A trial's template → the workload of one attempt, with its labels and the collector."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from controller.cluster import Launch
from controller.cluster.kubernetes.custom_collector import (
    add_custom_collector,
    custom_collector_problems,
)
from controller.cluster.kubernetes.labels import RULES, Rules, labels_of, workload_name, write_rules
from controller.cluster.kubernetes.manifest_validation import REPLICAS, TRAINING, shape_problems
from controller.cluster.kubernetes.metrics_volume import sharing_problems
from controller.cluster.kubernetes.pod_numbering import (
    number_pods,
    numbering_problems,
    numbering_warnings,
)
from controller.cluster.kubernetes.policy import USER_MAPS, Policy, forbidden_fields
from controller.cluster.kubernetes.report_module import add_report_module
from controller.cluster.kubernetes.sidecar import UNWRAPPED, Sidecar, add_collector, can_collect
from controller.cluster.kubernetes.templates import CLOSED_KINDS, pod_templates, primary_templates
from controller.cluster.variables import describing_variables
from events.errors import RefusalError
from events.spec.collector import CollectorKind
from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import absent_names, substitute, template_values, written
from events.spec.problem import Path, Problem, text_of
from events.spec.template import TrialTemplate
from events.spec.text_template import Unquoted
from events.spec.yaml import DocumentError

INTEGERS = frozenset(
    {
        "replicas",
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "numNodes",
        "numProcPerNode",
        "slotsPerWorker",
    }
)
"""Fields that take an integer where a parameter fills them; all others get text, as with Katib."""
LONGEST_INTEGER = 18
"""Digits; what has more fits into no field of Kubernetes."""
_WHERE: Path = ("spec", "trialTemplate")


class ManifestError(RefusalError, ValueError):
    """The workload cannot be written; the message names the field."""


def manifest(launch: Launch, sidecar: Sidecar, policy: Policy) -> dict[str, Any]:
    """The object to create; its template has been read. Raises ManifestError, TemplateError."""
    template = launch.spec.trial_template
    name = workload_name(launch)
    values = template_values(template, launch.assignment, name, launch.namespace)
    texts = {key: written(value) for key, value in values.items()}
    absent = absent_names(launch.spec, launch.assignment)
    tree: dict[str, Any] = _with_types(substitute(_source(template), texts, absent))
    for path, message in forbidden_fields(tree, policy):
        raise ManifestError(f"{text_of((*template.manifest_place, *path))}: {message}")
    for problem in shape_problems(tree):
        where = text_of((*template.manifest_place, *problem.path))
        raise ManifestError(f"{where}: {problem.message}")
    _run_once(tree, template)
    _label_pods(tree, launch)
    rules = Rules(
        template.success_condition or "", template.failure_condition or "",
        template.primary_container_name or "",
        template.primary_pod_labels, _add_collectors(tree, launch, sidecar), template.retain,
    )  # fmt: skip
    metadata = _dict(tree, "metadata")
    tree["metadata"] = {
        **metadata,
        "name": name,
        "namespace": launch.namespace,
        "labels": {**_dict(metadata, "labels"), **labels_of(launch)},
        "annotations": {**_dict(metadata, "annotations"), RULES: write_rules(rules)},
    }
    return tree


def workload_problems(spec: ExperimentSpec, policy: Policy) -> Iterator[Problem]:
    """Why trials of `spec` could not run on Kubernetes."""
    template = spec.trial_template
    if template.command is not None:
        yield Problem(
            (*_WHERE, "command"), "runs on one machine only; give trialSpec, which has an image"
        )
    tree = template.manifest
    if tree is None:
        return
    for path, message in forbidden_fields(tree, policy):
        yield Problem((*template.manifest_place, *path), message)
    for problem in shape_problems(_copied(tree)):
        yield Problem((*template.manifest_place, *problem.path), problem.message)
    yield from custom_collector_problems(spec.metrics_collector_spec, policy)
    if spec.metrics_collector_spec.expects_metrics:
        for problem in numbering_problems(tree):
            yield Problem((*template.manifest_place, *problem.path), problem.message)
    if tree.get("kind") in CLOSED_KINDS:
        kind = spec.metrics_collector_spec.collector.kind
        if kind.has_path or kind in UNWRAPPED:
            where: Path = ("spec", "metricsCollectorSpec", "collector", "kind")
            yield Problem(
                where,
                f"a {tree['kind']} cannot be collected from with {kind.value}, because its pods "
                "cannot be changed; use StdOut",
            )
    elif pods := primary_templates(_copied(tree), template):
        name = template.primary_container_name or ""
        yield from sharing_problems(pods, name, spec.metrics_collector_spec)
    else:
        yield _no_primary(_copied(tree), template)


def workload_warnings(spec: ExperimentSpec, workload: dict[str, Any]) -> list[str]:
    """What is to be known of a workload of a valid `spec`."""
    if not spec.metrics_collector_spec.expects_metrics:
        return []
    primary = primary_templates(workload, spec.trial_template)
    return list(numbering_warnings(workload, primary))


def _source(template: TrialTemplate) -> dict[str, Any]:
    """Raises ManifestError."""
    try:
        return template.manifest or {}
    except DocumentError as error:
        raise ManifestError(f"{text_of(template.manifest_place)}: {error}") from None


def _no_primary(tree: dict[str, Any], template: TrialTemplate) -> Problem:
    """Why no pod template is the primary one."""
    name, pods = template.primary_container_name, pod_templates(tree)
    if any(pod.container(name or "") is not None for pod in pods):
        labels = ", ".join(f"{key}: {value}" for key, value in template.primary_pod_labels.items())
        return Problem(
            (*_WHERE, "primaryPodLabels"),
            f"no pod with the container {name!r} has the labels {labels}; add them to the "
            "metadata of its template, or remove primaryPodLabels",
        )
    names = sorted({str(one.get("name")) for pod in pods for one in pod.containers})
    return Problem(
        (*_WHERE, "primaryContainerName"),
        f"no pod has a container {name!r}; containers are: {', '.join(names) or 'none'}",
    )


def with_owner(launch: Launch, body: dict[str, Any]) -> dict[str, Any]:
    """Make the experiment the owner if it is an object of the cluster: its deletion then deletes
    the workload."""
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


def _with_types(tree: Any, key: str = "", above: str = "") -> Any:
    """Give the field `key` of the field `above` the type that Kubernetes takes: an integer, or
    text."""
    match tree:
        case dict():
            return {name: _with_types(value, name, key) for name, value in tree.items()}
        case list():
            return [_with_types(one, key, above) for one in tree]
        case bool() | int() | float() if key in ("command", "args"):
            return written(tree)
        case str() if key in INTEGERS and tree.isdecimal() and len(tree) <= LONGEST_INTEGER:
            return int(tree)
        case Unquoted():
            return str(tree) if _takes_text(key, above) else tree.resolved()
        case _:
            return tree


def _takes_text(key: str, above: str) -> bool:
    """Does the field take text alone, so that a number without quotes is text, too?"""
    return key in ("command", "args") or above in USER_MAPS or (above, key) == ("env", "value")


def _run_once(tree: dict[str, Any], template: TrialTemplate) -> None:
    """Turn off retries and cleanup by Kubernetes: both are done by Trialstream."""
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


def _label_pods(tree: dict[str, Any], launch: Launch) -> None:
    """Label the pods, by which they are found; those without a service account of their own get no
    token."""
    for pod in pod_templates(tree):
        pod.metadata["labels"] = {**_dict(pod.metadata, "labels"), **labels_of(launch)}
        if not pod.argo and not {"serviceAccountName", "serviceAccount"} & pod.spec.keys():
            pod.spec.setdefault("automountServiceAccountToken", False)


def _add_collectors(tree: dict[str, Any], launch: Launch, sidecar: Sidecar) -> bool:
    """Add a collector to each primary pod; False if that cannot be done, and the log is to be
    followed."""
    template = launch.spec.trial_template
    name = template.primary_container_name or ""
    pods = primary_templates(tree, template)
    for pod in pods:
        container = pod.container(name)
        assert container is not None
        container["env"] = _environment(container, launch)
    if not launch.spec.metrics_collector_spec.expects_metrics:
        return True  # nor does anybody follow its log
    number_pods(tree)
    collectable = [
        can_collect(launch.spec.metrics_collector_spec, pod.container(name) or {}) for pod in pods
    ]
    if not pods or not all(collectable):
        return False
    if launch.spec.metrics_collector_spec.collector.kind is CollectorKind.PUSH:
        own = [id(pod.spec) for pod in pods]
        for pod in pod_templates(tree):
            if not pod.argo and id(pod.spec) not in own:
                add_report_module(pod, name, sidecar)
    collector = launch.spec.metrics_collector_spec
    for pod in pods:
        mounts = add_collector(pod, name, launch, sidecar, str(tree.get("apiVersion")))
        if collector.collector.kind is CollectorKind.CUSTOM:
            add_custom_collector(pod, collector, _variables(launch), mounts)
    return True


def _variables(launch: Launch) -> dict[str, str]:
    return {
        **describing_variables(launch),
        "PYTHONUNBUFFERED": "1",  # else what is printed to a file comes when it ends
    }


def _environment(container: dict[str, Any], launch: Launch) -> list[Any]:
    """The container's variables with those that describe the trial; the template's own win."""
    ours = _variables(launch)
    listed = container.get("env") or []
    named = {str(one.get("name")) for one in listed if isinstance(one, dict)}
    added = [
        {"name": name, "value": value.replace("$", "$$")}
        for name, value in ours.items()
        if name not in named
    ]
    return [*added, *listed]


def _dict(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def _copied(tree: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = substitute(tree, _Anything())
    return copied


class _Anything(dict[str, str]):
    """The value of every placeholder is the placeholder itself."""

    def __missing__(self, name: str) -> str:
        return f"${{trialParameters.{name}}}"
