"""Why a workload failed: causes told apart by its pods, for each has its own retry rule."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controller.cluster.kubernetes.pods import Pod, dict_of, number_of, text_of
from events.facts import Cause

TAKEN_AWAY = frozenset({"PreemptionByScheduler", "EvictionByEvictionAPI", "TerminationByKubelet"})
NODE_LOST = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
OWN_DISK = ("exceeds the limit", "exceeds the total limit", "exceeded its local ephemeral")
"""How the kubelet words an eviction of a pod that used more of the disk than its own limits allow."""
OUT_OF_TIME = frozenset({"DeadlineExceeded", "PipelineRunTimeout"})
LONGER = "longer than specified deadline"
"""The training operator has one reason for all failures, and tells a deadline in its message."""
NOT_BEGUN = frozenset({"StartError", "ContainerCannotRun"})
POWER_LOST = 255
"""What the containers of a node that lost its power end with, all of them."""
TOOLS = "/trialstream/"
"""Where the collector puts the program that wraps the command: on a node that is very slow it may come too late."""


@dataclass(frozen=True, slots=True)
class Over:
    """The attempt has ended."""

    cause: Cause
    exit_code: int | None
    message: str


def failure(condition: dict[str, Any], primary: Sequence[Pod], pods: Sequence[Pod]) -> Over:
    """`condition`: what the failure condition led to; the pods know better, if there are any.

    Of primary pods that followed one another, the last one tells why there was no other.
    """
    if text_of(condition, "reason") in OUT_OF_TIME or LONGER in text_of(condition, "message"):
        return Over(Cause.TIMEOUT, None, _words(condition) or "it ran longer than its deadline")
    latest_first = sorted(primary, key=lambda pod: pod.created, reverse=True)
    every = (*latest_first, *pods)
    for pod in every:
        if not _replaced(pod, latest_first) and (taken := _taken_away(pod)):
            return taken
    for pod in every:
        if pod.exit_code and pod.deadline is None:
            return of_container(pod)
    for pod in latest_first:
        if pod.deadline is not None:
            return Over(Cause.LOST, pod.exit_code, f"its pod {pod.name} was deleted, and not by Trialstream")
    for pod in every:
        if other := _of_another(pod):
            return other
    return Over(Cause.ERROR, None, _words(condition) or "the workload failed")


def of_container(pod: Pod) -> Over:
    """The end of a primary container whose exit code is not 0."""
    code, reason = pod.exit_code, text_of(pod.last_end, "reason")
    said = text_of(pod.last_end, "message").strip()
    assert code is not None
    if reason == "OOMKilled":
        return Over(Cause.OUT_OF_MEMORY, code, "killed because it used more memory than its limit")
    if reason in NOT_BEGUN:
        cause = Cause.LOST if TOOLS in said else Cause.SPAWN_FAILURE
        return Over(cause, code, f"the container {pod.primary} could not be started: {said}")
    if reason == "ContainerStatusUnknown" or _power_lost(pod):
        return Over(Cause.LOST, code, f"the node {pod.node} lost the container")
    if 128 < code < 128 + signal.NSIG:
        return Over(Cause.SIGNAL, code, _with(f"killed by {_signal(code - 128)}", said))
    return Over(Cause.ERROR, code, _with(f"exit status {code}", said))


def _replaced(pod: Pod, latest_first: Sequence[Pod]) -> bool:
    """Was a primary pod made after this one had been taken away? Then that was not the end."""
    taken = text_of(pod.disruption, "lastTransitionTime")
    return bool(taken and latest_first) and latest_first[0].created > taken


def _taken_away(pod: Pod) -> Over | None:
    """By the cluster, or by its own greed for disk, which is the trial's own fault."""
    reason, words = str(pod.disruption.get("reason") or ""), text_of(pod.disruption, "message") or pod.message
    evicted = pod.reason == "Evicted"
    if evicted and any(said in pod.message for said in OWN_DISK):
        return Over(Cause.ERROR, pod.exit_code, pod.message.strip())
    if evicted or reason in TAKEN_AWAY:
        return Over(Cause.PREEMPTED, pod.exit_code, words or "the pod was evicted")
    if reason in NODE_LOST:
        return Over(Cause.LOST, pod.exit_code, words or f"the node {pod.node} is lost")
    return None


def _of_another(pod: Pod) -> Over | None:
    """A container beside or before the primary one that failed; a native sidecar of one that ran was only stopped."""
    for one in pod.neighbours if pod.primary_ran else pod.containers:
        ended = dict_of(dict_of(one, "state"), "terminated")
        code = number_of(ended, "exitCode")
        if code and text_of(one, "name") != pod.primary:
            words = _with(f"the container {text_of(one, 'name')} failed with exit status {code}", _words(ended))
            return Over(Cause.SPAWN_FAILURE, code, words)
    return None


def _power_lost(pod: Pod) -> bool:
    begun = text_of(pod.last_end, "startedAt")
    ends = [dict_of(dict_of(one, "state"), "terminated") for one in pod.containers]
    beside = [one for one in ends if not ("" < text_of(one, "finishedAt") <= begun)]
    return len(beside) > 1 and all(number_of(one, "exitCode") == POWER_LOST for one in beside)


def _words(told: dict[str, Any]) -> str:
    return ": ".join(text for text in (text_of(told, "reason"), text_of(told, "message").strip()) if text)


def _with(words: str, said: str) -> str:
    return f"{words}; it said: {said}" if said else words


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
