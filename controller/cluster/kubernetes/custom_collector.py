"""Puts the user's own collector beside the container of a trial that it reads from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controller.cluster.kubernetes.policy import Policy, forbidden_fields
from controller.cluster.kubernetes.reading import list_of, text_of
from controller.cluster.kubernetes.sidecar import REPORTS
from controller.cluster.kubernetes.templates import PodTemplate
from events.spec.collector import REPORT_FILE, MetricsCollectorSpec
from events.spec.problem import Path, Problem

_NAME = "custom-collector"
_WHERE: Path = ("spec", "metricsCollectorSpec", "collector", "customCollector")


def add_custom_collector(
    pod: PodTemplate,
    spec: MetricsCollectorSpec,
    variables: Mapping[str, str],
    mounts: Sequence[dict[str, Any]],
) -> None:
    """Start it after our own collector, so that it is told of the trial's end before: what it has
    appended to the file of reports until it ends is delivered. `variables` describe the trial; the
    container's own win."""
    given = dict(spec.collector.custom_collector or {})
    ours = {**variables, REPORT_FILE: REPORTS}
    container = {
        "name": _NAME,
        **given,
        "restartPolicy": "Always",
        "env": [
            *({"name": name, "value": value.replace("$", "$$")} for name, value in ours.items()),
            *list_of(given, "env"),
        ],
        "volumeMounts": [*mounts, *list_of(given, "volumeMounts")],
    }
    before = list(pod.spec.get("initContainers") or [])
    pod.spec["initContainers"] = [*before[:1], container, *before[1:]]


def custom_collector_problems(spec: MetricsCollectorSpec, policy: Policy) -> Iterator[Problem]:
    """Why it could not run in a pod."""
    container = spec.collector.custom_collector
    if container is None:
        return
    for path, message in forbidden_fields(container, policy):
        yield Problem((*_WHERE, *path), message)
    if not text_of(container, "image"):
        yield Problem((*_WHERE, "image"), "is required on Kubernetes")
