"""What becomes of local trials when their supervisor dies, ends or idles."""

import asyncio
import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controller.cluster.local.cluster import LocalCluster
from controller.cluster.local.connection import sockets_folder
from events.facts import Cause
from tests.controller.cluster.identity import identity
from tests.controller.cluster.local.stage import (
    Make,
    attempt,
    ends,
    gone,
    killed_controller,
    supervisor_of,
    trial_of,
)
from tests.eventually import eventually

NOBODY = pwd.getpwnam("nobody").pw_uid


async def test_a_dead_supervisor_takes_its_trials_along(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    pids = tmp_path / "pid"
    trial = launch(
        1, "sh", "-c", f"(trap '' TERM; sleep 60; sleep 60) & echo $! > {pids}; sleep 60"
    )

    async with LocalCluster.open(data) as cluster, LocalCluster.open(data) as other:
        await cluster.start(trial)
        eventually(lambda: pids.exists() and pids.read_text() != "")
        grandchild, main = psutil.Process(int(pids.read_text())), trial_of(data, trial.key)
        supervisor_of(data, trial.key).kill()
        found = await ends(cluster, 1)
        assert await ends(other, 1) == found
        gone(grandchild, main)
        await cluster.start(trial)
        await cluster.start(launch(2, "true"))
        found = found | await ends(cluster, 2)
    assert found[trial.key].cause is Cause.LOST
    assert found[launch(2).key].cause is Cause.COMPLETED


async def test_a_supervisor_that_died_unseen_is_buried(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    pids = tmp_path / "pid"
    trial = launch(
        1, "sh", "-c", f"(trap '' TERM; sleep 60; sleep 60) & echo $! > {pids}; sleep 60"
    )
    killed_controller(data, trial)
    eventually(lambda: pids.exists() and pids.read_text() != "")
    grandchild, main = psutil.Process(int(pids.read_text())), trial_of(data, trial.key)
    supervisor_of(data, trial.key).kill()
    if sys.platform == "linux":
        gone(main)  # with nobody's help

    async with LocalCluster.open(data) as cluster:
        found = await ends(cluster, 1)
    assert found[trial.key].cause is Cause.LOST
    gone(grandchild)


async def test_claimed_by_a_dead_supervisor_it_is_lost(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    """It died between the claim and the spawn."""
    trial = launch(1, "touch", str(tmp_path / "ran"))
    attempt(data, trial.key).claim("0123456789ab")

    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        found = await ends(cluster, 1)
    assert found[trial.key].cause is Cause.LOST
    assert not (tmp_path / "ran").exists()


async def test_a_supervisor_told_to_end_says_that_trials_are_lost(data: Path, launch: Make) -> None:
    trial = launch(1, "sh", "-c", "trap '' TERM; sleep 60; sleep 60")

    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        supervisor_of(data, trial.key).terminate()
        found = await ends(cluster, 1)
    assert found[trial.key].cause is Cause.LOST


async def test_long_data_paths(
    tmp_path: Path, launch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / ("long" * 30)
    trial = launch(1, "sleep", "60")

    async def run(*, first: bool) -> None:
        async with LocalCluster.open(data) as cluster:
            if first:
                await cluster.start(trial)
            else:
                await cluster.stop(trial.key)
                assert (await ends(cluster, 1))[trial.key].cause is Cause.CANCELLED

    await run(first=True)
    sockets = (data / "supervisors" / "elsewhere").readlink()
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert len(list(sockets.glob("*.sock"))) == 1
    monkeypatch.setattr(
        "tempfile.tempdir", str(tmp_path)
    )  # another login may have another temporary folder
    await run(first=False)
    eventually(lambda: not list(sockets.iterdir()))
    sockets.rmdir()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder in which sockets have short names."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("lies", ["in the data folder", "elsewhere"])
@pytest.mark.parametrize("foreign", ["link", "owner"])
async def test_sockets_in_a_folder_of_someone_else_are_refused(
    short: Path, monkeypatch: pytest.MonkeyPatch, lies: str, foreign: str
) -> None:
    """Whoever made it first could answer in the place of a supervisor."""
    monkeypatch.setattr("tempfile.tempdir", str(short))
    data = short / ("data" if lies == "in the data folder" else "long" * 30)
    folder = data / "supervisors"
    if lies == "elsewhere":
        folder = sockets_folder(data)
        assert folder.parent == short
        folder.rmdir()
    folder.parent.mkdir(exist_ok=True)
    target = short / "target"
    (target if foreign == "link" else folder).mkdir(mode=0o700)
    if foreign == "link":
        folder.symlink_to(target)
    elif os.geteuid() != 0:
        pytest.skip("only root can make a folder of another user")
    else:
        os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(PermissionError, match=f"{folder} belongs to someone else"):
        async with LocalCluster.open(data):
            pass
    assert not list(folder.glob("*.sock"))


async def test_an_idle_supervisor_goes(data: Path, launch: Make) -> None:
    trial = launch(1, "sh", "-c", "sleep 0.2")

    async with LocalCluster.open(data) as cluster:
        (socket,) = sockets_folder(data).glob("*.sock")
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        await cluster.start(trial)
        supervisor = supervisor_of(data, trial.key)
    assert supervisor.is_running()
    gone(supervisor)
    assert list(sockets_folder(data).iterdir()) == []
    assert attempt(data, trial.key).exit_record()


async def test_many_trials_leak_nothing_and_the_supervisor_stays_small(
    data: Path, launch: Make
) -> None:
    pins = launch(1, "sleep", "60")

    async with LocalCluster.open(data) as cluster:
        await cluster.start(pins)
        supervisor = supervisor_of(data, pins.key)
        before = supervisor.num_fds()
        for batch in range(10):
            numbers = range(2 + 16 * batch, 18 + 16 * batch)
            await asyncio.gather(*(cluster.start(launch(n, "true")) for n in numbers))
            await ends(cluster, len(numbers))
        eventually(lambda: supervisor.num_fds() == before)
        assert supervisor.children() == [trial_of(data, pins.key)]
        assert supervisor.memory_info().rss < 15_000_000
        await cluster.forget(identity(pins))
