"""kill -9 of the `run` that reads, in the middle of what no second reader would find as it was:
nothing is lost, nothing comes twice."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from controller.cli.exits import ExitCode
from controller.store.embedded import embedded
from controller.store.postgres import open_database
from tests.eventually import eventually
from tests.run.desk import Desk
from tests.tiers import rest_is_long

WAITS = """
import os, sys, time
def until(gate):
    while not os.path.exists(gate):
        time.sleep(0.01)
"""
REPLACING = f"""{WAITS}
def write(loss):
    with open(sys.argv[2] + ".new", "w") as file:
        print(f"loss={{loss}}", file=file)
    os.replace(sys.argv[2] + ".new", sys.argv[2])
write(0.9)
until("second")
write(0.5)
until("third")
write(0.3)
"""
WRITING = f"""{WAITS}
from tensorboardX import SummaryWriter
a, b = (SummaryWriter(sys.argv[2], filename_suffix=one, flush_secs=0.02) for one in "ab")
a.add_scalar("loss", 0.9)
until("second")
b.add_scalar("loss", 0.5)
until("third")
a.add_scalar("loss", 0.3)
"""
EXPOSING = f"""{WAITS}
from prometheus_client import Gauge, start_http_server
loss = Gauge("loss", "of the last epoch")
loss.set(0.9)
start_http_server(int(os.environ["TRIALSTREAM_METRICS_PORT"]))
until("second")
loss.set(0.5)
until("third")
loss.set(0.3)
until("end")
"""
PLACE = "/shared/metrics"
FILE = {
    "collector": {"kind": "File"},
    "source": {"fileSystemPath": {"path": PLACE, "kind": "File"}},
}
FOLDER = {
    "collector": {"kind": "TensorFlowEvent"},
    "source": {"fileSystemPath": {"path": PLACE, "kind": "Directory"}},
}
ENDPOINT = {
    "collector": {"kind": "PrometheusMetric"},
    "source": {"httpGet": {"port": 9000, "intervalSeconds": 0.1}},
}


KINDS = {
    "File": (REPLACING, FILE),
    "TensorFlowEvent": (WRITING, FOLDER),
    "Prometheus": (EXPOSING, ENDPOINT),
}


@pytest.mark.parametrize("kind", rest_is_long(KINDS, lambda kind: kind == "File"))
def test_what_another_reader_would_find_otherwise_comes_once(desk: Desk, kind: str) -> None:
    program, collector = KINDS[kind]
    desk.script("train", program)
    template = {"command": [sys.executable, "train.py", "${trialParameters.x}", PLACE]}
    extra = f"""
  metricsCollectorSpec: {json.dumps(collector)}
  trialTemplate: {json.dumps(template)}"""
    file = desk.write(trials=1, extra=extra)
    run = desk.start("run", file)
    eventually(lambda: stored(desk.data) == [0.9], within=30)
    (desk.folder / "second").touch()
    eventually(lambda: stored(desk.data) == [0.9, 0.5])
    run.kill()
    run.wait()
    (desk.folder / "third").touch()
    again = desk.start("run", file)
    eventually(lambda: len(stored(desk.data)) > 2 or again.poll() is not None, within=30)
    (desk.folder / "end").touch()
    done = desk.end(again)
    assert done.code == ExitCode.OK, done.complained
    assert stored(desk.data) == [0.9, 0.5, 0.3]


def stored(data: Path) -> list[float]:
    """The trial's values, in order; float32 as it is in event files."""
    return asyncio.run(_stored(data))


async def _stored(data: Path) -> list[float]:
    async with embedded(data) as server, open_database(server.url) as database:
        rows = await database.fetch("SELECT value FROM measurement ORDER BY step")
        return [round(row["value"], 6) for row in rows]
