"""What became of an attempt: real transitions replayed, and every cause once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.cluster.kubernetes.causes import Finished
from controller.cluster.kubernetes.labels import Rules
from controller.cluster.kubernetes.phases import Pending, Phase, Running, phase
from controller.cluster.kubernetes.pods import GONE, keep_pod, keep_workload
from events.facts import Cause
from tests.controller.cluster.kubernetes.objects import (
    AT,
    CONTAINERS,
    JOB,
    SCHEDULED,
    disrupted,
    ended,
    job,
    pod,
    rules,
    waits,
)

RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.jsonl"))


DONE, FAILED_ITSELF = Finished(Cause.COMPLETED, 0, ""), Finished(Cause.ERROR, 1, "exit status 1")
TRANSITIONS: dict[str, list[Phase]] = {
    "job-queued": [Pending("Suspended"), Pending(), Running(), DONE],
    "pytorchjob-fails": [Pending(), Running(), FAILED_ITSELF],
    "pytorchjob-queued": [Pending("Suspended"), Pending(), Running(), DONE],
    "pytorchjob-restarts": [*(Pending(), Running()) * 5],
    "pytorchjob-succeeds": [Pending(), Running(), DONE],
    "tfjob-fails": [Pending(), Running(), FAILED_ITSELF],
    "tfjob-succeeds": [Pending(), Running(), DONE],
    "trainjob-fails": [Pending(), Running(), FAILED_ITSELF],
    "trainjob-restarts": [Pending(), Running()],
    "trainjob-succeeds": [Pending(), Running(), DONE],
}


def replayed(path: Path) -> list[Phase]:
    """The distinct phases in the order in which the changes came."""
    workload: dict[str, Any] = {}
    pods: dict[str, dict[str, Any]] = {}
    seen: list[Phase] = []
    for line in path.read_text().splitlines():
        told = json.loads(line)
        kind, _, name = told["object"].partition("/")
        if kind == "Pod":
            _tell_pod(pods.setdefault(name, {"name": name}), told)
        else:
            workload |= {"kind": kind, "apiVersion": "v", "status": told.get("status", {})}
            workload["spec"] = {"suspend": told.get("suspend")}
        if workload:
            main = CONTAINERS[workload["kind"]]
            known = [
                keep_pod(_pod(one, main)) | {GONE: one.get("gone", False)} for one in pods.values()
            ]
            now = phase(
                keep_workload(workload),
                known,
                rules(workload["kind"]),
                AT,
                started=Running() in seen,
            )
            if not seen or seen[-1] != now:
                seen.append(now)
    return seen


def _tell_pod(pod: dict[str, Any], told: Mapping[str, Any]) -> None:
    last = {
        name: text
        for name, text in pod.get("containers", {}).items()
        if text.startswith("terminated")
    }
    pod["last"] = {} if told["event"] == "ADDED" else pod.get("last", {}) | last
    pod |= {key: told[key] for key in ("labels", "phase", "containers") if key in told}
    pod["gone"] = told["event"] == "DELETED"


def _state(text: str) -> dict[str, Any]:
    how, *rest = text.split()
    details = {"reason": rest[0]} if rest else {}
    return {how: details | ({"exitCode": int(rest[1])} if how == "terminated" else {})}


def _pod(said: Mapping[str, Any], main: str) -> dict[str, Any]:
    """A pod's object as the recording has it in short."""
    texts, last = said.get("containers", {}), said["last"]
    states = [
        {
            "name": name,
            "state": _state(text),
            "lastState": _state(last[name]) if name in last else {},
        }
        for name, text in texts.items()
    ]
    return {
        "metadata": {
            "name": said["name"],
            "namespace": "n",
            "uid": said["name"],
            "labels": said.get("labels", {}),
        },
        "spec": {"containers": [{"name": main}], "restartPolicy": "Never", "nodeName": "one"},
        "status": {"phase": said.get("phase"), "containerStatuses": states},
    }


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_real_transitions_are_judged_as_they_were(path: Path) -> None:
    assert replayed(path) == TRANSITIONS[path.stem]


