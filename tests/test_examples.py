"""The examples are valid, and those that take a moment only run to the end they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.cli import app
from controller.cli.exits import ExitCode
from events.spec.document import load
from tests.tiers import rest_is_long

FOLDER = Path(__file__).parent.parent / "examples"
ALL = sorted(path.stem for path in FOLDER.glob("*.yaml"))
MAX_TRIALS, EXHAUSTED = "ExperimentMaxTrialsReached", "ExperimentSuggestionEndReached"
ENDS = {
    "double": (6, MAX_TRIALS),
    "log": (6, MAX_TRIALS),
    "normal": (6, MAX_TRIALS),
    "int": (6, EXHAUSTED),
    "discrete": (4, MAX_TRIALS),
    "categorical": (6, MAX_TRIALS),
    "conditional": (6, MAX_TRIALS),
}


@pytest.mark.parametrize("name", ALL)
def test_example_is_valid(name: str) -> None:
    result = CliRunner().invoke(
        app, ["check", str(FOLDER / f"{name}.yaml")], catch_exceptions=False
    )
    assert result.exit_code == ExitCode.OK, result.output
    assert "is valid" in result.output
    assert "Warning" not in result.output


def test_every_example_is_listed_and_the_small_ones_are_run() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [name for name in ALL if f"| `{name}.yaml` |" not in readme] == []
    small = [name for name in ALL if "bowl.py" in (FOLDER / f"{name}.yaml").read_text()]
    assert small == sorted(ENDS)


def test_the_katib_twin_searches_the_same_space_for_the_same_thing() -> None:
    ours = load((FOLDER / "digits.yaml").read_bytes()).spec
    katib = load((FOLDER / "digits-katib.yaml").read_bytes()).spec
    assert katib.objective == ours.objective
    assert katib.max_trial_count == ours.max_trial_count
    assert [
        (p.name, p.type, p.space.min, p.space.max, p.space.step, p.space.distribution)
        for p in katib.parameters
    ] == [
        (p.name, p.type, p.space.min, p.space.max, p.space.step, p.space.distribution)
        for p in ours.parameters
    ]
    assert [[str(value) for value in p.space.list] for p in katib.parameters] == [
        [str(value) for value in p.space.list] for p in ours.parameters
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("name", rest_is_long(sorted(ENDS), lambda name: name in ("int", "log")))
def test_small_example_runs_to_its_end(name: str, data: Path) -> None:
    tree = run(name, data)
    trials, reason = ENDS[name]
    assert (tree["state"], tree["reason"]) == ("Succeeded", reason)
    assert tree["trials"]["Succeeded"] == sum(tree["trials"].values()) == trials
    assert tree["best"]["value"] >= 0


def test_the_tradeoff_ends_with_a_front_that_keeps_its_constraint(data: Path) -> None:
    tree = run("tradeoff", data)
    assert (tree["state"], tree["reason"], tree["best"]) == ("Succeeded", MAX_TRIALS, None)
    assert len(tree["front"]) > 3
    assert all(member["metrics"]["memory_mb"] <= 2 for member in tree["front"])
    assert tree["referencePoint"] == {"error": 0.3, "latency_ms": 50}
    assert 8 < tree["hypervolume"] < 0.3 * 50


def run(name: str, data: Path) -> dict[str, Any]:
    """What `run --output json` says of an example at its end."""
    file = FOLDER / f"{name}.yaml"
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
    python = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, **python},
    )
    assert done.returncode == ExitCode.OK, done.stderr
    tree: dict[str, Any] = json.loads(done.stdout)
    return tree
