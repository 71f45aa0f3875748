"""From deploy/ on a real cluster: what a Katib user does first, and what must hold whatever happens
to controllers."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import delete
from tests.collectors.event_files import write
from tests.collectors.exposing import COLLECTOR, EXPOSING
from tests.deploy.installation import NAMESPACE, Installation, installation
from tests.eventually import eventually
from tests.experiments import experiment_tree
from tests.faults.postgres import postgres
from tests.kubernetes import PYTHON, kubectl, namespace, objects, operator, program

KATIB = Path(__file__).parents[1] / "katib"
TRAIN = (
    "import sys, time\nlr = float(sys.argv[1].split('=')[1])\n"
    "for step in range(1, 6):\n    print(f'loss={(lr - 0.03) ** 2 + 1 / step}')\n    "
    "time.sleep(0.1)"
)

SUMMARIES = """
import base64, os, sys
given = dict(word.removeprefix("--").split("=") for word in sys.argv[2:])
folder = given["log-path"] + "/test"
os.makedirs(folder, exist_ok=True)
with open(folder + "/events.out.tfevents.1", "wb") as file:
    file.write(base64.b64decode(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    program()
    folder = tmp_path_factory.mktemp("installation")
    known = KafkaSettings.from_environment()
    if known is None:
        pytest.skip("they need a Kafka that pods reach: set TRIALSTREAM_KAFKA")
    settings = replace(known, prefix=f"test-{uuid4().hex[:12]}")
    with postgres(folder / "postgres") as opened, installation(folder, opened, settings) as there:
        yield there
    asyncio.run(delete(settings))


@pytest.fixture
def room() -> Iterator[str]:
    with namespace() as name:
        yield name


def example(room: str, name: str = "random", **spec: Any) -> dict[str, Any]:
    """An example of Katib's, with an image that is here and a small script for its training."""
    tree: dict[str, Any] = yaml.safe_load((KATIB / f"{name}.yaml").read_text())
    tree["metadata"]["namespace"] = room
    tree["spec"] |= spec
    container = tree["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    words = [word for word in container["command"] if "trialParameters" in word]
    container |= {
        "image": PYTHON,
        "command": ["python3", "-u", "-c", TRAIN, *words],
        "resources": {},
    }
    return tree


def shown(room: str, name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        kubectl("get", "experiments.kubeflow.org", name, "-n", room, "-o", "json")
    )
    return told


def wait(room: str, name: str, condition: str) -> None:
    kubectl(
        "wait",
        f"--for=condition={condition}",
        "--timeout=110s",
        "-n",
        room,
        f"experiments.kubeflow.org/{name}",
    )


def left(room: str) -> list[dict[str, Any]]:
    return objects("jobs,pods,experiments.kubeflow.org,trials.trialstream.io", "-n", room)


def test_katibs_yaml_runs_to_its_end_and_leaves_nothing(installed: Installation, room: str) -> None:
    kubectl("apply", "-f", "-", said=example(room, maxTrialCount=6))
    wait(room, "random", "Succeeded")
    status = shown(room, "random")["status"]
    assert (status["trials"], status["trialsSucceeded"], status["progress"]) == (6, 6, "6/6")
    best = status["currentOptimalTrial"]
    table = kubectl("get", "experiments.kubeflow.org,trials.trialstream.io", "-n", room)
    assert table.split()[:4] == ["NAME", "TYPE", "STATUS", "AGE"]
    assert "Succeeded" in table
    assert best["bestTrialName"] in table
    (loss,) = [one for one in best["observation"]["metrics"] if one["name"] == "loss"]
    assert loss["latest"] == status["best"]
    assert "ExperimentMaxTrialsReached" in kubectl(
        "describe", "experiments.kubeflow.org", "random", "-n", room
    )
    eventually(lambda: not objects("jobs,pods", "-n", room))
    kubectl("delete", "experiments.kubeflow.org", "random", "-n", room, "--timeout=60s")
    eventually(lambda: not left(room))


def test_katibs_tfjob_with_event_files_runs_to_its_end(
    installed: Installation, room: str, tmp_path: Path
) -> None:
    """Its program is a small one that has the file of a real writer; the operator is the real
    one."""
    write(tmp_path, "accuracy", (0.5, 0.625, 0.75))
    (file,) = tmp_path.iterdir()
    tree: dict[str, Any] = yaml.safe_load((KATIB / "tfjob-mnist-with-summaries.yaml").read_text())
    tree["metadata"]["namespace"] = room
    tree["spec"] |= {"maxTrialCount": 3, "parallelTrialCount": 2}
    worker = tree["spec"]["trialTemplate"]["trialSpec"]["spec"]["tfReplicaSpecs"]["Worker"]
    (container,) = worker["template"]["spec"]["containers"]
    content = b64encode(file.read_bytes()).decode()
    words = [word for word in container["command"] if word.startswith("--")]
    container |= {"image": PYTHON, "command": ["python3", "-c", SUMMARIES, content, *words]}
    with operator("training"):
        kubectl("apply", "-f", "-", said=tree)
        wait(room, "tfjob-mnist-with-summaries", "Succeeded")
        status = shown(room, "tfjob-mnist-with-summaries")["status"]
        assert (status["trials"], status["trialsSucceeded"], status["best"]) == (3, 3, "0.75")
        kubectl("delete", "experiments.kubeflow.org", "--all", "-n", room, "--timeout=60s")
        eventually(lambda: not left(room))


def test_an_experiment_of_ours_with_prometheus_runs_to_its_end(
    installed: Installation, room: str
) -> None:
    container = {
        "name": "main",
        "image": PYTHON,
        "command": ["python3", "-c", EXPOSING, "${trialParameters.x}"],
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    tree = experiment_tree(
        "exposed",
        metricsCollectorSpec=COLLECTOR,
        maxTrialCount=3,
        parallelTrialCount=2,
        trialTemplate={
            "primaryContainerName": "main",
            "trialParameters": [{"name": "x", "reference": "x"}],
            "trialSpec": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {"template": {"spec": pod}},
            },
        },
    )
    tree["metadata"]["namespace"] = room
    kubectl("apply", "-f", "-", said=tree)
    kubectl(
        "wait", "--for=condition=Succeeded", "--timeout=110s", "-n", room,
        "experiments.trialstream.io/exposed",
    )  # fmt: skip
    (found,) = objects("experiments.trialstream.io", "-n", room)
    assert (found["status"]["trials"], found["status"]["trialsSucceeded"]) == (3, 3)
    kubectl("delete", "experiments.trialstream.io", "exposed", "-n", room, "--timeout=60s")


def test_it_is_deleted_while_it_runs(installed: Installation, room: str) -> None:
    kubectl("apply", "-f", "-", said=example(room, maxTrialCount=60))
    eventually(lambda: len(objects("jobs", "-n", room)) == 3)
    kubectl("delete", "experiments.kubeflow.org", "random", "-n", room, "--timeout=100s")
    eventually(lambda: not left(room))


def test_limits_are_edited_and_the_rest_is_refused(installed: Installation, room: str) -> None:
    kubectl("apply", "-f", "-", said=example(room, maxTrialCount=3, resumePolicy="LongRunning"))
    wait(room, "random", "Succeeded")
    patch = ("patch", "experiments.kubeflow.org", "random", "-n", room, "--type", "merge", "-p")
    kubectl(*patch, '{"spec": {"maxTrialCount": 5, "parallelTrialCount": 2}}')
    eventually(lambda: shown(room, "random")["status"]["trialsSucceeded"] == 5)
    wait(room, "random", "Succeeded")
    said = kubectl(*patch, '{"spec": {"algorithm": {"algorithmName": "grid"}}}', check=False)
    assert "spec.algorithm may not change" in said
    conditions = {one["type"]: one for one in shown(room, "random")["status"]["conditions"]}
    assert conditions["Restarting"]["status"] == "True"
    kubectl("delete", "experiments.kubeflow.org", "random", "-n", room, "--timeout=60s")


def test_what_cannot_run_says_why_and_can_be_deleted(installed: Installation, room: str) -> None:
    kubectl("apply", "-f", "-", said=example(room, algorithm={"algorithmName": "enas"}))
    wait(room, "random", "Failed")
    (failed,) = [
        one for one in shown(room, "random")["status"]["conditions"] if one["type"] == "Failed"
    ]
    assert (failed["reason"], "'enas' is not supported yet" in failed["message"]) == (
        "InvalidSpec",
        True,
    )
    kubectl("delete", "experiments.kubeflow.org", "random", "-n", room, "--timeout=60s")


def _proposed(room: str, least: int) -> bool:
    return bool(shown(room, "random").get("status", {}).get("trials", 0) >= least)


def test_controllers_are_killed_in_a_burst_and_no_trial_runs_twice(
    installed: Installation, room: str
) -> None:
    kubectl("apply", "-f", "-", said=example(room, maxTrialCount=12, parallelTrialCount=4))
    for progress in (1, 5, 8):
        eventually(partial(_proposed, room, progress))
        kubectl(
            "delete",
            "pod",
            "-n",
            NAMESPACE,
            "--grace-period=0",
            "--force",
            *installed.controllers()[:1],
        )
    wait(room, "random", "Succeeded")
    status = shown(room, "random")["status"]
    assert (status["trials"], status["trialsSucceeded"]) == (12, 12)
    attempts = installed.rows(
        "SELECT number, attempt FROM trial JOIN experiment ON experiment.id = "
        "trial.experiment WHERE namespace = $1",
        room,
    )
    assert sorted(map(tuple, attempts)) == [(number, 1) for number in range(1, 13)]
    kubectl("delete", "experiments.kubeflow.org", "random", "-n", room, "--timeout=60s")


def test_deletion_waits_for_controllers_that_are_away(installed: Installation, room: str) -> None:
    kubectl("apply", "-f", "-", said=example(room, maxTrialCount=60))
    eventually(lambda: len(objects("jobs", "-n", room)) == 3)
    kubectl("scale", "deployment/controller", "-n", NAMESPACE, "--replicas=0")
    eventually(lambda: not installed.controllers())
    kubectl("delete", "experiments.kubeflow.org", "random", "-n", room, "--wait=false")
    assert objects("experiments.kubeflow.org", "-n", room)
    kubectl("scale", "deployment/controller", "-n", NAMESPACE, "--replicas=2")
    eventually(lambda: not left(room))
    eventually(lambda: len(installed.controllers()) == 2)
