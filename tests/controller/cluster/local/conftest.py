"""Launches of real processes, and a data folder that leaves none of them behind."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey, Launch
from controller.cluster.local.attempts import Attempt
from events.ids import ExperimentId, TrialNumber
from events.spec.experiment import ExperimentSpec


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    for started in folder.glob("experiments/*/*/*/started.json"):
        attempt = Attempt(str(folder), str(started.parent.relative_to(folder / "experiments")))
        running = attempt.start_record()
        if running and attempt.exit_record() is None:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., Launch]:
    """launch(trial, *command, attempt=1, origin=…, assignment=…, template=…, **spec): an attempt of
    one experiment."""
    experiment = ExperimentId(uuid4())

    def make(
        trial: int, *command: str, attempt: int = 1, origin: str | None = None, **more: Any
    ) -> Launch:
        template = more.pop("template", {}) | ({"command": command} if command else {})
        assignment = more.pop("assignment", {})
        spec = ExperimentSpec.model_validate({"trialTemplate": template, **more}, strict=False)
        key = AttemptKey(experiment, TrialNumber(trial), attempt)
        return Launch(key, "exp", "default", spec, assignment, origin or str(tmp_path))

    return make
