"""A process that hides in every other way is still its trial's by its cgroup: it is counted, ended
and waited for, also by whoever comes after its supervisor; and all goes on where there is none."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from controller.cluster import AttemptKey, Launch
from controller.cluster.local.attempts import Register
from controller.cluster.local.cgroups import Cgroup
from controller.cluster.local.cluster import LocalCluster
from events.facts import Cause
from tests.controller.cluster.local.stage import (
    attempt,
    ends,
    gone,
    killed_controller,
    supervisor_of,
)
from tests.eventually import eventually, eventually_async

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a cgroup2"
)
Make = Callable[..., Launch]
HIDE = """
import os, sys, signal, time
note, size, signum = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if signum else signal.SIG_DFL)
held = bytearray(b"x") * size
with open(note + ".part", "w") as file:
    file.write(str(os.getpid()))
os.rename(note + ".part", note)
time.sleep(600)
"""
UNWRITABLE = """
awk '/ - cgroup2? /{print $5}' /proc/self/mountinfo |
while read folder; do mount -o remount,bind,ro "$folder" || exit 1; done
exec "$@"
"""
"""In a mount namespace of its own: no cgroup can be made; then the program."""


@pytest.fixture
def hierarchy(tmp_path: Path) -> Iterator[Path]:
    """The folder of the hierarchy of cgroups v2, mounted for this test."""
    folder = tmp_path / "cgroup2"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "cgroup2", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no cgroup2 can be mounted: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def cgroup_of(hierarchy: Path, supervisor: str) -> Path:
    """Where the supervisor's cgroup is, or would be."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next(line.removeprefix("0::/") for line in lines if line.startswith("0::/"))
    return hierarchy / own / f"trialstream-{supervisor}"


def hiding(note: Path, size: int = 0, *, stubborn: bool = False, rest: str = "sleep 60") -> str:
    """A shell's words that let one hide, and go on when it is hidden."""
    script = note.with_name("hide.py")
    script.write_text(HIDE)
    return (
        f"env -i {sys.executable} -I {script} {note} {size} {int(stubborn)}; "
        f"while ! test -s {note}; do sleep 0.05; done; {rest}"
    )


def hidden_process(note: Path) -> psutil.Process:
    eventually(note.exists)
    return psutil.Process(int(note.read_text()))


def supervisor_name(data: Path, key: AttemptKey) -> str:
    name = attempt(data, key).claimed_by()
    assert name
    return name


def notes(data: Path) -> list[str]:
    """What names the cgroups of supervisors; links whose ends are gone count, too."""
    return [name for name in os.listdir(data / "supervisors") if name.endswith(".cgroup")]


@pytest.mark.parametrize("ending", ["stopped", "timeout"])
async def test_it_ends_with_its_trial_and_no_cgroup_is_left(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path, ending: str
) -> None:
    note = tmp_path / "note"
    template = {"timeoutSeconds": 2.0} if ending == "timeout" else {}
    trial = launch(1, "sh", "-c", hiding(note, stubborn=True), template=template)
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        escaped = await asyncio.to_thread(hidden_process, note)
        of_all = cgroup_of(hierarchy, supervisor_name(data, trial.key))
        of_trial = of_all / attempt(data, trial.key).path.replace("/", ".")
        members = (of_trial / "cgroup.procs").read_text().split()
        assert str(escaped.pid) in members
        if ending == "stopped":
            await cluster.stop(trial.key)
        cause = (await ends(cluster, 1))[trial.key].cause
        assert cause is (Cause.CANCELLED if ending == "stopped" else Cause.TIMEOUT)
        assert not escaped.is_running()
        assert not of_trial.exists()
    await eventually_async(lambda: not of_all.exists())
    assert not notes(data)


async def test_the_end_of_another_trial_leaves_it_alone(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path
) -> None:
    note = tmp_path / "note"
    long, short = launch(1, "sh", "-c", hiding(note)), launch(2, "true")
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(long)
        escaped = await asyncio.to_thread(hidden_process, note)
        await cluster.start(short)
        assert (await ends(cluster, 1))[short.key].cause is Cause.COMPLETED
        assert escaped.is_running()
        assert escaped.status() != psutil.STATUS_ZOMBIE
        await cluster.stop(long.key)
        await ends(cluster, 1)
        assert not escaped.is_running()


async def test_it_counts_to_the_memory_of_its_trial(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path
) -> None:
    container = {
        "name": "main",
        "command": ["sh", "-c", hiding(tmp_path / "note", 200_000_000)],
        "resources": {"limits": {"memory": "100Mi"}},
    }
    template = {"primaryContainerName": "main", "trialSpec": {"spec": {"containers": [container]}}}
    trial = launch(1, template=template)
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        assert (await ends(cluster, 1))[trial.key].cause is Cause.OUT_OF_MEMORY


