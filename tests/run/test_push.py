"""Trials that push their metrics, on one machine, from the file to the rows of Postgres."""

import re
import sys
from pathlib import Path

import pytest

from controller.cli.exits import ExitCode
from tests.crash.evidence import evidence
from tests.eventually import eventually
from tests.run.desk import Desk

ROOT = Path(__file__).parents[2]
COUNT = 50
PUSHING = f"""
import os, sys, time
from trialstream_report import report
def reports(first):
    for n in range(first, first + {COUNT}):
        report(step=n, loss=float(sys.argv[1]) / (n + 1))
"""
GATED = """
reports(0)
while not os.path.exists("go"):
    time.sleep(0.01)
    report(loss=1)
"""
PUSH = f"""
  metricsCollectorSpec: {{collector: {{kind: Push}}}}
  trialTemplate: {{command: [{sys.executable}, train.py, "${{trialParameters.x}}"]}}"""


def test_the_example_of_the_page_runs_and_what_it_prints_does_not_count(desk: Desk) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    blocks = re.findall(r"```\w+\n# (train\.py|push\.yaml)\n(.*?)```", page, re.DOTALL)
    train, push = (dict(blocks)[name] for name in ("train.py", "push.yaml"))
    desk.script("train", f"{train}print('loss=-1')")
    (desk.folder / "push.yaml").write_text(push.replace("[python,", f"[{sys.executable},"))
    done = desk.do("run", "push.yaml", "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    best = done.document["best"]
    assert best["value"] == pytest.approx((1 - best["assignment"]["lr"]) ** 10)
    assert "warning" not in done.complained.lower()
    assert desk.do("logs", "push", "1").said == "loss=-1\n"


def test_a_name_that_nobody_asked_for_is_named(desk: Desk) -> None:
    desk.script("train", "from trialstream_report import report; report(step=1, acc=0.5)")
    desk.do("run", desk.write(trials=1, extra=PUSH))
    assert "it reported acc instead" in desk.do("why", "desk", "1").said


def test_kill_9_of_who_reads_them_loses_and_doubles_nothing(desk: Desk) -> None:
    """While it reads: the trials go on, and are read on by the next."""
    desk.script("train", PUSHING + GATED)
    file = desk.write(trials=4, parallel=4, extra=PUSH)
    run = desk.start("run", file)
    pushed = desk.data / "experiments"
    eventually(lambda: len(list(pushed.glob("*/*/*/reports.jsonl"))) == 4)
    run.kill()
    run.wait()
    (desk.folder / "go").touch()
    done = desk.do("run", file)
    assert done.code == ExitCode.OK, done.complained
    found = evidence(desk.data).points
    written = {
        int(one.parts[-3]): one.read_text().count("loss")
        for one in pushed.glob("*/*/*/reports.jsonl")
    }
    assert found == [(trial, 1, written[trial], written[trial]) for trial in range(1, 5)]
