"""Katib's own examples, unchanged: they run, or the refusal says what is not supported yet."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from algorithms.search.registry import ALGORITHMS
from controller.cli import app
from controller.cli.exits import ExitCode
from tests.tiers import rest_is_long

FOLDER = Path(__file__).parent / "katib"
WORKING = ("random", "grid", "tpe", "median-stop")
THERE = f"there are: {', '.join(ALGORITHMS)}"
TO_COME = {
    "hyperband": (
        f"line 15, spec.algorithm.algorithmName: 'hyperband' is not supported yet; {THERE}"
    ),
    # Katib's webhook refuses this one for the same reason
    "simple-pbt": (
        "line 10, spec.maxFailedTrialCount: 3 is more than maxTrialCount, 2; lower it or raise that"
    ),
}
SUMMARIES = """
import sys
from tensorboardX import SummaryWriter
given = dict(word.removeprefix("--").split("=") for word in sys.argv[1:])
for folder, share in (("train", 1.0), ("test", 0.5)):
    with SummaryWriter(given["log-path"] + "/" + folder) as writer:
        for step in range(3):
            writer.add_scalar("accuracy", float(given["learning-rate"]) * share * step, step)
"""
CONCLUDED = ("Succeeded", "Failed", "EarlyStopped", "Killed", "MetricsUnavailable")


def check(file: Path) -> Result:
    return CliRunner().invoke(app, ["check", str(file)], catch_exceptions=False)


@pytest.mark.parametrize("name", WORKING)
def test_example_is_valid(name: str) -> None:
    result = check(FOLDER / f"{name}.yaml")
    assert result.exit_code == ExitCode.OK, result.output
    assert "is valid" in result.output
    assert "Warning" not in result.output


@pytest.mark.parametrize("name", sorted(TO_COME))
def test_example_is_refused_with_the_reason(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    result = check(file)
    assert result.exit_code == ExitCode.INVALID
    assert result.output == f"Error: {file} has 1 problem:\n  {TO_COME[name]}\n"


def test_simple_pbt_with_sound_counts_is_refused_for_its_algorithm(tmp_path: Path) -> None:
    file = tmp_path / "pbt.yaml"
    text = (FOLDER / "simple-pbt.yaml").read_text()
    file.write_text(text.replace("maxFailedTrialCount: 3", "maxFailedTrialCount: 2"))
    result = check(file)
    assert result.exit_code == ExitCode.INVALID
    assert f"spec.algorithm.algorithmName: 'pbt' is not supported yet; {THERE}\n" in result.output


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("katib")


@pytest.mark.parametrize("name", rest_is_long(WORKING, lambda name: name in ("tpe", "median-stop")))
def test_example_runs_to_its_end(name: str, data: Path, tmp_path: Path) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    local = text.replace('"python3"', json.dumps(sys.executable))
    local = local.replace('"/opt/pytorch-mnist/mnist.py"', json.dumps(str(FOLDER / "train.py")))
    file = tmp_path / f"{name}.yaml"
    file.write_text(local)
    assert local != text
    tree = run(file, data)
    wanted = yaml.safe_load(text)["spec"]["maxTrialCount"]
    assert (tree["state"], tree["reason"]) == ("Succeeded", "ExperimentMaxTrialsReached")
    assert {
        state: count for state, count in tree["trials"].items() if state not in CONCLUDED and count
    } == {}
    assert sum(tree["trials"].values()) == wanted
    assert tree["trials"]["Succeeded"] + tree["trials"]["EarlyStopped"] == wanted
    assert tree["best"]["metrics"]["loss"] == tree["best"]["value"]


def test_the_tfjob_with_event_files_runs_with_a_small_program(data: Path, tmp_path: Path) -> None:
    """On the cluster: tests/deploy/test_installation.py."""
    (tmp_path / "mnist.py").write_text(SUMMARIES)
    text = (FOLDER / "tfjob-mnist-with-summaries.yaml").read_text()
    local = text.replace('"python"', json.dumps(sys.executable))
    local = local.replace("/opt/tf-mnist-with-summaries/mnist.py", str(tmp_path / "mnist.py"))
    (tmp_path / "tfjob.yaml").write_text(local)
    tree = run(tmp_path / "tfjob.yaml", data)
    assert (tree["state"], tree["trials"]["Succeeded"]) == ("Succeeded", 12)
    (rate,) = [one for name, one in tree["best"]["assignment"].items() if name == "learning_rate"]
    assert tree["best"]["value"] == pytest.approx(rate)


def run(file: Path, data: Path) -> dict[str, Any]:
    """`trialstream run`, as a person would; it must succeed."""
    command = [
        sys.executable,
        "-m",
        "controller.cli",
        "run",
        str(file),
        "--data",
        str(data),
        "--output",
        "json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ}
    )
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stderr == ""
    tree: dict[str, Any] = json.loads(done.stdout)
    return tree
