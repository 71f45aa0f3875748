"""On a real node, what a trial writes into files reaches Kafka, whoever wrote it."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import psutil
import pytest

from events.bus.kafka import KafkaSettings
from events.facts import Cause
from events.ids import ExperimentId
from tests.collectors.custom import COLLECTING, PLACE, SOURCE, WRITING
from tests.collectors.event_files import write
from tests.collectors.exposing import COLLECTOR, EXPOSING
from tests.collectors.shipping import arrived, losses
from tests.controller.cluster.kubernetes.stage import job, stage
from tests.kubernetes import PYTHON

LINES = {"collector": {"kind": "File"}}
EVENTS = {"collector": {"kind": "TensorFlowEvent"}}
PUSH = {"collector": {"kind": "Push"}}
BELOW = {**EVENTS, "source": {"fileSystemPath": {"path": "/logs/test", "kind": "Directory"}}}


def event_file(folder: Path) -> bytes:
    """What a real writer writes: three losses."""
    write(folder, "loss", [0.5, 0.25, 0.125])
    (file,) = folder.iterdir()
    return file.read_bytes()


@pytest.mark.parametrize(
    ("collector", "path"),
    [
        (LINES, "/var/log/katib/metrics.log"),
        (EVENTS, "/var/log/katib/tfevent/train/events.out.tfevents.1"),
        (BELOW, "/logs/test/events.out.tfevents.1"),
    ],
)
async def test_files_are_collected_without_touching_the_command(
    room: str, kafka: KafkaSettings, collector: dict[str, Any], path: str, tmp_path: Path
) -> None:
    lines = b"loss=0.5\nloss=0.25\nloss=0.125\n"
    data = base64.b64encode(lines if collector is LINES else event_file(tmp_path)).decode()
    code = (
        f"import base64,pathlib,time; path = pathlib.Path({path!r}); "
        "path.parent.mkdir(parents=True, exist_ok=True); "
        f"path.write_bytes(base64.b64decode({data!r})); time.sleep(1)"
    )
    async with stage(room, kafka) as here:
        launch = await here.start(1, job(code), collector=collector)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5), (2, 0.25), (3, 0.125)]


@pytest.mark.parametrize("user", [None, 1234])
async def test_an_image_that_knows_nothing_of_us_can_push(
    room: str, kafka: KafkaSettings, user: int | None
) -> None:
    """Also as another user than the collector, whose files nobody else may read."""
    code = (
        "import os; os.umask(0o077)\n"
        "from trialstream_report import report\n"
        "for step in (1, 2, 3): report(step=step, loss=1 / 2 ** step)"
    )
    container = {} if user is None else {"securityContext": {"runAsUser": user}}
    async with stage(room, kafka) as here:
        launch = await here.start(1, job(code, container=container), collector=PUSH)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5), (2, 0.25), (3, 0.125)]


async def test_what_a_program_exposes_is_read_in_its_pod(room: str, kafka: KafkaSettings) -> None:
    async with stage(room, kafka) as here:
        launch = await here.start(1, job(EXPOSING), collector=COLLECTOR)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5), (2, 0.25), (3, 0.125)]


async def test_a_collector_of_the_users_is_told_of_the_end_and_read_to_its_last_report(
    room: str, kafka: KafkaSettings
) -> None:
    command = ["python3", "-u", "-c", COLLECTING, PLACE]
    custom = {"name": "mine", "image": PYTHON, "command": command}
    collector = {"collector": {"kind": "Custom", "customCollector": custom}, "source": SOURCE}
    async with stage(room, kafka) as here:
        program = job(WRITING, "1", PLACE)
        launch = await here.start(1, program, collector=collector)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5), (2, 0.25), (3, 0.125)]


async def test_a_file_in_the_trials_own_folder_of_a_volume_is_read(
    room: str, kafka: KafkaSettings
) -> None:
    mount = {"name": "v", "mountPath": "/v", "subPathExpr": "of-$(TRIALSTREAM_TRIAL)"}
    code = "for n in (1, 2, 3): print('loss=%f' % 0.5**n, file=open('/v/log', 'a'))"
    program = job(
        code, container={"volumeMounts": [mount]}, volumes=[{"name": "v", "emptyDir": {}}]
    )
    source = {"fileSystemPath": {"path": "/v/log", "kind": "File"}}
    async with stage(room, kafka) as here:
        launch = await here.start(1, program, collector={**LINES, "source": source})
        assert (await here.ended(1)).cause is Cause.COMPLETED
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5), (2, 0.25), (3, 0.125)]


async def test_of_a_trial_without_metrics_nobody_reads_the_log(
    room: str, kafka: KafkaSettings
) -> None:
    async with stage(room, kafka) as here:
        collector = {"collector": {"kind": "None"}}
        launch = await here.start(1, job("print('loss=0.5')"), collector=collector)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        assert here.cluster.followed_log(launch.key) is None


VALUES = 40
METRICS = "/var/log/katib/metrics.log"
EACH = f"import json, os, sys, time\nfor n in range({VALUES}):\n    time.sleep(0.25)\n    "
APPENDING = EACH + f"with open({METRICS!r}, 'a') as file: print(%s, file=file)"
EVENT_BY_EVENT = """
import base64, os, struct, sys, time
data, folder = base64.b64decode(sys.argv[1]), "/var/log/katib/tfevent"
os.makedirs(folder, exist_ok=True)
while data:
    size = struct.unpack("<Q", data[:8])[0] + 16
    with open(folder + "/events.out.tfevents.1", "ab") as file:
        file.write(data[:size])
    data = data[size:]
    time.sleep(0.25)
