"""What the collector costs a trial on a real node: its start, its memory, its processor time."""

import asyncio
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from benchmarks.outcome import CannotMeasureError, Outcome, say
from controller.cluster import AttemptKey, Launch
from controller.cluster.kubernetes.manifests import manifest
from controller.cluster.kubernetes.policy import DENY
from controller.cluster.kubernetes.sidecar import Sidecar
from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import create
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.defaults import with_defaults
from events.spec.experiment import ExperimentSpec

IMAGE, COLLECTOR = "trialstream/python:3.11", "trialstream/collector:dev"
LINES_SECONDS = 30
"""For so long a trial prints 10 lines a second while its collector is looked at."""
SPACING = (0.0, 0.25, 0.5, 0.75)
"""The kubelet looks at its containers once a second: the starts are spread over that second."""
ROUNDS, QUICK_ROUNDS = 20, len(SPACING)
MEASURES = 1, 2
"""The quick version began in the first half of that second alone."""
KUBERNETES = Path(__file__).parents[2] / "shared" / "services" / "kubernetes"


def measure(home: Path, *, quick: bool) -> Outcome:
    settings = KafkaSettings.from_environment()
    if settings is None or "KUBECONFIG" not in os.environ:
        raise CannotMeasureError(
            "needs a Kubernetes with our images (KUBECONFIG) and a Kafka its pods reach"
        )
    asyncio.run(create(settings))
    place = f"bench-{uuid4().hex[:8]}"
    _kubectl("create", "namespace", place)
    try:
        figures = _starts(place, settings, QUICK_ROUNDS if quick else ROUNDS) | _usage(
            place, settings
        )
    finally:
        _kubectl("delete", "namespace", place, "--wait=false")
    return Outcome(figures, "-", packages=("aiokafka", "pydantic"))


def _starts(place: str, settings: KafkaSettings, rounds: int) -> dict[str, float]:
    """Milliseconds from the workload's creation to its process, bare, beside a sidecar that sleeps,
    and beside ours."""
    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "bare": lambda: _job(place, _PRINT),
        "sleeper": lambda: _beside_a_sleeper(_job(place, _PRINT)),
        "ours": lambda: manifest(_launch(place, _PRINT), _sidecar(settings), DENY),
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds):
        for name, make in kinds.items():
            time.sleep(SPACING[number % len(SPACING)])
            took[name].append(_start(place, make()))
        say(
            f"{number + 1} of {rounds}: "
            + ", ".join(f"{name} {each[-1]:.0f} ms" for name, each in took.items())
        )
    middle = {name: statistics.median(each) for name, each in took.items()}
    return {
        "start_bare_p50_ms": middle["bare"],
        "start_overhead_p50_ms": middle["ours"] - middle["bare"],
        "sleeper_overhead_p50_ms": middle["sleeper"] - middle["bare"],
    }


_PRINT = "import time; print(time.time(), flush=True)"


def _start(place: str, tree: dict[str, Any]) -> float:
    name = tree["metadata"]["name"]
    client = subprocess.Popen(
        [KUBERNETES, "kubectl", "create", "-n", place, "-f", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    time.sleep(0.4)  # the client is up and waits for its input
    client.communicate(json.dumps(tree).encode())
    created = time.time()
    _kubectl("wait", "--for=condition=Complete", f"job/{name}", "-n", place, "--timeout=60s")
    began = float(_kubectl("logs", f"job/{name}", "-c", "main", "-n", place).split()[0])
    _kubectl("delete", "job", name, "-n", place)
    return (began - created) * 1000


def _usage(place: str, settings: KafkaSettings) -> dict[str, float]:
    """Megabytes and share of a core of a collector whose trial prints ten lines a second."""
    lines = 10 * (LINES_SECONDS + 15)
    code = (
        f"import time\nfor n in range({lines}):\n print(f'loss={{n}}', flush=True)\n "
        "time.sleep(0.1)"
    )
    launch = _launch(place, code)
    _kubectl("create", "-n", place, "-f", "-", said=manifest(launch, _sidecar(settings), DENY))
    found = _collector(launch.key.experiment)
    time.sleep(10)
    before = sum(found.cpu_times()[:2])
    time.sleep(LINES_SECONDS)
    share = (sum(found.cpu_times()[:2]) - before) / LINES_SECONDS
    return {"collector_rss_mb": found.memory_info().rss / 1e6, "collector_core_share": share}


def _collector(experiment: ExperimentId) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for one in psutil.process_iter(["cmdline"]):
            words: list[str] = one.info["cmdline"] or []
            if str(experiment) in words and "python3" in words[0]:
                return psutil.Process(one.pid)
        time.sleep(0.2)
    raise CannotMeasureError(
        f"no collector of {experiment} is to be seen among the processes of this machine"
    )


def _job(place: str, code: str) -> dict[str, Any]:
    container = {"name": "main", "image": IMAGE, "command": ["python3", "-c", code]}
    spec = {
        "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    }
    metadata = {"name": f"bare-{uuid4().hex[:8]}", "namespace": place}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _beside_a_sleeper(tree: dict[str, Any]) -> dict[str, Any]:
    """The least that a native sidecar can cost."""
    command = ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]
    sleeper = {"name": "sleeper", "image": IMAGE, "restartPolicy": "Always", "command": command}
    tree["spec"]["template"]["spec"]["initContainers"] = [sleeper]
    return tree


def _launch(place: str, code: str) -> Launch:
    tree = _job(place, code)
    del tree["metadata"]
    spec = ExperimentSpec.model_validate(
        {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "parameters": [
                {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0, "max": 1}}
            ],
            "trialTemplate": {"trialSpec": tree, "primaryContainerName": "main"},
        },
        strict=False,
    )
    key = AttemptKey(ExperimentId(uuid4()), TrialNumber(1), 1)
    return Launch(key, "bench", place, with_defaults(spec), {"lr": 0.5}, None, Shard(0))


def _sidecar(settings: KafkaSettings) -> Sidecar:
    return Sidecar(COLLECTOR, environment=settings.to_environment())


def _kubectl(*words: str, said: Any = None) -> str:
    done = subprocess.run(
        [KUBERNETES, "kubectl", *words], text=True, capture_output=True, check=True, timeout=120,
        input=None if said is None else json.dumps(said),
    )  # fmt: skip
    return done.stdout
