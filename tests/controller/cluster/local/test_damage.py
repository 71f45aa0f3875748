"""What is wrong with the files of one attempt, or with one supervisor, costs nobody else."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cluster import AttemptKey, Ended, Waiting
from controller.cluster.local import cluster as local
from controller.cluster.local import connection
from controller.cluster.local.cluster import LocalCluster
from controller.cluster.local.supervisors import StuckError
from controller.store.quarantine import is_own
from events.facts import Cause
from tests.controller.cluster.identity import identity
from tests.controller.cluster.local.stage import (
    Make,
    attempt,
    ends,
    gone,
    killed_controller,
    supervisor_of,
)
from tests.eventually import eventually

Damage = Callable[[Path], object]


def no_folder(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder of the attempt goes")


def no_claim(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "claim").unlink(missing_ok=True)
    (folder / "claim").write_text("no link")


@pytest.mark.parametrize("damage", [no_folder, no_claim])
async def test_a_start_that_cannot_be_made_fails_alone(
    data: Path, launch: Make, damage: Damage
) -> None:
    """While it waits for a slot its place is taken: who waits behind it gets its turn."""
    first, bad, good = launch(1, "sleep", "60"), launch(2, "true"), launch(3, "true")
    async with LocalCluster.open(data, slots=1, grace=0.5) as cluster, asyncio.TaskGroup() as tasks:
        await cluster.start(first)
        starting = tasks.create_task(failure(cluster.start(bad)))
        waiting = tasks.create_task(cluster.start(good))
        await waits(cluster, {bad.key, good.key})
        damage(Path(attempt(data, bad.key).folder))
        await cluster.stop(first.key)
        assert await waiting
        assert is_own(await starting)
        assert is_own(await failure(cluster.start(bad)))  # it does not wait for a slot either
        assert (await ends(cluster, 2))[good.key].cause is Cause.COMPLETED


async def failure(call: object) -> Exception:
    with pytest.raises(OSError, match=r".") as caught:
        await call  # type: ignore[misc]
    return caught.value


async def waits(cluster: LocalCluster, keys: set[AttemptKey]) -> None:
    async with asyncio.timeout(30):
        async for event in cluster.watch():
            if isinstance(event, Waiting):
                keys.discard(event.key)
                if not keys:
                    return


RECORDS = {
    "exit.json": [
        {"a": 1},
        {"cause": 5},
        {"cause": "Completed", "exit_code": "0"},
        {"cause": "Evaporated", "exit_code": 1, "node": "of a later version"},
    ],
    "started.json": [{"pid": 4}, {"pid": "4", "identity": "x", "supervisor": "y"}],
}


@pytest.mark.parametrize(
    ("file", "record"), [(file, one) for file, records in RECORDS.items() for one in records]
)
async def test_nonsense_in_a_record_is_no_record(
    data: Path, launch: Make, file: str, record: object
) -> None:
    """Its supervisor dies; those of the others are told, also by the next controller."""
    one, bad, two = (launch(n, "sleep", "600") for n in (1, 2, 3))
    killed_controller(data, one, bad, two)
    supervisor = supervisor_of(data, one.key)
    Path(attempt(data, bad.key).folder, file).write_text(json.dumps(record))
    supervisor.kill()
    gone(supervisor)
    for _ in range(2):
        async with LocalCluster.open(data) as cluster:
            await cluster.sweep(identity(one), [one.key, bad.key, two.key], lambda _: True)
            found = await ends(cluster, 3)
        assert {end.cause for end in found.values()} == {Cause.LOST}


async def test_what_a_later_version_notes_beside_an_end_is_left_out(
    data: Path, launch: Make
) -> None:
    trial = launch(1, "true")
    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        await ends(cluster, 1)
    file = Path(attempt(data, trial.key).folder, "exit.json")
    eventually(file.exists)  # the end is told before it is written
    file.write_text(json.dumps(json.loads(file.read_text()) | {"node": "one"}))
    async with LocalCluster.open(data) as cluster:
        await cluster.sweep(identity(trial), [trial.key], lambda _: True)
        assert (await ends(cluster, 1))[trial.key].cause is Cause.COMPLETED


async def test_a_claim_that_is_no_link_does_not_hide_the_losses_of_others(
    data: Path, launch: Make
) -> None:
    one, bad, two = (launch(n, "sleep", "600") for n in (1, 2, 3))
    killed_controller(data, one, bad, two)
    supervisor = supervisor_of(data, one.key)
    no_claim(Path(attempt(data, bad.key).folder))
    supervisor.kill()
    gone(supervisor)
    async with LocalCluster.open(data) as cluster:
        found: dict[AttemptKey, Ended] = await ends(cluster, 2)
        assert found.keys() == {one.key, two.key}


async def test_a_supervisor_that_hangs_holds_up_only_its_own_trials(
    data: Path, launch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another controller's; what needs it fails as an experiment's own fault, not as an outage."""
    monkeypatch.setattr(connection, "REPLY_SECONDS", 0.3)
    theirs, ours = launch(1, "sleep", "600"), launch(2, "true")
    killed_controller(data, theirs)
    supervisor = supervisor_of(data, theirs.key)
    async with LocalCluster.open(data) as cluster:
        supervisor.suspend()
        with pytest.raises(StuckError, match="does not answer") as caught:
            await cluster.stop(theirs.key)
        assert is_own(caught.value)
        with pytest.raises(StuckError):
            await cluster.forget(identity(theirs))
        await cluster.start(ours)
        assert (await ends(cluster, 1))[ours.key].cause is Cause.COMPLETED
    async with LocalCluster.open(data) as cluster:  # that has no connection to it
        with pytest.raises(StuckError, match="does not answer"):
            await cluster.stop(theirs.key)
    supervisor.send_signal(signal.SIGCONT)
    async with LocalCluster.open(data, grace=0.5) as cluster:
        await cluster.stop(theirs.key)
        assert (await ends(cluster, 1))[theirs.key].cause is Cause.CANCELLED


async def test_processes_that_cannot_be_killed_hold_up_only_their_experiment(
    data: Path, launch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "FORGET_SECONDS", 0.1)
    trial = launch(1, "sleep", "600")
    async with LocalCluster.open(data, grace=0.5) as cluster:
        await cluster.start(trial)
        (supervisor,) = cluster._supervisors._connections.values()
        hanging = attempt(data, launch(2).key).path
        supervisor.running.add(hanging)  # of which no end is told
        with pytest.raises(StuckError, match="do not end") as caught:
            await cluster.forget(identity(trial))
        assert is_own(caught.value)
        supervisor.running.discard(hanging)
        await cluster.forget(identity(trial))