"""
REPORTING = "from trialstream_report import report\n" + EACH + "report(loss=n)"
MINE = {"name": "mine", "image": PYTHON, "command": ["python3", "-u", "-c", COLLECTING, PLACE]}
CUSTOM = {"collector": {"kind": "Custom", "customCollector": MINE}, "source": SOURCE}
JSON = {**LINES, "source": {"fileSystemPath": {"path": METRICS, "kind": "File", "format": "JSON"}}}


def writers(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By the way in which a trial reports: its Job, whose losses are 0, 1, … for ten seconds, and
    who collects them."""
    write(folder, "loss", range(VALUES))
    (file,) = folder.iterdir()
    events = base64.b64encode(file.read_bytes()).decode()
    return {
        "StdOut": (job(EACH + "print(f'loss={n}')"), {}),
        "File": (job(APPENDING % "f'loss={n}'"), LINES),
        "File, JSON": (job(APPENDING % "json.dumps({'loss': n})"), JSON),
        "TensorFlowEvent": (job(EVENT_BY_EVENT, events), EVENTS),
        "Push": (job(REPORTING), PUSH),
        "Custom": (job(EACH + f"with open({PLACE!r}, 'a') as file: print(n, file=file)"), CUSTOM),
    }


async def test_a_collector_that_is_killed_goes_on_where_it_was(
    room: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Twice, in the middle of each source that reads what a trial writes."""
    async with stage(room, kafka) as here:
        launches = {
            way: await here.start(trial, program, collector=collector)
            for trial, (way, (program, collector)) in enumerate(writers(tmp_path).items(), 1)
        }
        for count in (4, 12):
            for launch in launches.values():
                await asyncio.to_thread(arrived, kafka, launch.key, count)
            killed = await asyncio.to_thread(kill_collectors, here.experiment)
            assert killed >= len(launches)
        for way, launch in launches.items():
            assert (await here.ended(launch.key.trial)).cause is Cause.COMPLETED, way
            points = losses(await asyncio.to_thread(arrived, kafka, launch.key))
            assert points == [(n + 1, float(n)) for n in range(VALUES)], way


def kill_collectors(experiment: ExperimentId) -> int:
    """Those of all its trials, but not who starts them anew: all are processes of this machine."""
    killed = 0
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(experiment) in words and "python3" in words[0] and not process.children():
            process.kill()
            killed += 1
    return killed
