"""A process that leaves its trial's session and loses its parent still ends with its trial, and
counts to its memory."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from controller.cluster import Launch
from controller.cluster.local.cluster import LocalCluster
from events.facts import Cause
from tests.controller.cluster.local.stage import ends, gone, killed_controller, supervisor_of
from tests.eventually import eventually

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are subreapers on Linux only"
)
Make = Callable[..., Launch]
STUBBORN = "trap '' TERM; echo $$ > {note}; while :; do sleep 0.1; done"
"""A shell that does not end by itself; its number is written down."""
WAYS = {
    "a session of its own": "setsid sh {} &",
    "without a parent": "(setsid sh {} &);",
    "without its mark": "(env -i PATH=$PATH setsid sh {} &);",
}


def escaping(way: str, note: Path) -> str:
    """A program that lets one escape, and goes on when it is out."""
    script = note.with_name("stubborn")
    script.write_text(STUBBORN.format(note=note))
    return f"{WAYS[way].format(script)} while ! test -s {note}; do sleep 0.05; done; "


async def noted(note: Path) -> psutil.Process:
    await asyncio.to_thread(eventually, lambda: note.exists() and note.read_text().strip())
    return psutil.Process(int(note.read_text()))


@pytest.mark.parametrize("ending", ["exits", "stopped", "timeout"])
@pytest.mark.parametrize("way", ["a session of its own", "without a parent", "without its mark"])
async def test_it_ends_with_its_trial(
    data: Path, launch: Make, tmp_path: Path, way: str, ending: str
) -> None:
    note = tmp_path / "note"
    rest = "exit 0" if ending == "exits" else "sleep 60"
    template = {"timeoutSeconds": 2.0} if ending == "timeout" else {}
    trial = launch(1, "sh", "-c", escaping(way, note) + rest, template=template)
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        escaped = await noted(note)
        if ending == "stopped":
            await cluster.stop(trial.key)
        cause = (await ends(cluster, 1))[trial.key].cause
        assert not escaped.is_running()
    causes = {"exits": Cause.COMPLETED, "stopped": Cause.CANCELLED, "timeout": Cause.TIMEOUT}
    assert cause is causes[ending]


async def test_that_of_another_trial_is_left_alone(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    long = launch(1, "sh", "-c", escaping("without a parent", note) + "sleep 60")
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(long)
        escaped = await noted(note)
        short = launch(2, "true")
        await cluster.start(short)
        assert (await ends(cluster, 1))[short.key].cause is Cause.COMPLETED
        assert escaped.is_running()
        await cluster.stop(long.key)
        await ends(cluster, 1)
        assert not escaped.is_running()


async def test_it_counts_to_the_memory_of_its_trial(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    program = "import time; held = bytearray(200_000_000); time.sleep(60)"
    hungry = f"(setsid {sys.executable} -c '{program}' &)"
    container = {
        "name": "main",
        "command": ["sh", "-c", f"{hungry}; sleep 60"],
        "resources": {"limits": {"memory": "100Mi"}},
    }
    template = {"primaryContainerName": "main", "trialSpec": {"spec": {"containers": [container]}}}
    trial = launch(1, template=template)
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        assert (await ends(cluster, 1))[trial.key].cause is Cause.OUT_OF_MEMORY


async def test_it_goes_with_a_dead_supervisor(data: Path, launch: Make, tmp_path: Path) -> None:
    note = tmp_path / "note"
    trial = launch(1, "sh", "-c", escaping("without a parent", note) + "sleep 60")
    killed_controller(data, trial)
    escaped = await noted(note)
    supervisor = supervisor_of(data, trial.key)
    supervisor.kill()
    gone(supervisor)
    async with LocalCluster.open(data) as cluster:
        assert (await ends(cluster, 1))[trial.key].cause is Cause.LOST
    await asyncio.to_thread(gone, escaped)
