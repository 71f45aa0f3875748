"""What local trials survive: deaths of controllers, races, full disks."""

import asyncio
import json
import os
import signal
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from controller.cluster import AttemptKey, Ended, Started
from controller.cluster.local.cluster import LocalCluster
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
from tests.eventually import eventually, eventually_async


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


async def test_an_attempt_that_ran_with_other_parameters_is_lost(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    """Postgres may have lost what was decided last, and a trial gets other parameters under its old
    number: their results are not its own, also for later controllers."""
    ended, runs = launch(1, "true"), launch(2, "sleep", "600")
    others = [replace(one, assignment={"x": 2.5}) for one in (ended, runs)]
    async with LocalCluster.open(data) as cluster:
        for one in (ended, runs):
            await cluster.start(one)
        assert (await ends(cluster, 1))[ended.key].cause is Cause.COMPLETED
        process = trial_of(data, runs.key)
    for _ in range(2):
        async with LocalCluster.open(data, grace=0.5) as cluster:
            for one in others:
                # the end is told before it is written
                await eventually_async(partial(cluster.start, one), "it is known how it ended")
            found = await ends(cluster, 2)
            assert {end.cause for end in found.values()} == {Cause.LOST}
            assert "other parameters" in found[ended.key].message
    gone(process)


async def test_a_number_is_the_same_parameter_however_it_is_written(
    data: Path, launch: Make
) -> None:
    trial = replace(launch(1, "true"), assignment={"x": 2, "kind": "2"})
    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        await ends(cluster, 1)
    async with LocalCluster.open(data) as cluster:
        await cluster.start(replace(trial, assignment={"kind": "2", "x": 2.0}))
        assert (await ends(cluster, 1))[trial.key].cause is Cause.COMPLETED
        assert trial.digest() != replace(trial, assignment={"x": 2, "kind": 2}).digest()
