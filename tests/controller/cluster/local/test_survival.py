"""What local trials survive, and what they do not: deaths of controllers and supervisors, races,
full disks."""

import asyncio
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from controller.cluster import AttemptKey, Ended, Launch, Started
from controller.cluster.local.attempts import Attempt
from controller.cluster.local.cluster import LocalCluster
from controller.cluster.local.connection import sockets_folder
from events.facts import Cause
from tests.controller.cluster.identity import identity
from tests.eventually import eventually

Make = Callable[..., Launch]

CONTROLLER = """
import asyncio, pathlib, pickle, sys
from controller.cluster.local.cluster import LocalCluster

async def run():
    async with LocalCluster.open(pathlib.Path(sys.argv[1])) as cluster:
        for launch in pickle.load(sys.stdin.buffer):
            await cluster.start(launch)
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(run())
"""


def killed_controller(data: Path, *launches: Launch) -> None:
    """Another controller starts `launches` and is killed without mercy."""
    root = str(Path(__file__).parents[4])
    command = [sys.executable, "-c", CONTROLLER, str(data)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(pickle.dumps(launches))
        child.stdin.close()
        assert child.stdout.readline() == b"started\n"
        child.kill()


async def ends(cluster: LocalCluster, count: int) -> dict[AttemptKey, Ended]:
    found: dict[AttemptKey, Ended] = {}
    async with asyncio.timeout(30):
        async for event in cluster.watch():
            if isinstance(event, Ended):
                found[event.key] = event
                if len(found) == count:
                    break
    return found


def attempt(data: Path, key: AttemptKey) -> Attempt:
    return Attempt(str(data), f"{key.experiment}/{key.trial}/{key.attempt}")


def trial_of(data: Path, key: AttemptKey) -> psutil.Process:
    running = attempt(data, key).start_record()
    assert running
    return psutil.Process(running.pid)


def supervisor_of(data: Path, key: AttemptKey) -> psutil.Process:
    parent = trial_of(data, key).parent()
    assert parent
    return parent


def gone(*processes: psutil.Process) -> None:
    """Wait until these have ended, or are zombies that only await their parent."""
    eventually(
        lambda: not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    )


async def test_two_controllers_race_and_each_attempt_runs_once(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    launches = [launch(n, "sh", "-c", f"echo {n} >> {runs}") for n in range(1, 61)]

    async with (
        LocalCluster.open(data) as one,
        LocalCluster.open(data) as two,
        LocalCluster.open(data) as three,
    ):
        await asyncio.gather(
            *(cluster.start(each) for each in launches for cluster in (one, two, three))
        )
        found = await ends(one, len(launches))
        assert {end.cause for end in found.values()} == {Cause.COMPLETED}
    assert sorted(map(int, runs.read_text().split())) == list(range(1, 61))


async def test_start_races_with_stop(data: Path, launch: Make, tmp_path: Path) -> None:
    """Whoever wins, both controllers tell the same end, and what was cancelled unstarted has not
    run."""
    launches = [launch(n, "sh", "-c", f"touch {tmp_path}/ran-{n}; sleep 60") for n in range(1, 31)]

    async def run() -> tuple[dict[AttemptKey, Ended], dict[AttemptKey, Ended]]:
        async with (
            LocalCluster.open(data, grace=0.5) as one,
            LocalCluster.open(data, grace=0.5) as two,
        ):
            await asyncio.gather(
                *(one.start(each) for each in launches), *(two.stop(each.key) for each in launches)
            )
            await two.sweep(
                identity(launches[0]), [each.key for each in launches], lambda key: True
            )
            await one.sweep(
                identity(launches[0]), [each.key for each in launches], lambda key: True
            )
            return await ends(one, len(launches)), await ends(two, len(launches))

    first, second = await run()
    assert first == second
    assert {end.cause for end in first.values()} == {Cause.CANCELLED}
    for each in launches:
        if attempt(data, each.key).start_record() is None:
            assert not (tmp_path / f"ran-{each.key.trial}").exists()


async def test_trials_outlive_their_controller(data: Path, launch: Make, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits, quick = (
        launch(1, "sh", "-c", f"until test -e {gate}; do sleep 0.02; done; exit 7"),
        launch(2, "true"),
    )
    killed_controller(data, waits, quick)
    pid = trial_of(data, waits.key).pid

    assert psutil.pid_exists(pid)
    async with LocalCluster.open(data) as cluster:
        keys = [waits.key, quick.key]
        await cluster.sweep(identity(waits), keys, keys.__contains__)
        async for event in cluster.watch():
            if event == Started(waits.key):
                break
        gate.touch()
        found = await ends(cluster, 2)
    assert (found[waits.key].cause, found[waits.key].exit_code) == (Cause.ERROR, 7)
    assert found[quick.key].cause is Cause.COMPLETED


async def test_an_adopted_trial_can_be_stopped(data: Path, launch: Make) -> None:
    trial = launch(1, "sleep", "60")
    killed_controller(data, trial)

    async with LocalCluster.open(data) as cluster:
        await cluster.stop(trial.key)
        found = await ends(cluster, 1)
    assert found[trial.key].cause is Cause.CANCELLED


async def test_an_end_without_any_controller_is_found(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    trial = launch(1, "sh", "-c", "sleep 0.3; exit 4")
    killed_controller(data, trial)
    supervisor = supervisor_of(data, trial.key)
    gone(supervisor)

    async with LocalCluster.open(data) as cluster:
        await cluster.sweep(identity(trial), [trial.key], lambda key: True)
        found = await ends(cluster, 1)
    end = found[trial.key]
    assert (end.cause, end.exit_code) == (Cause.ERROR, 4)
    eventually(lambda: not list((data / "supervisors").glob("*.sock")))


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


async def test_an_end_that_cannot_be_written_is_told_and_written_later(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    trial = launch(1, "sh", "-c", f"until test -e {gate}; do sleep 0.02; done")
    written = Path(attempt(data, trial.key).folder) / "exit.json"

    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        obstacle = f"{written}.{supervisor_of(data, trial.key).pid}"  # where the file is prepared
        os.mkdir(obstacle)
        gate.touch()
        assert (await ends(cluster, 1))[trial.key].cause is Cause.COMPLETED
        async with LocalCluster.open(data) as other:
            assert (await ends(other, 1))[trial.key].cause is Cause.COMPLETED
        await cluster.start(trial)
        await cluster.start(launch(2, "true"))
        assert {end.cause for end in (await ends(cluster, 2)).values()} == {Cause.COMPLETED}
        assert not written.exists()
    os.rmdir(obstacle)
    eventually(written.is_file)
    assert json.loads(written.read_text())["cause"] == "Completed"


async def test_a_log_that_cannot_be_written_fails_the_attempt_only(
    data: Path, launch: Make
) -> None:
    trial = launch(1, "true")
    Path(attempt(data, trial.key).log).mkdir(parents=True)

    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        await cluster.start(launch(2, "true"))
        found = await ends(cluster, 2)
    assert found[trial.key].cause is Cause.SPAWN_FAILURE
    assert found[launch(2).key].cause is Cause.COMPLETED


def test_a_later_process_with_the_same_number_is_spared(data: Path, launch: Make) -> None:
    trial = launch(1, "true")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as innocent:
        lost = attempt(data, trial.key)
        lost.claim("0123456789ab")
        folder = Path(lost.folder)
        (folder / "started.json").write_text(
            json.dumps({"pid": innocent.pid, "identity": "x/1", "supervisor": "y"})
        )
        assert lost.record_loss().cause == "Lost"
        assert innocent.poll() is None
        os.kill(innocent.pid, signal.SIGKILL)
