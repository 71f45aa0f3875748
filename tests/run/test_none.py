"""Trials of which no metrics are expected, on one machine: how they end is all that counts."""

import re
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from controller.cli import app
from controller.cli.exits import ExitCode
from tests.run.desk import Desk

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_example_of_the_page_runs_and_its_exit_codes_decide(desk: Desk) -> None:
    (file,) = re.findall(r"```yaml\n# none\.yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (desk.folder / "none.yaml").write_text(file)
    done = desk.do("run", "none.yaml", "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    assert done.document["best"] is None
    rows: Any = desk.do("trials", "none", "--output", "json").document
    ends = {row["x"]: (row["state"], row["value"]) for row in rows}
    assert ends == {0: ("Succeeded", None), 1: ("Failed", None), 2: ("Failed", None)}


def test_what_it_prints_is_not_read(desk: Desk) -> None:
    extra = "\n  metricsCollectorSpec: {collector: {kind: None}}"
    done = desk.do("run", desk.write(trials=1, extra=extra), "--output", "json")
    assert (done.code, done.document["best"]) == (ExitCode.OK, None), done.complained


def test_what_needs_metrics_is_refused(desk: Desk) -> None:
    extra = """
  metricsCollectorSpec: {collector: {kind: None}}
  outcomeConstraints: ["size <= 3"]
  earlyStopping: {algorithmName: medianstop}
  objective: {type: minimize, objectiveMetricName: loss, goal: 0.1}"""
    said = CliRunner().invoke(app, ["check", str(desk.folder / desk.write(extra=extra))]).output
    said = " ".join(said.split())
    for field in ("spec.objective.goal", "spec.outcomeConstraints", "spec.earlyStopping"):
        assert f"{field}: needs metrics, and the collector None reads none" in said, said
