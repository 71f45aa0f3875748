"""A real Kubernetes for tests, asked with its own kubectl."""

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[1]
NO_KUBERNETES = (
    "they need a Kubernetes: start one and set KUBECONFIG and TRIALSTREAM_HOST_FROM_PODS; see "
    "AGENTS.md"
)
PYTHON = "trialstream/python:3.11"
"""The image of the tests' trials."""
COLLECTOR = "trialstream/collector:dev"
CONTROLLER = "trialstream/controller:dev"
SECONDS = 120
TEMPORARY = Path(tempfile.gettempdir())
DOOR = "trialstream-tests.door"
"""A file that is locked by who waits for the cluster."""


@contextmanager
def cluster_is_ours(*, alone: bool, folder: Path = TEMPORARY) -> Iterator[None]:
    """Wait until nobody has the cluster alone, or nobody has it at all. Whoever comes later waits,
    too: so those that want it alone get it."""
    with (folder / DOOR).open("w") as door, (folder / "trialstream-tests.room").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


def program() -> Path:
    """What starts and stops parts of the cluster; the test is left out where there is none."""
    if "KUBECONFIG" not in os.environ or "TRIALSTREAM_HOST_FROM_PODS" not in os.environ:
        pytest.skip(NO_KUBERNETES)
    folder = os.environ.get("TRIALSTREAM_SERVICES_FOLDER", ROOT.parent / "shared" / "services")
    found = Path(
        os.environ.get("TRIALSTREAM_SERVICES_KUBERNETES", Path(folder, "kubernetes"))
    ).absolute()
    if not found.exists():
        pytest.skip(
            "they stop parts of the cluster: set TRIALSTREAM_SERVICES_KUBERNETES, for there "
            f"is no {found}"
        )
    return found


def kubectl(*words: str, said: Any = None, check: bool = True) -> str:
    """Run kubectl; `said` goes to its standard input as JSON."""
    done = subprocess.run(
        [program(), "kubectl", *words], text=True, capture_output=True, check=False,
        timeout=SECONDS,
        input=None if said is None else json.dumps(said),
    )  # fmt: skip
    assert done.returncode == 0 or not check, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout if done.returncode == 0 else done.stderr


def objects(*words: str) -> list[dict[str, Any]]:
    """What `kubectl get …` lists."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", *words, "-o", "json"))["items"]
    return found


@contextmanager
def namespace() -> Iterator[str]:
    """A namespace of the test's own; nothing is left of it."""
    name = f"test-{uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@contextmanager
def operator(name: str, folder: Path = TEMPORARY) -> Iterator[None]:
    """An operator works while this lasts; whoever else wants it waits."""
    with (folder / f"trialstream-tests.{name}").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        _ask("operator", "up", name)
        try:
            yield
        finally:
            _ask("operator", "down", name)


def _ask(*words: str) -> None:
    subprocess.run([program(), *words], check=True, capture_output=True, timeout=SECONDS)
