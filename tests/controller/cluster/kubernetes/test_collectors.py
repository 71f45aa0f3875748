"""On a real node, what a trial writes into files reaches Kafka, whoever wrote it."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from events.bus.kafka import KafkaSettings
from events.facts import Cause
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