async def test_its_trial_is_over_only_when_it_is_gone(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path
) -> None:
    note = tmp_path / "note"
    trial = launch(1, "sh", "-c", hiding(note, stubborn=True, rest="exit 0"))
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        assert (await ends(cluster, 1))[trial.key].cause is Cause.COMPLETED
        assert not psutil.pid_exists(int(note.read_text()))


async def test_it_goes_with_a_dead_supervisor(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path
) -> None:
    note = tmp_path / "note"
    trial = launch(1, "sh", "-c", hiding(note))
    killed_controller(data, trial)
    escaped = hidden_process(note)
    name, supervisor = supervisor_name(data, trial.key), supervisor_of(data, trial.key)
    supervisor.kill()
    gone(supervisor)
    async with LocalCluster.open(data) as cluster:
        assert (await ends(cluster, 1))[trial.key].cause is Cause.LOST
        await asyncio.to_thread(gone, escaped)
        await eventually_async(lambda: not cgroup_of(hierarchy, name).exists())
        note_of_all = data / "supervisors" / f"{name}.cgroup"
        await eventually_async(lambda: not os.path.lexists(note_of_all))


async def test_a_trial_s_own_cgroups_are_part_of_its_own(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path
) -> None:
    note = tmp_path / "note"
    enter = (
        f'd={hierarchy}$(sed -n "s/^0:://p" /proc/self/cgroup)/deeper; '
        "mkdir $d; echo $$ > $d/cgroup.procs; "
    )
    trial = launch(1, "sh", "-c", enter + hiding(note, stubborn=True))
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        escaped = await asyncio.to_thread(hidden_process, note)
        of_all = cgroup_of(hierarchy, supervisor_name(data, trial.key))
        deeper = of_all / attempt(data, trial.key).path.replace("/", ".") / "deeper"
        assert str(escaped.pid) in (deeper / "cgroup.procs").read_text().split()
        await cluster.stop(trial.key)
        await ends(cluster, 1)
        assert not escaped.is_running()
        assert not deeper.parent.exists()


async def test_nothing_is_left_when_the_data_folder_is_deleted(
    data: Path, launch: Make, hierarchy: Path
) -> None:
    trial = launch(1, "sleep", "60")
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        of_all = cgroup_of(hierarchy, supervisor_name(data, trial.key))
        assert of_all.exists()
        await cluster.stop(trial.key)
        await ends(cluster, 1)
        shutil.rmtree(data)
    await eventually_async(lambda: not of_all.exists(), within=20)


def test_a_note_that_names_another_place_kills_nothing(data: Path, hierarchy: Path) -> None:
    """A dead supervisor's note is believed only where it names a cgroup of that supervisor."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as innocent:
        other = hierarchy / f"other-{innocent.pid}"
        other.mkdir()
        try:
            (other / "cgroup.procs").write_text(str(innocent.pid))
            register = Register(str(data), "0123456789ab")
            register.open()
            (data / "supervisors" / "0123456789ab.cgroup").symlink_to(other)
            register.record_losses()
            assert other.exists()
            assert (other / "cgroup.procs").read_text().split() == [str(innocent.pid)]
            assert innocent.poll() is None
        finally:
            innocent.kill()
            innocent.wait()
            with suppress(FileNotFoundError):
                other.rmdir()


def test_members_are_killed_one_by_one_where_the_kernel_cannot_kill_all(
    tmp_path: Path, hierarchy: Path
) -> None:
    """Before Linux 5.14: here the file that kills them is one that cannot be written."""
    folder, obstacle = hierarchy / f"killed-{os.getpid()}", tmp_path / "obstacle"
    folder.mkdir()
    obstacle.touch()
    file = folder / "cgroup.kill"
    subprocess.run(["mount", "--bind", obstacle, file], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", file], check=True)
        with subprocess.Popen(["sleep", "60"], start_new_session=True) as member:
            try:
                (folder / "cgroup.procs").write_text(str(member.pid))
                Cgroup(str(folder)).kill()
                assert member.wait(timeout=10) == -signal.SIGKILL
            finally:
                member.kill()
                member.wait()
        assert obstacle.read_text() == ""
    finally:
        subprocess.run(["umount", file], check=True)
        folder.rmdir()


async def test_without_a_writable_one_all_goes_as_before(
    data: Path, launch: Make, tmp_path: Path, hierarchy: Path
) -> None:
    note = tmp_path / "note"
    trial = launch(1, "sh", "-c", hiding(note, stubborn=True))
    killed_controller(data, trial, by=["unshare", "-m", "sh", "-ec", UNWRITABLE, "sh"])
    escaped = hidden_process(note)
    assert not cgroup_of(hierarchy, supervisor_name(data, trial.key)).exists()
    assert not notes(data)
    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.stop(trial.key)
        assert (await ends(cluster, 1))[trial.key].cause is Cause.CANCELLED
        assert not escaped.is_running()
