"""A folder with metrics that trials would share is refused: each would report what others wrote."""

from typing import Any

import pytest

from controller.cluster.kubernetes.manifests import workload_problems
from controller.cluster.kubernetes.policy import Policy
from tests.controller.cluster.kubernetes.stage import job
from tests.experiments import experiment_spec

CLAIM = {"persistentVolumeClaim": {"claimName": "data"}}


def problems(
    volume: dict[str, Any], mount: dict[str, Any], kind: str = "File", path: str = "/data/m.log"
) -> list[tuple[str, str]]:
    """(place, message) of each problem of a Job that mounts a volume at /data."""
    mounts = [{"name": "shared", "mountPath": "/data", **mount}]
    volumes = [{"name": "shared", **volume}]
    tree = job("${trialParameters.x}", container={"volumeMounts": mounts}, volumes=volumes)
    is_folder = kind == "TensorFlowEvent"
    source = {"fileSystemPath": {"path": path, "kind": "Directory" if is_folder else "File"}}
    spec = experiment_spec(
        trialTemplate={
            "trialSpec": tree,
            "primaryContainerName": "main",
            "trialParameters": [{"name": "x", "reference": "x"}],
        },
        metricsCollectorSpec={"collector": {"kind": kind}, "source": source},
    )
    return [
        (".".join(map(str, one.path)), one.message) for one in workload_problems(spec, Policy())
    ]


@pytest.mark.parametrize(("kind", "path"), [("File", "/data/m.log"), ("TensorFlowEvent", "/data")])
def test_a_claim_that_all_trials_mount_is_refused(kind: str, path: str) -> None:
    ((place, message),) = problems(CLAIM, {}, kind, path)
    assert place == "spec.metricsCollectorSpec.source.fileSystemPath.path"
    assert message.startswith(
        f"{path!r} lies in the volume 'shared' (persistentVolumeClaim), which all trials share"
    )
    assert "subPathExpr: $(TRIALSTREAM_TRIAL)-$(TRIALSTREAM_ATTEMPT)" in message


@pytest.mark.parametrize(
    ("volume", "mount", "path"),
    [
        ({"emptyDir": {}}, {}, "/data/m.log"),
        (CLAIM, {"subPathExpr": "$(TRIALSTREAM_TRIAL)"}, "/data/m.log"),
        (CLAIM, {"subPath": "${trialSpec.Name}"}, "/data/m.log"),
        ({"persistentVolumeClaim": {"claimName": "${trialSpec.Name}"}}, {}, "/data/m.log"),
        (CLAIM, {}, "/elsewhere/m.log"),
        (CLAIM, {"mountPath": "/data/m"}, "/data/m.log"),
    ],
)
def test_a_folder_of_each_trial_is_not(
    volume: dict[str, Any], mount: dict[str, Any], path: str
) -> None:
    assert problems(volume, mount, path=path) == []


def test_what_is_printed_may_share_what_it_likes() -> None:
    assert problems(CLAIM, {}, "StdOut") == []
