"""Brings the module `trialstream_report` into the pods of a trial that have no collector."""

from typing import Any

from controller.cluster.kubernetes.sidecar import (
    FOLDER,
    SECURITY,
    Sidecar,
    add_first,
    make_importable,
    share,
)
from controller.cluster.kubernetes.templates import PodTemplate

COPIER = "trialstream-report"
IN_IMAGE = "/opt/trialstream"
"""In the collector's image."""
COPIED = ("busybox", "tini", "report", "python")


def add_report_module(pod: PodTemplate, name: str, sidecar: Sidecar) -> None:
    """Let the container `name`, which runs the same program as the primary one, import the module.

    Its reports go nowhere: the first process of a group alone reports.
    """
    container = pod.container(name)
    if container is not None and container.get("command"):
        mount = share(pod, container)
        make_importable(container)
        add_first(pod, _copier(sidecar, mount), sidecar)


def _copier(sidecar: Sidecar, mount: dict[str, Any]) -> dict[str, Any]:
    files = [f"{IN_IMAGE}/{name}" for name in COPIED]
    return {
        "name": COPIER,
        "image": sidecar.image,
        "imagePullPolicy": sidecar.pull_policy,
        "command": [f"{IN_IMAGE}/busybox", "cp", "-r", *files, FOLDER],
        "resources": {"requests": dict(sidecar.requests), "limits": dict(sidecar.limits)},
        "volumeMounts": [mount],
        "securityContext": dict(SECURITY),
    }
