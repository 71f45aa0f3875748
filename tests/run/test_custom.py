"""Trials with a collector of the user's own, on one machine."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.cli.exits import ExitCode
from tests.collectors.custom import COLLECTING, PLACE, SOURCE, WRITING
from tests.run.desk import Desk

ROOT = Path(__file__).parents[2]


def spec(*command: str) -> str:
    """What an experiment of this collector adds."""
    custom = {"name": "mine", "command": [*command, PLACE]}
    collector = {"collector": {"kind": "Custom", "customCollector": custom}, "source": SOURCE}
    template = {"command": [sys.executable, "train.py", "${trialParameters.x}", PLACE]}
    return f"""
  metricsCollectorSpec: {json.dumps(collector)}
  trialTemplate: {json.dumps(template)}"""


@pytest.fixture
def site(desk: Desk) -> Desk:
    desk.script("train", WRITING)
    desk.script("collect", COLLECTING)
    return desk


def test_what_it_reports_until_it_ends_counts_for_its_own_trial(site: Desk) -> None:
    extra = spec(sys.executable, "collect.py")
    done = site.do("run", site.write(trials=4, parallel=2, extra=extra), "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    rows: Any = site.do("trials", "desk", "--output", "json").document
    assert [row["value"] for row in rows] == [pytest.approx(row["x"] * 0.125) for row in rows]
    assert site.trials_alive() == []


def test_one_that_reports_nothing_or_is_not_there_is_told_of(site: Desk) -> None:
    silent = site.write("silent", trials=1, extra=spec(sys.executable, "-c", "pass"))
    assert site.do("run", silent).code == ExitCode.FAILED
    said = " ".join(site.do("why", "silent", "1").said.split())
    assert "its custom collector has appended no report to the file" in said
    absent = site.write("absent", trials=1, extra=spec("no-such-collector"))
    assert site.do("run", absent).code == ExitCode.FAILED
    assert "no-such-collector" in site.do("why", "absent", "1").said


def test_beside_another_kind_none_is_started(site: Desk) -> None:
    reporting = """import os; print('{"loss": 1}', file=open(os.environ[NAME], "a"))"""
    site.script("collect", reporting.replace("NAME", "'TRIALSTREAM_REPORT_FILE'"))
    site.script("train", "import time; time.sleep(1)")
    extra = spec(sys.executable, "collect.py").replace('"Custom"', '"Push"')
    site.do("run", site.write(trials=1, extra=extra))
    assert "has not called report" in site.do("why", "desk", "1").said


def test_one_that_does_not_end_is_killed(site: Desk) -> None:
    endless = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    extra = spec(sys.executable, "-c", endless)
    assert site.do("run", site.write(trials=1, extra=extra)).code == ExitCode.FAILED
    assert site.trials_alive() == []
