"""What trials log to a real MLflow, in a folder or at a server, is what they report."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from controller.cli.exits import ExitCode
from tests.empty import Environment
from tests.eventually import eventually
from tests.ports import free_port
from tests.run.desk import Desk

ROOT = Path(__file__).parents[2]
PLACE = "MLFLOW_TRACKING_URI"
ONE_RUN = """
import sys
import mlflow
with mlflow.start_run():
    mlflow.log_metric("loss", 0.5, step=int(sys.argv[1]))
    mlflow.log_metric("step", 77)  # not to be taken for the place of another value
    mlflow.log_metric("acc", float("nan"), step=int(sys.argv[1]))
"""


@contextmanager
def server(python: str, folder: Path) -> Iterator[str]:
    """MLflow's own, on a database."""
    port = free_port()
    store = f"sqlite:///{folder / 'mlflow.db'}"
    words = ["server", "--port", str(port), "--workers", "1", "--backend-store-uri", store]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [python, "-m", "mlflow", *words], cwd=folder, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        eventually(lambda: _answers(port), "the server answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.long  # MLflow is large
def test_what_a_trial_logs_to_mlflow_is_reported(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Environment.made(tmp_path / "env", sys.executable)
    made.install("mlflow")
    (made.packages / "tree.pth").write_text(str(ROOT))
    python = str(made.folder / "bin" / "python")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with server(python, tmp_path) as url:
        the_example_of_the_page_runs(desk, python, monkeypatch, url)
    folder = f"file://{tmp_path / 'mlruns'}"
    the_example_of_the_page_runs(desk, python, monkeypatch, folder)
    nothing_is_reported_twice(python, tmp_path, folder)


def the_example_of_the_page_runs(
    desk: Desk, python: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv(PLACE, place)
    page = (ROOT / "docs" / "metrics.md").read_text()
    blocks = dict(re.findall(r"```\w+\n# (logs\.py|mlflow\.yaml)\n(.*?)```", page, re.DOTALL))
    desk.script("logs", blocks["logs.py"])
    name = "folder" if place.startswith("file") else "server"
    file = blocks["mlflow.yaml"].replace("[python,", f"[{python},")
    (desk.folder / "mlflow.yaml").write_text(
        file.replace("name: mlflow}\nspec", f"name: {name}}}\nspec")
    )
    done = desk.do("run", "mlflow.yaml", "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    rows: Any = desk.do("trials", name, "--output", "json").document
    assert len(rows) == 4
    for row in rows:
        assert row["value"] == pytest.approx(row["x"] / 3)
    assert "3 values" in desk.do("why", name, "1").said


def nothing_is_reported_twice(python: str, folder: Path, place: str) -> None:
    """A collector that is started anew goes on where the last one was."""
    reports = folder / "reports"
    environment = {
        **os.environ, PLACE: place, "TRIALSTREAM_REPORT_FILE": str(reports),
        "MLFLOW_RUN_CONTEXT": json.dumps({"trialstream.attempt": "one"}),
    }  # fmt: skip
    for step in (1, 2):
        words = [python, "-c", ONE_RUN, str(step)]
        subprocess.run(words, env=environment, check=True, capture_output=True)
        collector = subprocess.Popen([python, "-m", "trialstream_report.mlflow"], env=environment)
        eventually(partial(_has_lines, reports, 2 * step))
        collector.terminate()
        assert collector.wait(60) == 0
    lines = [json.loads(line) for line in reports.read_text().splitlines()]
    assert [(one["step"], one.get("loss"), one.get("acc")) for one in lines] == [
        (1, 0.5, None),
        (1, None, "nan"),
        (2, 0.5, None),
        (2, None, "nan"),
    ]


def _has_lines(file: Path, count: int) -> bool:
    return file.exists() and file.read_text().count("\n") >= count
