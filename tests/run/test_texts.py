"""Trials whose objective is a text, on one machine: the example of the page, which prints a
genotype."""

import re
from pathlib import Path
from typing import Any

from controller.cli.exits import ExitCode
from tests.run.desk import Desk

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
LAST = "Genotype(normal=[('skip_connection', 1), ('skip_connection', 0)])"


def test_the_example_of_the_page_keeps_the_last_genotype_of_each_trial(desk: Desk) -> None:
    for name in ("genotype.py", "genotype.yaml"):
        language = {"py": "python", "yaml": "yaml"}[name.partition(".")[2]]
        (text,) = re.findall(
            rf"```{language}\n# {re.escape(name)}\n(.*?)```", PAGE.read_text(), re.DOTALL
        )
        (desk.folder / name).write_text(text)
    done = desk.do("run", "genotype.yaml", "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    best = done.document["best"]
    assert (best["trial"], best["value"]) == (2, None)
    assert best["metrics"] == {"Best-Genotype": LAST, "loss": 0.5}
    shown = desk.do("show", "genotype").said
    assert LAST in " ".join(shown.split()), shown
    told = desk.do("why", "genotype", "1").said
    assert f"Its text of Best-Genotype: {LAST}" in " ".join(told.split()), told
    rows: Any = desk.do("trials", "genotype", "--output", "json").document
    assert [(row["state"], row["Best-Genotype.text"]) for row in rows] == [("Succeeded", LAST)] * 2


def test_a_trial_without_its_text_has_no_metrics(desk: Desk) -> None:
    extra = r"""
  objective: {type: maximize, objectiveMetricName: loss}
  metricsCollectorSpec: {source: {filter: {metricsFormat: ['(loss)=(Genotype.*)']}}}"""
    done = desk.do("run", desk.write(trials=1, extra=extra), "--output", "json")
    assert (done.code, done.document["trials"]["MetricsUnavailable"]) == (ExitCode.FAILED, 1)
