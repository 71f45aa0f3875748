"""Trials whose objective is a text, on one machine: the example of the page, which prints a
genotype, and Katib's of `darts`."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from controller.cli.exits import ExitCode
from tests.run.desk import Desk

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
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


def test_the_objective_and_the_filter_of_katibs_darts(desk: Desk) -> None:
    """What the search suggests, and the program, are replaced; the program prints as Katib's
    does."""
    tree = yaml.safe_load((ROOT / "tests" / "katib" / "darts-cpu.yaml").read_text())
    spec = tree["spec"]
    del spec["nasConfig"]
    spec["algorithm"] = {"algorithmName": "random"}
    names = [one["reference"] for one in spec["trialTemplate"]["trialParameters"]]
    space = {"list": ["{'num_epochs': '1'}"]}
    spec["parameters"] = [
        {"name": name, "parameterType": "categorical", "feasibleSpace": space} for name in names
    ]
    (pod,) = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    pod["command"][:2] = [sys.executable, "-S", "darts.py"]
    (desk.folder / "darts.yaml").write_text(json.dumps(tree))
    desk.script("darts", f'print("Epoch 1"); print("Best-Genotype=", end=""); print("""{LAST}""")')
    done = desk.do("run", "darts.yaml", "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    assert "learns nothing" in " ".join(done.complained.split())
    assert done.document["best"]["metrics"] == {"Best-Genotype": LAST}


def test_a_trial_without_its_text_has_no_metrics(desk: Desk) -> None:
    extra = r"""
  objective: {type: maximize, objectiveMetricName: loss}
  metricsCollectorSpec: {source: {filter: {metricsFormat: ['(loss)=(Genotype.*)']}}}"""
    done = desk.do("run", desk.write(trials=1, extra=extra), "--output", "json")
    assert (done.code, done.document["trials"]["MetricsUnavailable"]) == (ExitCode.FAILED, 1)
