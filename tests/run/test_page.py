"""Each experiment of the page on metrics runs as it stands there, and each collector has one."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.cli.exits import ExitCode
from events.spec.collector import CollectorKind
from tests.run.desk import Desk

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BLOCKS = dict(re.findall(r"```\w+\n# (\w+\.(?:py|yaml))\n(.*?)```", PAGE.read_text(), re.DOTALL))
FILES = sorted(name for name in BLOCKS if name.endswith(".yaml"))
ELSEWHERE = {"mlflow.yaml"}
"""Needs MLflow: test_mlflow.py runs it."""
TRAINED = ("prints", "writes", "objects", "scalars", "push", "exposing")
"""Those whose program is the same training."""


def collector_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(BLOCKS[name])["spec"].get("metricsCollectorSpec", {})
    return found


def test_each_collector_has_an_example() -> None:
    kinds = {collector_of(name).get("collector", {}).get("kind", "StdOut") for name in FILES}
    assert {str(kind) for kind in kinds} == {kind.value for kind in CollectorKind}
    files = [collector_of(name).get("source", {}).get("fileSystemPath", {}) for name in FILES]
    assert {one.get("format", "TEXT") for one in files if one.get("kind") == "File"} == {
        "TEXT", "JSON"
    }  # fmt: skip


def test_each_example_runs(desk: Desk) -> None:
    """All at once, as they wait most of the time."""
    for name, text in BLOCKS.items():
        (desk.folder / name).write_text(text.replace("[python,", f"[{sys.executable},"))
    names = [name.removesuffix(".yaml") for name in FILES if name not in ELSEWHERE]
    started = {name: desk.start("run", f"{name}.yaml", "--output", "json") for name in names}
    for name, command in started.items():
        done = desk.end(command)
        assert done.code == ExitCode.OK, (name, done.complained)
        best = done.document["best"]
        assert (best is None) == (name == "none"), name
        if name == "custom":
            assert best["value"] == best["assignment"]["x"]
        elif name in TRAINED:
            assert "warning" not in done.complained.lower(), (name, done.complained)
            wanted = (1 - best["assignment"]["lr"]) ** 10
            assert best["value"] == pytest.approx(wanted, rel=1e-6), name