FAILED = job("Failed")
JUST = {**SCHEDULED, "lastTransitionTime": AT.isoformat()}
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Phase]] = {
    "error": (FAILED, [pod(state=ended(3))], Finished(Cause.ERROR, 3, "exit status 3")),
    "its last words": (FAILED, [pod(state=ended(3, "Error", "no data\n"))],
                       Finished(Cause.ERROR, 3, "exit status 3; its message: no data")),
    "signal": (FAILED, [pod(state=ended(139))], Finished(Cause.SIGNAL, 139, "killed by SIGSEGV")),
    "memory": (FAILED, [pod(state=ended(137, "OOMKilled"))],
               Finished(Cause.OUT_OF_MEMORY, 137,
                   "killed because it used more memory than its limit")),
    "memory of a child, and a good end": (job("Complete"), [pod(state=ended(0, "OOMKilled"))],
                                          Finished(Cause.COMPLETED, 0, "")),
    "deadline": (job("Failed", reason="DeadlineExceeded"), [pod(state=ended(143))],
                 Finished(Cause.TIMEOUT, None, "DeadlineExceeded: the Job's words")),
    "deadline of the training operator": (
        keep_workload({"status": {"conditions": [{
            "type": "Failed", "status": "True", "reason": "PyTorchJobFailed",
            "message": "Job x has failed because it was active longer than specified deadline"}]}}),
        [pod(state={"running": {}})],
        Finished(Cause.TIMEOUT, None,
            "PyTorchJobFailed: Job x has failed because it was active longer than specified "
                                  "deadline")),
    "started again and again": (
        FAILED,
        [pod(state=waits("CrashLoopBackOff"), last=ended(137, "OOMKilled"), policy="OnFailure",
                     beside={"trialstream-collector": ended(143)})],
        Finished(Cause.OUT_OF_MEMORY, 137, "killed because it used more memory than its limit")),
    "replaced after a preemption": (
        FAILED, [pod(state=ended(143), metadata={"creationTimestamp": "2026-11-22T10:00:00Z"},
                     **disrupted("PreemptionByScheduler")),
                 pod(state=ended(3), metadata={"creationTimestamp": "2026-11-22T11:45:00Z"})],
        Finished(Cause.ERROR, 3, "exit status 3")),
    "a neighbour taken away with it": (
        FAILED, [pod(state=ended(3), metadata={"creationTimestamp": "2026-11-22T10:00:00Z"}),
                 keep_pod({"spec": {}, "status": disrupted("EvictionByEvictionAPI")})],
        Finished(Cause.PREEMPTED, None, "made room")),
    "its collector was killed, it ended well": (
        FAILED, [pod(state=ended(0), beside={"trialstream-collector": ended(137)})],
        Finished(Cause.ERROR, None, "BackoffLimitExceeded: the Job's words")),
    "power lost after it had fetched": (
        FAILED,
        [pod(state=ended(255, begun=60), beside={"fetch": ended(0, ago=61), "side": ended(255)})],
        Finished(Cause.LOST, 255, "the node one lost the container")),
    "evicted": (FAILED, [pod(state=ended(137), **disrupted("EvictionByEvictionAPI"))],
                Finished(Cause.PREEMPTED, 137, "made room")),
    "preempted": (FAILED, [pod(**disrupted("PreemptionByScheduler"))],
        Finished(Cause.PREEMPTED, None, "made room")),
    "node under pressure": (FAILED,
        [pod(phase="Failed", reason="Evicted", message="The node was low on memory")],
                            Finished(Cause.PREEMPTED, None, "The node was low on memory")),
    **{f"its own greed, {words[:9]}": (
        FAILED, [pod(state=ended(137), phase="Failed", reason="Evicted", message=f"{words}. ",
                     **disrupted("TerminationByKubelet"))],
        Finished(Cause.ERROR, 137, f"{words}."))
       for words in ('Usage of EmptyDir volume "d" exceeds the limit "1Mi"',
                     "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi",
                     'Container main exceeded its local ephemeral storage limit "1Mi"')},
    "node lost": (FAILED, [pod(**disrupted("DeletionByTaintManager"))],
        Finished(Cause.LOST, None, "made room")),
    "power lost": (FAILED, [pod(state=ended(255), beside={"trialstream-collector": ended(255)})],
                   Finished(Cause.LOST, 255, "the node one lost the container")),
    "255 of its own": (FAILED, [pod(state=ended(255), beside={"trialstream-collector": ended(0)})],
                       Finished(Cause.ERROR, 255, "exit status 255")),
    "not begun": (FAILED, [pod(state=ended(128, "StartError", "no such file: python9"))],
                  Finished(Cause.SPAWN_FAILURE, 128,
                      "the container main could not be started: no such file: python9")),
    "begun before its tools were there": (
        FAILED, [pod(state=ended(128, "StartError", "stat /trialstream/tini: no such file"))],
        Finished(Cause.LOST, 128,
            "the container main could not be started: stat /trialstream/tini: no such file")),
    "another container": (
        FAILED, [pod(state=waits("PodInitializing"), beside={"fetch": ended(1)})],
        Finished(Cause.SPAWN_FAILURE, 1,
            "the container fetch failed with exit status 1; its message: Error")),
    "no pod": (FAILED, [], Finished(Cause.ERROR, None, "BackoffLimitExceeded: the Job's words")),
    "gone pod": (FAILED, [pod(state=ended(3)) | {GONE: True}],
        Finished(Cause.ERROR, 3, "exit status 3")),
    "both conditions": (
        job("Complete", "Failed"), [],
        Finished(Cause.ERROR, None, "BackoffLimitExceeded: the Job's words")),
    "lingering": (job(), [pod(state=ended(0, ago=20), beside={"mesh": {"running": {}}})],
                  Finished(Cause.COMPLETED, 0, "")),
    "lingering after a failure": (job(), [pod(state=ended(3, ago=20))],
        Finished(Cause.ERROR, 3, "exit status 3")),
    "ended just now": (job(), [pod(state=ended(0, ago=2))], Running()),
    "lingering after another try": (
        job(), [pod(state=ended(3, ago=99), phase="Failed"), pod(state=ended(0, ago=20))],
        Finished(Cause.COMPLETED, 0, "")),
    "a neighbour is not pulled again": (
        job(),
        [pod(state={"running": {}}, beside={"mesh": waits("ImagePullBackOff", "x")},
            conditions=[SCHEDULED])],
        Running()),
    "started again in its pod": (job(), [pod(state=ended(3, ago=20), policy="OnFailure")],
        Running()),
    "ended with its pod": (job(), [pod(state=ended(3, ago=99), phase="Failed")], Running()),
    "running": (job(), [pod(state={"running": {}})], Running()),
    "says that it runs": (job(status={"ready": 1}), [], Running()),
    "being created": (job(), [pod(state=waits("ContainerCreating"), phase="Pending")], Pending()),
    "nothing yet": (job(), [], Pending()),
    "unschedulable": (
        job(),
        [pod(phase="Pending",
            conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                                  "message": "0/1 nodes"}])],
                                                  Pending("Unschedulable", "0/1 nodes")),
    "pulling": (job(),
        [pod(state=waits("ImagePullBackOff", "no such image"), phase="Pending", conditions=[JUST])],
                Pending("ImagePullBackOff", "container main: no such image")),
    "never pulled": (
        job(),
        [pod(state=waits("ImagePullBackOff", "no such image"), phase="Pending",
            conditions=[SCHEDULED])],
        Finished(Cause.SPAWN_FAILURE, None,
            "the container main cannot start: ImagePullBackOff: no such image")),
    "no image name": (job(), [pod(state=waits("InvalidImageName", "bad"), conditions=[JUST])],
                      Finished(Cause.SPAWN_FAILURE, None,
                          "the container main cannot start: InvalidImageName: bad")),
    "pod deleted by somebody": (
        FAILED, [pod(state=ended(143), metadata={"deletionTimestamp": "2026-11-22T11:59:00Z"})],
        Finished(Cause.LOST, 143, "its pod p was deleted, and not by Trialstream")),
    "deleted as a whole": (
        job("Failed", deletionTimestamp="2026-11-22T11:59:00Z"), [pod(state=ended(143))],
        Pending()),
    "queued": (job(suspend=True, labels={"kueue.x-k8s.io/queue-name": "team"}), [],
               Pending("Suspended", "it waits in Kueue's queue team")),
    "suspended later": (
        job(suspend=True, creationTimestamp="2026-11-22T10:00:00Z", conditions=[
            {"type": "Suspended", "status": "True", "lastTransitionTime": "2026-11-22T10:05:00Z"}]),
            [],
        Finished(Cause.PREEMPTED, None, "it was suspended after it had started")),
    "its node does not answer": (
        job(), [pod(state={"running": {}}, metadata={"deletionTimestamp": "2026-11-22T11:00:00Z"},
                    conditions=[{"type": "Ready", "status": "Unknown",
                        "reason": "NodeStatusUnknown"}])],
        Finished(Cause.LOST, None, "the node one is lost")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_cause_is_told_apart(name: str) -> None:
    workload, pods, wanted = CASES[name]
    assert phase(workload, pods, JOB, AT, started=False) == wanted


def test_a_suspension_after_a_start_is_a_preemption() -> None:
    found = phase(job(suspend=True), [], JOB, AT, started=True)
    assert found == Finished(Cause.PREEMPTED, None, "it was suspended after it had started")


def test_only_primary_pods_decide() -> None:
    chosen = Rules(JOB.success, JOB.failure, "main", {"role": "master"})
    other = pod(state={"running": {}})
    assert phase(job(), [other], chosen, AT, started=False) == Pending()
    master = pod(state={"running": {}}, metadata={"labels": {"role": "master"}})
    assert phase(job(), [other, master], chosen, AT, started=False) == Running()
    worker = pod(state=ended(3))
    assert phase(FAILED, [worker], chosen, AT, started=False) == Finished(
        Cause.ERROR, 3, "exit status 3"
    )


def test_a_condition_that_cannot_be_asked_ends_its_attempt() -> None:
    endless = "[@this,@this]|" * 60 + "@tostr"
    for asked in (Rules(endless, "", "main"), Rules("", endless, "main")):
        found = phase(job(), [], asked, AT, started=True)
        assert isinstance(found, Finished)
        assert found.cause is Cause.ERROR
        assert "a condition of its template cannot be asked: it looks at" in found.message
