"""Why a workload failed: its cause, found in its pods, because each cause has its own retry
rule."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controller.cluster.kubernetes.pods import Pod
from controller.cluster.kubernetes.reading import dict_of, number_of, text_of
from events.facts import Cause

EVICTIONS = frozenset({"PreemptionByScheduler", "EvictionByEvictionAPI", "TerminationByKubelet"})
NODE_LOST = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
OWN_DISK = ("exceeds the limit", "exceeds the total limit", "exceeded its local ephemeral")
"""Parts of the kubelet's message when a pod is evicted because it used more disk than its own
limits allow."""
DEADLINE_REASONS = frozenset({"DeadlineExceeded", "PipelineRunTimeout"})
DEADLINE_MESSAGE = "longer than specified deadline"
"""The training operator has one reason for all failures; only its message tells that it was a
deadline."""
START_FAILURES = frozenset({"StartError", "ContainerCannotRun"})
POWER_LOST = 255
"""The exit code of all containers of a node that lost its power."""
TOOLS = "/trialstream/"
"""Where the collector puts the program that wraps the command: on a very slow node it may be there
too late."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt has ended."""

    cause: Cause
    exit_code: int | None
    message: str


def failure(condition: dict[str, Any], primary: Sequence[Pod], pods: Sequence[Pod]) -> Finished:
    """The end of a workload whose failure condition holds; `condition` is the object that it led
    to.

    Pods tell the cause more exactly than the condition does. Of primary pods that followed one
    another, the last one tells why there was no other.
    """
    if text_of(condition, "reason") in DEADLINE_REASONS or DEADLINE_MESSAGE in text_of(
        condition, "message"
    ):
        return Finished(Cause.TIMEOUT, None, _text(condition) or "it ran longer than its deadline")
    latest_first = sorted(primary, key=lambda pod: pod.created, reverse=True)
    every = (*latest_first, *pods)
    for pod in every:
        if not _was_replaced(pod, latest_first) and (eviction := _eviction(pod)):
            return eviction
    for pod in every:
        if pod.exit_code and pod.deadline is None:
            return of_container(pod)
    for pod in latest_first:
        if pod.deadline is not None:
            return Finished(
                Cause.LOST, pod.exit_code, f"its pod {pod.name} was deleted, and not by Trialstream"
            )
    for pod in every:
        if other := _of_other_container(pod):
            return other
    return Finished(Cause.ERROR, None, _text(condition) or "the workload failed")


def of_container(pod: Pod) -> Finished:
    """The end of a primary container whose exit code is not 0."""
    code, reason = pod.exit_code, text_of(pod.last_end, "reason")
    message = text_of(pod.last_end, "message").strip()
    assert code is not None
    if reason == "OOMKilled":
        return Finished(
            Cause.OUT_OF_MEMORY, code, "killed because it used more memory than its limit"
        )
    if reason in START_FAILURES:
        cause = Cause.LOST if TOOLS in message else Cause.SPAWN_FAILURE
        return Finished(cause, code, f"the container {pod.primary} could not be started: {message}")
    if reason == "ContainerStatusUnknown" or _has_lost_power(pod):
        return Finished(Cause.LOST, code, f"the node {pod.node} lost the container")
    if 128 < code < 128 + signal.NSIG:
        return Finished(
            Cause.SIGNAL, code, _with_message(f"killed by {_signal_name(code - 128)}", message)
        )
    return Finished(Cause.ERROR, code, _with_message(f"exit status {code}", message))


def _was_replaced(pod: Pod, latest_first: Sequence[Pod]) -> bool:
    """Was a primary pod created after this one had been evicted? Then the eviction was not the
    end."""
    evicted = text_of(pod.disruption, "lastTransitionTime")
    return bool(evicted and latest_first) and latest_first[0].created > evicted


def _eviction(pod: Pod) -> Finished | None:
    """Evicted by the cluster; or because it used too much disk, which is the trial's own fault."""
    reason, message = (
        str(pod.disruption.get("reason") or ""),
        text_of(pod.disruption, "message") or pod.message,
    )
    evicted = pod.reason == "Evicted"
    if evicted and any(part in pod.message for part in OWN_DISK):
        return Finished(Cause.ERROR, pod.exit_code, pod.message.strip())
    if evicted or reason in EVICTIONS:
        return Finished(Cause.PREEMPTED, pod.exit_code, message or "the pod was evicted")
    if reason in NODE_LOST:
        return Finished(Cause.LOST, pod.exit_code, message or f"the node {pod.node} is lost")
    return None


def _of_other_container(pod: Pod) -> Finished | None:
    """The failure of a container beside or before the primary one; once that ran, native sidecars
    do not count."""
    for one in pod.neighbours if pod.primary_ran else pod.containers:
        ended = dict_of(dict_of(one, "state"), "terminated")
        code = number_of(ended, "exitCode")
        if code and text_of(one, "name") != pod.primary:
            message = _with_message(
                f"the container {text_of(one, 'name')} failed with exit status {code}", _text(ended)
            )
            return Finished(Cause.SPAWN_FAILURE, code, message)
    return None


def _has_lost_power(pod: Pod) -> bool:
    begun = text_of(pod.last_end, "startedAt")
    ends = [dict_of(dict_of(one, "state"), "terminated") for one in pod.containers]
    beside = [one for one in ends if not ("" < text_of(one, "finishedAt") <= begun)]
    return len(beside) > 1 and all(number_of(one, "exitCode") == POWER_LOST for one in beside)


def _text(state: dict[str, Any]) -> str:
    """Reason and message."""
    parts = (text_of(state, "reason"), text_of(state, "message").strip())
    return ": ".join(part for part in parts if part)


def _with_message(end: str, message: str) -> str:
    return f"{end}; its message: {message}" if message else end


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"
