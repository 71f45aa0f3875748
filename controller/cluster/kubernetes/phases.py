"""The phase of an attempt, judged by its workload and its pods; pure, and with an answer for any
object."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from controller.cluster.kubernetes import causes
from controller.cluster.kubernetes.causes import Finished
from controller.cluster.kubernetes.labels import Object, Rules
from controller.cluster.kubernetes.pods import Pod
from controller.cluster.kubernetes.reading import dict_of, list_of, text_of, time_of
from events.facts import Cause
from events.spec.gjson import GjsonPath, PathError, parse
from events.spec.gjson_lookup import look_up
from events.spec.gjson_modifiers import MISSING

LINGER_SECONDS = 15.0
"""How long other containers of a pod may go on after the end of the primary one."""
PULL_SECONDS = 300.0
"""How long pulling images may take once the pod has a node."""
LOST_SECONDS = 60.0
"""How long after its grace a deleted pod may stay on a node that does not answer."""
HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
STUCK = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""Passes once somebody creates the ConfigMap or Secret that is missing."""
SUSPENDED_AGAIN = timedelta(seconds=60)
"""A suspension this long after the creation is not the first one."""


@dataclass(frozen=True, slots=True)
class Pending:
    """It does not run. `reason` is empty if nothing unusual delays it."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The primary container runs, or has run."""


Phase = Pending | Running | Finished


def phase(
    workload: Object, pods: Sequence[Object], rules: Rules, at: datetime, *, started: bool
) -> Phase:
    """`pods`: of this workload, also those that are gone; `started`: has it been seen running
    before?

    As in Katib the failure condition comes first, then the success condition; all else Katib does
    not look at.
    """
    primary = primary_pods(pods, rules)
    status = dict_of(workload, "status")
    deleted = bool(dict_of(workload, "metadata").get("deletionTimestamp"))
    try:
        failed, succeeded = (_holds(one, workload) for one in (rules.failure, rules.success))
    except PathError as error:
        return Finished(Cause.ERROR, None, f"a condition of its template cannot be asked: {error}")
    if failed is not None and not deleted:
        return causes.failure(failed, primary, [Pod(one, rules.container) for one in pods])
    if succeeded is not None:
        return Finished(Cause.COMPLETED, 0, "")
    alive = [pod for pod in primary if not pod.gone]
    if deleted:  # what happens to its pods now follows from the deletion
        return _lost(alive, at) or Pending()
    if _suspended(workload):
        return _while_suspended(workload, started)
    over = _lost(alive, at) or _lingering(alive, at) or _unstartable(alive, at)
    if over is not None:
        return over
    if any(pod.primary_ran for pod in alive) or (not primary and _says_running(status)):
        return Running()
    return next((pending for pod in alive if (pending := _pending(pod))), Pending())


def primary_pods(pods: Sequence[Object], rules: Rules) -> list[Pod]:
    """The pods that decide: those with the labels of the rules and a primary container."""
    found = [Pod(one, rules.container) for one in pods]
    return [
        pod for pod in found if pod.has_primary and rules.pod_labels.items() <= pod.labels.items()
    ]


@lru_cache(maxsize=1024)
def _parsed(path: str) -> "GjsonPath | None":
    try:
        return parse(path)
    except PathError:
        return None


def _holds(condition: str, workload: Object) -> dict[str, Any] | None:
    """The object that the condition leads to, as Katib reads it: a scalar never holds; None if it
    does not hold. Raises PathError."""
    path = _parsed(condition) if condition else None
    found = MISSING if path is None else look_up(path, dict(workload))
    if isinstance(found, list) and found:
        found = found[0] if isinstance(found[0], dict) else {}
    return found if isinstance(found, dict) else None


def _suspended(workload: Object) -> bool:
    spec = dict_of(workload, "spec")
    return spec.get("suspend") is True or dict_of(spec, "runPolicy").get("suspend") is True


def _while_suspended(workload: Object, started: bool) -> Phase:
    """The first suspension is a wait in a queue; a later one has removed the running pods."""
    suspensions = [
        time_of(one, "lastTransitionTime")
        for one in list_of(dict_of(workload, "status"), "conditions")
        if one.get("type") == "Suspended" and one.get("status") == "True"
    ]
    created = time_of(dict_of(workload, "metadata"), "creationTimestamp")
    later = created is not None and any(
        one is not None and one - created > SUSPENDED_AGAIN for one in suspensions
    )
    if started or later:
        return Finished(Cause.PREEMPTED, None, "it was suspended after it had started")
    queue = dict_of(dict_of(workload, "metadata"), "labels").get("kueue.x-k8s.io/queue-name")
    return Pending("Suspended", f"it waits in Kueue's queue {queue}" if queue else "")


def _lost(alive: Sequence[Pod], at: datetime) -> Finished | None:
    """A deleted pod that should be gone by now stays only because its node does not answer."""
    for pod in alive:
        deadline = pod.deadline
        if (
            deadline is not None
            and pod.unreachable
            and (at - deadline).total_seconds() > LOST_SECONDS
        ):
            return Finished(Cause.LOST, None, f"the node {pod.node} is lost")
    return None


def _lingering(alive: Sequence[Pod], at: datetime) -> Finished | None:
    """The primary containers have ended, but another one, such as a mesh's proxy, keeps their pods
    running."""
    held = [pod for pod in alive if pod.phase not in ("Succeeded", "Failed")]
    if not held or any(pod.phase != "Running" or not pod.ended_for_good for pod in held):
        return None
    ends = [pod.finished_at for pod in held]
    if any(end is None or (at - end).total_seconds() < LINGER_SECONDS for end in ends):
        return None
    worst = max(held, key=lambda pod: pod.exit_code != 0)
    return Finished(Cause.COMPLETED, 0, "") if worst.exit_code == 0 else causes.of_container(worst)


def _unstartable(alive: Sequence[Pod], at: datetime) -> Finished | None:
    for pod in (one for one in alive if not one.primary_ran):
        for name, reason, message in pod.obstacles:
            scheduled = pod.scheduled_at
            late = scheduled is not None and (at - scheduled).total_seconds() > PULL_SECONDS
            if reason in HOPELESS or (late and reason in PULLING | STUCK):
                return Finished(
                    Cause.SPAWN_FAILURE,
                    None,
                    f"the container {name} cannot start: {reason}: {message}",
                )
    return None


def _pending(pod: Pod) -> Pending | None:
    """Why a pod does not run yet, if that is unusual."""
    if pod.unschedulable is not None:
        return Pending("Unschedulable", pod.unschedulable)
    for name, reason, message in pod.obstacles:
        if reason in PULLING | STUCK:
            return Pending(reason, f"container {name}: {message}")
    return None


def _says_running(status: dict[str, Any]) -> bool:
    """Does the status of the workload say that it runs? For kinds whose pods cannot be found."""
    conditions = list_of(status, "conditions")
    jobs = list_of(status, "jobsStatus")
    return (
        any(one.get("type") == "Running" and one.get("status") == "True" for one in conditions)
        or any(isinstance(one.get("active"), int) and one["active"] > 0 for one in jobs)
        or text_of(status, "phase") == "Running"
        or (isinstance(status.get("ready"), int) and status["ready"] > 0)
    )
