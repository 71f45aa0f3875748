"""Adds the collector to the pod of a trial's primary container."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import orjson

from controller.cluster import Launch
from controller.cluster.kubernetes.metrics_volume import metrics_folder, metrics_mount
from controller.cluster.kubernetes.templates import PodTemplate, append
from events.spec.collector import (
    COLLECTOR_USER,
    METRICS_PORT,
    REPORT_FILE,
    CollectorKind,
    MetricsCollectorSpec,
)

COLLECTOR = "trialstream-collector"
VOLUME, FOLDER = "trialstream", "/trialstream"
STDOUT = f"{FOLDER}/stdout"
REPORTS = f"{FOLDER}/reports.jsonl"
"""What a program has pushed."""
PORT = f"{FOLDER}/port"
"""Would name another port than the spec does; in a pod there is none."""
UNWRAPPED = (CollectorKind.PUSH, CollectorKind.PROMETHEUS, CollectorKind.CUSTOM)
"""Besides those with a path of their own: whatever the command is, there is something to read."""
DELIVERY_SECONDS = 0.5
"""Between two deliveries: stopping a pod takes seconds anyway, and thousands of collectors share
nodes and Kafka."""
WRAPPER = [f"{FOLDER}/tini", "-g", "--", f"{FOLDER}/run", STDOUT]
"""Put before a command whose output is collected; see deploy/image/run."""
IMPORTER = [f"{FOLDER}/tini", "-g", "--", f"{FOLDER}/report"]
"""Put before a command whose program pushes; see deploy/image/report."""
SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": COLLECTOR_USER,
    "runAsGroup": COLLECTOR_USER,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
REPLICA_LABELS = {
    "kubeflow.org/v1": "training.kubeflow.org/replica-index",
    "batch/v1": "batch.kubernetes.io/job-completion-index",
}
"""By apiVersion: the label with the index of one of several equal pods, of which only the first
reports."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The collector's container. `environment` says how to reach Kafka; `secret` names a Secret in
    the trial's namespace with more such variables, for example a password. Requests and limits are
    quantities; `options` are further ones of the collector's program."""

    image: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "10m", "memory": "48Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"memory": "128Mi"})
    options: tuple[str, ...] = ()


def can_collect(collector: MetricsCollectorSpec, container: Mapping[str, Any]) -> bool:
    """Can a collector read its metrics? Output only where the template has a command, which can be
    wrapped."""
    kind = collector.collector.kind
    return kind.has_path or kind in UNWRAPPED or bool(container.get("command"))


def add_collector(
    pod: PodTemplate, name: str, launch: Launch, sidecar: Sidecar, api_version: str
) -> list[dict[str, Any]]:
    """Add the collector to the pod template, beside the container `name`; what a collector of the
    user's has to mount."""
    container = pod.container(name)
    assert container is not None
    spec = launch.spec.metrics_collector_spec
    file, below, shared = STDOUT, "", [share(pod, container)]
    beside = [*shared]
    if spec.collector.kind is CollectorKind.PUSH:
        file = REPORTS
        append(container, "env", {"name": REPORT_FILE, "value": file})
        make_importable(container)
    elif spec.collector.kind is CollectorKind.CUSTOM:
        file = REPORTS
        if spec.shares_path:
            beside.append(metrics_mount(pod, container, spec))
    elif spec.collector.kind is CollectorKind.PROMETHEUS:
        file = PORT
        port = {"name": METRICS_PORT, "value": str(spec.http_get.port_number)}
        container["env"] = [port, *(container.get("env") or [])]  # others may refer to it
    elif spec.collector.kind.has_path:
        file = spec.path
        shared.append(metrics_mount(pod, container, spec))
        below = str(shared[-1]["mountPath"])
    else:
        container["command"] = [*WRAPPER, *container["command"]]
    add_first(pod, _collector(launch, sidecar, file, below, shared, api_version), sidecar)
    return beside


def share(pod: PodTemplate, container: dict[str, Any]) -> dict[str, Any]:
    """Give the container our volume; its mount."""
    mount = {"name": VOLUME, "mountPath": FOLDER}
    append(container, "volumeMounts", mount)
    append(pod.spec, "volumes", {"name": VOLUME, "emptyDir": {}})
    return mount


def make_importable(container: dict[str, Any]) -> None:
    """Let its program import `trialstream_report`. Of an image's own command nothing is known, and
    its PYTHONPATH would be lost: there the module must be installed."""
    if container.get("command"):
        container["command"] = [*IMPORTER, *container["command"]]


def add_first(pod: PodTemplate, container: dict[str, Any], sidecar: Sidecar) -> None:
    """Add a container of the sidecar's image that starts before all others."""
    pod.spec["initContainers"] = [container, *(pod.spec.get("initContainers") or [])]
    for secret in () if pod.argo else sidecar.pull_secrets:
        append(pod.spec, "imagePullSecrets", {"name": secret})


def _collector(
    launch: Launch,
    sidecar: Sidecar,
    file: str,
    below: str,
    mounts: list[dict[str, Any]],
    api_version: str,
) -> dict[str, Any]:
    described = {"TRIALSTREAM_TRIAL": launch.name, "TRIALSTREAM_ATTEMPT": str(launch.key.attempt)}
    environment: list[dict[str, Any]] = [  # a mount may name a folder after the trial
        {"name": name, "value": value}
        for name, value in {**sidecar.environment, **described}.items()
    ]
    if label := REPLICA_LABELS.get(api_version):
        source = {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}}
        environment.append({"name": "TRIALSTREAM_REPLICA", "valueFrom": source})
    written: dict[str, Any] = {
        "name": COLLECTOR,
        "image": sidecar.image,
        "imagePullPolicy": sidecar.pull_policy,
        "restartPolicy": "Always",
        "args": [*_arguments(launch, file, below), *sidecar.options],
        "env": environment,
        "resources": {"requests": dict(sidecar.requests), "limits": dict(sidecar.limits)},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": dict(SECURITY),
    }
    if sidecar.secret:
        written["envFrom"] = [{"secretRef": {"name": sidecar.secret}}]
    return written


def _arguments(launch: Launch, file: str, below: str) -> list[str]:
    """For `collectors.command`. Each `$` is doubled, because Kubernetes expands single ones.
    `below` is the mount that has the file; left out where a collector, which may be of an older
    image, takes it to be so by itself."""
    key, spec = launch.key, launch.spec.metrics_collector_spec
    assert launch.shard is not None
    spec_json = orjson.dumps(
        spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    ).decode()
    words = [
        "--experiment", str(key.experiment), "--trial", str(key.trial), "--attempt",
        str(key.attempt),
        "--shard", str(launch.shard), "--spec", spec_json,
        *(word for metric in launch.spec.metrics for word in ("--metric", metric)),
        "--file", file, "--spool", f"{FOLDER}/spool", "--linger", str(DELIVERY_SECONDS),
    ]  # fmt: skip
    if below and PurePosixPath(below) != metrics_folder(spec):
        words += ["--below", below]
    return [word.replace("$", "$$") for word in words]
