"""What has become of an attempt, judged by its workload and its pods: pure, and never at a loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from controller.cluster.kubernetes import causes
from controller.cluster.kubernetes.causes import Over
from controller.cluster.kubernetes.gjson import MISSING, Path, PathError, look_up, parse
from controller.cluster.kubernetes.labels import Object, Rules
from controller.cluster.kubernetes.pods import (
    Pod,
    dict_of,
    list_of,
    text_of,
    time_of,
)
from events.facts import Cause

LINGER_SECONDS = 15.0
"""After the end of the primary container for which others of its pod may go on before they are cut off."""
PULL_SECONDS = 300.0
"""After a pod has its node in which its images must have come."""
LOST_SECONDS = 60.0
"""After the grace of a pod that is deleted, on a node that does not answer."""
HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
STUCK = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""What may pass once somebody makes the ConfigMap or Secret that is missing."""
SUSPENDED_AGAIN = timedelta(seconds=60)
"""A suspension so long after the creation is not the first one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """It does not run. `reason` is empty if nothing unusual keeps it."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The primary container runs, or has run."""


Phase = Waiting | Running | Over


def phase(workload: Object, pods: Sequence[Object], rules: Rules, at: datetime, *, started: bool) -> Phase:
    """`pods`: of this workload, also those that are gone; `started`: has it been seen running before?

    Katib's order: the failure condition, then the success condition, then what Katib never looks at.
    """
    primary = primary_pods(pods, rules)
    status = dict_of(workload, "status")
    doomed = bool(dict_of(workload, "metadata").get("deletionTimestamp"))
    failed = _holds(rules.failure, workload)
    if failed is not None and not doomed:
        return causes.failure(failed, primary, [Pod(one, rules.container) for one in pods])
    if _holds(rules.success, workload) is not None:
        return Over(Cause.COMPLETED, 0, "")
    alive = [pod for pod in primary if not pod.gone]
    if doomed:  # what becomes of it now is our doing, or its deleter's
        return _lost(alive, at) or Waiting()
    if _suspended(workload):
        return _while_suspended(workload, started)
    over = _lost(alive, at) or _lingering(alive, at) or _unstartable(alive, at)
    if over is not None:
        return over
    if any(pod.primary_ran for pod in alive) or (not primary and _says_running(status)):
        return Running()
    return next((waiting for pod in alive if (waiting := _waits(pod))), Waiting())


def primary_pods(pods: Sequence[Object], rules: Rules) -> list[Pod]:
    """Those that decide: with the labels of the rules, and a primary container."""
    found = [Pod(one, rules.container) for one in pods]
    return [pod for pod in found if pod.has_primary and rules.pod_labels.items() <= pod.labels.items()]


@lru_cache(maxsize=1024)
def _parsed(path: str) -> "Path | None":
    try:
        return parse(path)
    except PathError:
        return None


def _holds(condition: str, workload: Object) -> dict[str, Any] | None:
    """The object that the condition leads to, as Katib reads it: a scalar never holds; None if it does not hold."""
    path = _parsed(condition) if condition else None
    found = MISSING if path is None else look_up(path, dict(workload))
    if isinstance(found, list) and found:
        found = found[0] if isinstance(found[0], dict) else {}
    return found if isinstance(found, dict) else None


def _suspended(workload: Object) -> bool:
    spec = dict_of(workload, "spec")
    return spec.get("suspend") is True or dict_of(spec, "runPolicy").get("suspend") is True


def _while_suspended(workload: Object, started: bool) -> Phase:
    """The first suspension is a queue; one after a start has taken the pods away."""
    suspensions = [
        time_of(one, "lastTransitionTime")
        for one in list_of(dict_of(workload, "status"), "conditions")
        if one.get("type") == "Suspended" and one.get("status") == "True"
    ]
    created = time_of(dict_of(workload, "metadata"), "creationTimestamp")
    later = created is not None and any(one is not None and one - created > SUSPENDED_AGAIN for one in suspensions)
    if started or later:
        return Over(Cause.PREEMPTED, None, "it was suspended after it had started")
    queue = dict_of(dict_of(workload, "metadata"), "labels").get("kueue.x-k8s.io/queue-name")
    return Waiting("Suspended", f"it waits in Kueue's queue {queue}" if queue else "")


def _lost(alive: Sequence[Pod], at: datetime) -> Over | None:
    """A pod that should be gone long since stays only because nobody answers on its node."""
    for pod in alive:
        deadline = pod.deadline
        if deadline is not None and pod.unreachable and (at - deadline).total_seconds() > LOST_SECONDS:
            return Over(Cause.LOST, None, f"the node {pod.node} is lost")
    return None


def _lingering(alive: Sequence[Pod], at: datetime) -> Over | None:
    """The primary containers have ended, but another container holds their pods open, such as a mesh's proxy."""
    held = [pod for pod in alive if pod.phase not in ("Succeeded", "Failed")]
    if not held or any(pod.phase != "Running" or not pod.ended_for_good for pod in held):
        return None
    ends = [pod.finished_at for pod in held]
    if any(end is None or (at - end).total_seconds() < LINGER_SECONDS for end in ends):
        return None
    worst = max(held, key=lambda pod: pod.exit_code != 0)
    return Over(Cause.COMPLETED, 0, "") if worst.exit_code == 0 else causes.of_container(worst)


def _unstartable(alive: Sequence[Pod], at: datetime) -> Over | None:
    for pod in (one for one in alive if not one.primary_ran):
        for name, reason, message in pod.obstacles:
            scheduled = pod.scheduled_at
            late = scheduled is not None and (at - scheduled).total_seconds() > PULL_SECONDS
            if reason in HOPELESS or (late and reason in PULLING | STUCK):
                return Over(Cause.SPAWN_FAILURE, None, f"the container {name} cannot start: {reason}: {message}")
    return None


def _waits(pod: Pod) -> Waiting | None:
    """What is unusual about a pod that does not run yet."""
    if pod.unschedulable is not None:
        return Waiting("Unschedulable", pod.unschedulable)
    for name, reason, message in pod.obstacles:
        if reason in PULLING | STUCK:
            return Waiting(reason, f"container {name}: {message}")
    return None


def _says_running(status: dict[str, Any]) -> bool:
    """Does the workload itself say that it runs, where its pods cannot be told?"""
    conditions = list_of(status, "conditions")
    jobs = list_of(status, "jobsStatus")
    return (
        any(one.get("type") == "Running" and one.get("status") == "True" for one in conditions)
        or any(isinstance(one.get("active"), int) and one["active"] > 0 for one in jobs)
        or text_of(status, "phase") == "Running"
        or (isinstance(status.get("ready"), int) and status["ready"] > 0)
    )
