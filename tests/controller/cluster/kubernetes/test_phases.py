"""What became of an attempt: real transitions replayed, every cause once, and no object that it cannot judge."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster.kubernetes.causes import Over
from controller.cluster.kubernetes.marks import Rules
from controller.cluster.kubernetes.phases import Phase, Running, Waiting, phase
from controller.cluster.kubernetes.pods import GONE, keep_pod, keep_workload
from events.document import completed
from events.facts import Cause
from events.spec import ExperimentSpec

UTC = timezone.utc  # noqa: UP017
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.jsonl"))
CONTAINERS = {"PyTorchJob": "pytorch", "TFJob": "tensorflow", "TrainJob": "node", "Job": "main"}


def rules(kind: str) -> Rules:
    """Katib's defaults of the kind; of a TFJob the worker decides if there is no chief."""
    spec = ExperimentSpec.model_validate({"trialTemplate": {"trialSpec": {"kind": kind}}}, strict=False)
    template = completed(spec).trial_template
    labels = {} if kind == "TFJob" else template.primary_pod_labels
    return Rules(template.success_condition or "", template.failure_condition or "", CONTAINERS[kind], labels)


JOB = rules("Job")


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
            known = [keep_pod(_pod(one)) | {GONE: one.get("gone", False)} for one in pods.values()]
            now = phase(keep_workload(workload), known, rules(workload["kind"]), AT, started=Running() in seen)
            if not seen or seen[-1] != now:
                seen.append(now)
    return seen


def _tell_pod(pod: dict[str, Any], told: Mapping[str, Any]) -> None:
    pod |= {key: told[key] for key in ("labels", "phase", "containers") if key in told}
    pod["gone"] = told["event"] == "DELETED"


def _pod(said: Mapping[str, Any]) -> dict[str, Any]:
    """A pod's object as the recording has it in short."""
    states = {}
    for name, text in said.get("containers", {}).items():
        how, *rest = text.split()
        details = {"reason": rest[0]} if rest else {}
        states[name] = {how: details | ({"exitCode": int(rest[1])} if how == "terminated" else {})}
    return {
        "metadata": {"name": said["name"], "namespace": "n", "uid": said["name"], "labels": said.get("labels", {})},
        "spec": {"containers": [{"name": name} for name in states], "restartPolicy": "Never", "nodeName": "one"},
        "status": {
            "phase": said.get("phase"),
            "containerStatuses": [{"name": name, "state": state} for name, state in states.items()],
        },
    }


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_real_transitions_are_judged_as_they_were(path: Path) -> None:
    seen = replayed(path)
    kinds = [type(one).__name__ for one in seen]
    if "queued" in path.stem:
        assert seen[0] == Waiting("Suspended")
    if "succeeds" in path.stem or "queued" in path.stem:
        assert kinds[-2:] == ["Running", "Over"]
        assert seen[-1] == Over(Cause.COMPLETED, 0, "")
    elif "fails" in path.stem:
        last = seen[-1]
        assert isinstance(last, Over)
        assert (last.cause, last.exit_code) == (Cause.ERROR, last.exit_code or 1)
    else:
        assert "Running" in kinds
        assert "Over" not in kinds


def pod(
    *, state: dict[str, Any] | None = None, phase: str = "Running", beside: dict[str, Any] | None = None,
    policy: str = "Never", metadata: dict[str, Any] | None = None, **status: Any,
) -> dict[str, Any]:  # fmt: skip
    statuses = [{"name": "main", "state": state}] if state else []
    others = [{"name": name, "state": one} for name, one in (beside or {}).items()]
    return keep_pod(
        {
            "metadata": {"name": "p", "namespace": "n", "uid": "u", **(metadata or {})},
            "spec": {"containers": [{"name": "main"}], "restartPolicy": policy, "nodeName": "one"},
            "status": {"phase": phase, "containerStatuses": statuses, "initContainerStatuses": others, **status},
        }
    )  # fmt: skip


