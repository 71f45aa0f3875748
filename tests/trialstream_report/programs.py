"""Programs that report, as processes of their own, and what is read of them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collectors.sources.registry import source_for
from events.clock import now
from events.metrics import Point
from events.spec.collector import REPORT_FILE, Collector, CollectorKind, MetricsCollectorSpec

ROOT = Path(__file__).parents[2]
PUSH = MetricsCollectorSpec(collector=Collector(kind=CollectorKind.PUSH))


def environment(**variables: object) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIALSTREAM")}
    named = {name: str(value) for name, value in variables.items()}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **named}


def ran(code: str, program: str = sys.executable, /, **variables: object) -> str:
    """Run a program to its end; what it said on standard error."""
    done = subprocess.run(
        [program, "-c", code],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def pushed(code: str, file: Path, **variables: object) -> str:
    """The same, in a trial that pushes into `file`."""
    trial = {REPORT_FILE: file, "TRIALSTREAM_TRIAL": "exp-1"}
    return ran(code, **{**trial, **variables})


@contextmanager
def running(code: str, file: Path) -> Iterator["subprocess.Popen[str]"]:
    """A program that pushes, for as long as it takes; nothing is left of it."""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(**{REPORT_FILE: file}),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Each line as strict JSON."""
    return [json.loads(line, parse_constant=int) for line in file.read_text().splitlines() if line]


def points_of(file: Path, metrics: Sequence[str] = ("loss",)) -> list[Point]:
    """What a collector makes of it."""
    source, points = source_for(PUSH, metrics, file, now), []
    while more := source.finish():
        points += more
    return points


def values_of(file: Path, metric: str = "loss") -> list[float]:
    points = points_of(file, [metric])
    assert [point.step for point in points] == list(range(1, len(points) + 1))
    return [point.value for point in points]
