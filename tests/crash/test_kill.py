"""kill -9 at random moments: each trial is concluded once, nothing runs twice, is lost or is left
behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from controller.store.embedded import EmbeddedServer
from tests.crash.evidence import Evidence, evidence
from tests.eventually import eventually
from tests.experiments import experiment_text, fields_of
from tests.tiers import LONG, rest_is_long

TRIALS = 60 if LONG else 24
ROUNDS = 10 if LONG else 3
"""Kills of a controller in each experiment: there must be trials for as long as they take."""
STEPS = 5
TRAIN = f"""
import json, os, sys, time
name, attempt = os.environ["TRIALSTREAM_TRIAL"], os.environ["TRIALSTREAM_ATTEMPT"]
with open(os.environ["DIARY"], "a") as diary:
    def note(what):
        entry = [time.monotonic(), what, name, int(attempt), os.getpid()]
        diary.write(json.dumps(entry) + "\\n"); diary.flush()
    note("start")
    for step in range({STEPS}):
        print(f"loss={{(float(sys.argv[1]) - 0.3) ** 2 + 1 / (step + 1)}}", flush=True)
        time.sleep(0.2)
    note("end")
"""


class Workshop:
    """A folder with an experiment, its data and the diary that its trials keep."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.runs: list[subprocess.Popen[str]] = []
        self.diary = folder / "diary"
        self.diary.touch()
        (folder / "train.py").write_text(TRAIN)

    def submit(self, algorithm: str, extra: str = "") -> None:
        latest = [{"name": "loss", "value": "latest"}]
        fields: dict[str, Any] = {
            "objective": {
                "type": "minimize",
                "objectiveMetricName": "loss",
                "metricStrategies": latest,
            },
            "algorithm": {"algorithmName": algorithm},
            "seed": 5,
            "parallelTrialCount": 4,
            "maxTrialCount": TRIALS,
            "trialTemplate": {
                "command": [sys.executable, "-S", "train.py", "${trialParameters.x}"]
            },
        }
        (self.folder / "crash.yaml").write_text(
            experiment_text("crash", **{**fields, **fields_of(extra)})
        )

    def run(self) -> "subprocess.Popen[str]":
        """`trialstream run` in a session of its own, as in another terminal."""
        command = [
            sys.executable,
            "-m",
            "controller.cli",
            "run",
            "crash.yaml",
            "--output",
            "json",
            "--data",
            str(self.data),
        ]
        with (self.folder / "errors").open("a") as errors:
            run = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, "DIARY": str(self.diary)}, text=True,
                start_new_session=True, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self.runs.append(run)
        return run

    def close(self) -> None:
        """Whatever a failed test left behind."""
        for run in self.runs:
            if run.poll() is None:
                run.kill()
            if run.stdout and not run.stdout.closed:
                run.communicate()
        with EmbeddedServer(self.data).use():
            pass

    def to_the_end(self) -> dict[str, Any]:
        run = self.run()
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 0, (self.folder / "errors").read_text()
        document: dict[str, Any] = json.loads(said)
        return document

    def notes(self) -> list[tuple[float, str, str, int, int]]:
        return [tuple(json.loads(line)) for line in self.diary.read_text().splitlines()]

    def postmaster(self) -> int | None:
        pidfile = self.data / "postgres" / "cluster" / "postmaster.pid"
        return int(pidfile.read_text().split()[0]) if pidfile.exists() else None

    def cleared(self) -> None:
        """Nothing of this folder runs any more."""
        mine = str(self.folder)
        left = [
            p.cmdline()
            for p in psutil.process_iter(["cmdline", "environ"])
            if self._belongs(p, mine)
        ]
        assert not left, left

    @staticmethod
    def _belongs(process: psutil.Process, mine: str) -> bool:
        try:
            words = process.cmdline()
            return any(mine in word for word in words) or process.environ().get(
                "DIARY", ""
            ).startswith(mine)
        except psutil.Error:
            return False


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.close()


def check(workshop: Workshop, document: dict[str, Any], seen: Evidence) -> None:
    assert document["state"] == "Succeeded", document
    assert sum(document["trials"].values()) == TRIALS
    concluded = Counter(trial for (trial,) in seen.concluded)
    assert sorted(concluded) == list(range(1, TRIALS + 1))
    assert set(concluded.values()) == {1}
    assert seen.outbox == 0
    assert seen.fact_gaps == 0
    for trial, attempt, steps, distinct in seen.points:
        assert steps == distinct == STEPS, f"trial {trial} attempt {attempt} has {steps} points"
    assert len(seen.points) == TRIALS
    _alive_once(workshop)
    _started_once(workshop)


def _alive_once(workshop: Workshop) -> None:
    """No two attempts of one trial at once, by the trials' own diaries."""
    lives: dict[str, list[tuple[float, float, int]]] = {}
    begun: dict[tuple[str, int], float] = {}
    for at, what, name, attempt, _ in workshop.notes():
        if what == "start":
            begun[name, attempt] = at
        else:
            lives.setdefault(name, []).append((begun[name, attempt], at, attempt))
    for name, spans in lives.items():
        spans.sort()
        for (_, end, first), (start, _, second) in pairwise(spans):
            assert end <= start, f"{name}: attempts {first} and {second} overlap"


def _started_once(workshop: Workshop) -> None:
    starts = Counter(
        (name, attempt) for _, what, name, attempt, _ in workshop.notes() if what == "start"
    )
    assert set(starts.values()) == {1}, starts


@pytest.mark.parametrize("batch", rest_is_long(range(3), lambda batch: batch == 0))
def test_the_controller_is_killed_at_random_moments(workshop: Workshop, batch: int) -> None:
    """Again and again, with a seed for each; the trials outlive it, and each runs once."""
    algorithm, extra = [
        ("random", ""),
        ("nevergrad", ""),
        (
            "sobol",
            (
                "earlyStopping: {algorithmName: medianstop, algorithmSettings: [{name: "
                "start_step, value: 100}]}"
            ),
        ),
    ][batch]
    workshop.submit(algorithm, extra)
    for number in range(ROUNDS):
        dice = random.Random(batch * 100 + number)
        run = workshop.run()
        time.sleep(dice.uniform(0.2, 2.0))
        assert run.poll() is None, "the experiment ended before all kills: make it longer"
        run.kill()
        run.communicate()
    document = workshop.to_the_end()
    check(workshop, document, evidence(workshop.data))
    assert all(attempt == 1 for _, _, _, attempt, _ in workshop.notes()), (
        "a controller's death costs no attempt"
    )
    workshop.cleared()


def test_postgres_is_killed_at_random_moments(workshop: Workshop) -> None:
    workshop.submit("random")
    dice = random.Random(7)
    run = workshop.run()
    eventually(lambda: workshop.notes() or run.poll() is not None)
    kills = 0
    while run.poll() is None and kills < 5:
        time.sleep(dice.uniform(0.6, 1.5))
        postmaster = workshop.postmaster()
        if postmaster is not None and run.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(postmaster, signal.SIGKILL)
                kills += 1
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, (workshop.folder / "errors").read_text()
    assert kills >= 2
    check(workshop, json.loads(said), evidence(workshop.data))
    workshop.cleared()