def ended(code: int, reason: str = "Error", message: str = "", ago: float = 0.0) -> dict[str, Any]:
    at = (AT - timedelta(seconds=ago)).isoformat()
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": at}}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def job(*conditions: str, reason: str = "BackoffLimitExceeded", suspend: bool = False, **more: Any) -> dict[str, Any]:
    told = [{"type": one, "status": "True", "reason": reason, "message": "the Job's words"} for one in conditions]
    status = {"conditions": [*told, *more.pop("conditions", [])], **more.pop("status", {})}
    return keep_workload({"kind": "Job", "metadata": more, "spec": {"suspend": suspend}, "status": status})


def disrupted(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "made room"}]}


FAILED = job("Failed")
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-22T11:00:00Z"}
JUST = {**SCHEDULED, "lastTransitionTime": AT.isoformat()}
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Phase]] = {
    "error": (FAILED, [pod(state=ended(3))], Over(Cause.ERROR, 3, "exit status 3")),
    "its last words": (FAILED, [pod(state=ended(3, "Error", "no data\n"))],
                       Over(Cause.ERROR, 3, "exit status 3; it said: no data")),
    "signal": (FAILED, [pod(state=ended(139))], Over(Cause.SIGNAL, 139, "killed by SIGSEGV")),
    "memory": (FAILED, [pod(state=ended(137, "OOMKilled"))],
               Over(Cause.OUT_OF_MEMORY, 137, "killed because it used more memory than its limit")),
    "memory of a child, and a good end": (job("Complete"), [pod(state=ended(0, "OOMKilled"))],
                                          Over(Cause.COMPLETED, 0, "")),
    "deadline": (job("Failed", reason="DeadlineExceeded"), [pod(state=ended(143))],
                 Over(Cause.TIMEOUT, None, "DeadlineExceeded: the Job's words")),
    "evicted": (FAILED, [pod(state=ended(137), **disrupted("EvictionByEvictionAPI"))],
                Over(Cause.PREEMPTED, 137, "made room")),
    "preempted": (FAILED, [pod(**disrupted("PreemptionByScheduler"))], Over(Cause.PREEMPTED, None, "made room")),
    "node under pressure": (FAILED, [pod(phase="Failed", reason="Evicted", message="The node was low on memory")],
                            Over(Cause.PREEMPTED, None, "The node was low on memory")),
    "its own greed": (
        FAILED, [pod(phase="Failed", reason="Evicted", message="Usage of EmptyDir exceeds the total limit",
                     **disrupted("TerminationByKubelet"))],
        Over(Cause.ERROR, None, "Usage of EmptyDir exceeds the total limit")),
    "node lost": (FAILED, [pod(**disrupted("DeletionByTaintManager"))], Over(Cause.LOST, None, "made room")),
    "power lost": (FAILED, [pod(state=ended(255), beside={"trialstream-collector": ended(255)})],
                   Over(Cause.LOST, 255, "the node one lost the container")),
    "255 of its own": (FAILED, [pod(state=ended(255), beside={"trialstream-collector": ended(0)})],
                       Over(Cause.ERROR, 255, "exit status 255")),
    "not begun": (FAILED, [pod(state=ended(128, "StartError", "no such file: python9"))],
                  Over(Cause.SPAWN_FAILURE, 128, "the container main could not be started: no such file: python9")),
    "begun before its tools were there": (
        FAILED, [pod(state=ended(128, "StartError", "stat /trialstream/tini: no such file"))],
        Over(Cause.LOST, 128, "the container main could not be started: stat /trialstream/tini: no such file")),
    "another container": (
        FAILED, [pod(state=waits("PodInitializing"), beside={"fetch": ended(1)})],
        Over(Cause.SPAWN_FAILURE, 1, "the container fetch failed with exit status 1; it said: Error")),
    "no pod": (FAILED, [], Over(Cause.ERROR, None, "BackoffLimitExceeded: the Job's words")),
    "gone pod": (FAILED, [pod(state=ended(3)) | {GONE: True}], Over(Cause.ERROR, 3, "exit status 3")),
    "both conditions": (
        job("Complete", "Failed"), [], Over(Cause.ERROR, None, "BackoffLimitExceeded: the Job's words")),
    "lingering": (job(), [pod(state=ended(0, ago=20), beside={"mesh": {"running": {}}})], Over(Cause.COMPLETED, 0, "")),
    "lingering after a failure": (job(), [pod(state=ended(3, ago=20))], Over(Cause.ERROR, 3, "exit status 3")),
    "ended just now": (job(), [pod(state=ended(0, ago=2))], Running()),
    "started again in its pod": (job(), [pod(state=ended(3, ago=20), policy="OnFailure")], Running()),
    "ended with its pod": (job(), [pod(state=ended(3, ago=99), phase="Failed")], Running()),
    "running": (job(), [pod(state={"running": {}})], Running()),
    "says that it runs": (job(status={"ready": 1}), [], Running()),
    "being created": (job(), [pod(state=waits("ContainerCreating"), phase="Pending")], Waiting()),
    "nothing yet": (job(), [], Waiting()),
    "unschedulable": (
        job(), [pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                                  "message": "0/1 nodes"}])], Waiting("Unschedulable", "0/1 nodes")),
    "pulling": (job(), [pod(state=waits("ImagePullBackOff", "no such image"), phase="Pending", conditions=[JUST])],
                Waiting("ImagePullBackOff", "container main: no such image")),
    "never pulled": (
        job(), [pod(state=waits("ImagePullBackOff", "no such image"), phase="Pending", conditions=[SCHEDULED])],
        Over(Cause.SPAWN_FAILURE, None, "the container main cannot start: ImagePullBackOff: no such image")),
    "no image name": (job(), [pod(state=waits("InvalidImageName", "bad"), conditions=[JUST])],
                      Over(Cause.SPAWN_FAILURE, None, "the container main cannot start: InvalidImageName: bad")),
    "queued": (job(suspend=True, labels={"kueue.x-k8s.io/queue-name": "team"}), [],
               Waiting("Suspended", "it waits in Kueue's queue team")),
    "suspended later": (
        job(suspend=True, creationTimestamp="2026-11-22T10:00:00Z", conditions=[
            {"type": "Suspended", "status": "True", "lastTransitionTime": "2026-11-22T10:05:00Z"}]), [],
        Over(Cause.PREEMPTED, None, "it was suspended after it had started")),
    "its node does not answer": (
        job(), [pod(state={"running": {}}, metadata={"deletionTimestamp": "2026-11-22T11:00:00Z"},
                    conditions=[{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}])],
        Over(Cause.LOST, None, "the node one is lost")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_cause_is_told_apart(name: str) -> None:
    workload, pods, wanted = CASES[name]
    assert phase(workload, pods, JOB, AT, started=False) == wanted


def test_a_suspension_after_a_start_is_a_preemption() -> None:
    found = phase(job(suspend=True), [], JOB, AT, started=True)
    assert found == Over(Cause.PREEMPTED, None, "it was suspended after it had started")


def test_only_primary_pods_decide() -> None:
    chosen = Rules(JOB.success, JOB.failure, "main", {"role": "master"})
    other = pod(state={"running": {}})
    assert phase(job(), [other], chosen, AT, started=False) == Waiting()
    master = pod(state={"running": {}}, metadata={"labels": {"role": "master"}})
    assert phase(job(), [other, master], chosen, AT, started=False) == Running()


FIELDS = (
    "metadata", "spec", "status", "conditions", "type", "reason", "containerStatuses", "initContainerStatuses", "state",
    "terminated", "waiting", "running", "name", "exitCode", "finishedAt", "labels", "suspend", "runPolicy",
    "jobsStatus", "deletionTimestamp",
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["True", "Failed", "main"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


THINGS = st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), ANYTHING)


@given(THINGS, st.lists(THINGS, max_size=2), st.booleans())
def test_no_object_is_too_strange(workload: dict[str, Any], pods: list[dict[str, Any]], started: bool) -> None:
    found = phase(keep_workload(workload), [keep_pod(one) for one in pods], JOB, AT, started=started)
    assert isinstance(found, Waiting | Running | Over)
