"""The volume in which a trial leaves its metrics: one that its template mounts there, or one that
is added."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from controller.cluster.kubernetes.reading import list_of, text_of
from controller.cluster.kubernetes.templates import PodTemplate, append
from events.spec.collector import CollectorKind, MetricsCollectorSpec
from events.spec.problem import Path, Problem

_NAME = "trialstream-metrics"
_PRIVATE = ("emptyDir", "ephemeral")
"""Kinds of volumes that each pod has of its own."""
_WHERE: Path = ("spec", "metricsCollectorSpec", "source", "fileSystemPath", "path")


def metrics_folder(spec: MetricsCollectorSpec) -> PurePosixPath:
    """The folder that has the file with the metrics, or the event files."""
    is_folder = spec.collector.kind is CollectorKind.TENSORFLOW_EVENT
    return PurePosixPath(spec.path) if is_folder else PurePosixPath(spec.path).parent


def metrics_mount(
    pod: PodTemplate, container: dict[str, Any], spec: MetricsCollectorSpec
) -> dict[str, Any]:
    """The mount by which a collector sees the folder; a volume is added unless the container has
    one there."""
    folder = metrics_folder(spec)
    if nearest := _nearest(container, folder):
        return {**nearest, "readOnly": True}
    mount = {"name": _NAME, "mountPath": str(folder)}
    append(container, "volumeMounts", mount)
    append(pod.spec, "volumes", {"name": _NAME, "emptyDir": {}})
    return {**mount, "readOnly": True}


def sharing_problems(
    pods: Sequence[PodTemplate], name: str, spec: MetricsCollectorSpec
) -> Iterator[Problem]:
    """Trials would find one another's metrics: their containers `name` have one folder of a volume
    that outlives them."""
    for pod in pods if spec.shares_path else ():
        mount = _nearest(pod.container(name) or {}, metrics_folder(spec))
        volumes = {text_of(one, "name"): one for one in list_of(pod.spec, "volumes")}
        volume = volumes.get(text_of(mount or {}, "name"))
        if mount is None or volume is None or _is_private(volume, mount):
            continue
        kind = next((kind for kind in volume if kind != "name"), "no kind")
        yield Problem(
            _WHERE,
            f"{spec.path!r} lies in the volume {volume.get('name')!r} ({kind}), which all trials "
            "share, so each would report what others have written; give its mount a folder for "
            "each trial, subPathExpr: $(TRIALSTREAM_TRIAL)-$(TRIALSTREAM_ATTEMPT), or use a path "
            "outside of it",
        )
        return


def _is_private(volume: dict[str, Any], mount: dict[str, Any]) -> bool:
    """Has each trial a volume of its own, or a folder of its own in it?"""
    if any(kind in volume for kind in _PRIVATE) or mount.get("subPathExpr"):
        return True
    return "${" in f"{volume} {mount.get('subPath')}"


def _nearest(container: dict[str, Any], folder: PurePosixPath) -> dict[str, Any] | None:
    """The container's mount in which the folder lies."""
    mounts = [
        one
        for one in list_of(container, "volumeMounts")
        if folder.is_relative_to(str(one.get("mountPath")))
    ]
    return max(mounts, key=lambda one: len(str(one["mountPath"])), default=None)
