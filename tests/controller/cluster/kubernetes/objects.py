"""Objects of the API as the tests of phases need them."""

from datetime import datetime, timedelta, timezone
from typing import Any

from controller.cluster.kubernetes.labels import Rules
from controller.cluster.kubernetes.pods import keep_pod, keep_workload
from events.spec.defaults import with_defaults
from events.spec.experiment import ExperimentSpec

UTC = timezone.utc  # noqa: UP017
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTAINERS = {"PyTorchJob": "pytorch", "TFJob": "tensorflow", "TrainJob": "node", "Job": "main"}
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-22T11:00:00Z"}


def rules(kind: str) -> Rules:
    """Katib's defaults of the kind."""
    spec = ExperimentSpec.model_validate(
        {"trialTemplate": {"trialSpec": {"kind": kind}}}, strict=False
    )
    template = with_defaults(spec).trial_template
    condition = (template.success_condition or "", template.failure_condition or "")
    return Rules(*condition, CONTAINERS[kind], template.primary_pod_labels)


JOB = rules("Job")


def pod(
    *, state: dict[str, Any] | None = None, phase: str = "Running",
    beside: dict[str, Any] | None = None,
    policy: str = "Never", last: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None, **status: Any,
) -> dict[str, Any]:  # fmt: skip
    statuses = [{"name": "main", "state": state, "lastState": last or {}}] if state else []
    others = [{"name": name, "state": one} for name, one in (beside or {}).items()]
    return keep_pod(
        {
            "metadata": {"name": "p", "namespace": "n", "uid": "u", **(metadata or {})},
            "spec": {"containers": [{"name": "main"}], "restartPolicy": policy, "nodeName": "one"},
            "status": {"phase": phase, "containerStatuses": statuses,
                "initContainerStatuses": others, **status},
        }
    )  # fmt: skip


def ended(
    code: int, reason: str = "Error", message: str = "", ago: float = 0, begun: float = 90
) -> dict[str, Any]:
    at, since = (
        (AT - timedelta(seconds=seconds)).isoformat() for seconds in (ago, max(ago, begun))
    )
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": since,
            "finishedAt": at,
        }
    }


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def job(
    *conditions: str, reason: str = "BackoffLimitExceeded", suspend: bool = False, **more: Any
) -> dict[str, Any]:
    told = [
        {"type": one, "status": "True", "reason": reason, "message": "the Job's words"}
        for one in conditions
    ]
    status = {"conditions": [*told, *more.pop("conditions", [])], **more.pop("status", {})}
    return keep_workload(
        {"kind": "Job", "metadata": more, "spec": {"suspend": suspend}, "status": status}
    )


def disrupted(reason: str) -> dict[str, Any]:
    return {
        "conditions": [
            {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": reason,
                "message": "made room",
                "lastTransitionTime": "2026-11-22T11:30:00Z",
            }
        ]
    }
