"""Trials that expose their metrics for Prometheus, on one machine: each is asked by itself."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.cli.exits import ExitCode
from tests.collectors.exposing import COLLECTOR, EXPOSING, SCRAPES
from tests.run.desk import Desk

ROOT = Path(__file__).parents[2]
EXPOSED = f"""
  metricsCollectorSpec: {json.dumps(COLLECTOR)}
  trialTemplate: {{command: [{sys.executable}, train.py, "${{trialParameters.x}}"]}}"""


def test_trials_side_by_side_are_asked_by_themselves(desk: Desk) -> None:
    desk.script("train", EXPOSING)
    done = desk.do("run", desk.write(trials=4, parallel=2, extra=EXPOSED), "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    rows: Any = desk.do("trials", "desk", "--output", "json").document
    assert len(rows) == 4
    for row in rows:
        assert row["value"] == pytest.approx(row["x"] * 0.5**SCRAPES, abs=1e-6)


def test_a_program_that_listens_elsewhere_is_told_where_it_was_asked(desk: Desk) -> None:
    desk.script("train", "import time; time.sleep(0.3); print('loss=0.5')")
    assert desk.do("run", desk.write(trials=1, extra=EXPOSED)).code == ExitCode.FAILED
    said = " ".join(desk.do("why", "desk", "1").said.split())
    assert "no page with metrics was at localhost:9000/metrics while it ran" in said
    assert "Connection refused" in said
    assert "on one machine a trial has its port in TRIALSTREAM_METRICS_PORT" in said
