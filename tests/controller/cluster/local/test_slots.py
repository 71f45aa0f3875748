"""Slots: how many trials run at once on a machine, and whose turn it is."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from controller.cluster import Launch, Waiting
from controller.cluster.local.cluster import LocalCluster
from controller.cluster.local.slots import Slots
from events.facts import Cause
from events.ids import ExperimentId
from tests.controller.cluster.local.stage import Make, attempt, ends, gone, supervisor_of
from tests.eventually import eventually_async

OTHER = ExperimentId(uuid4())
TIE = 0.4
"""Seconds: longer than a supervisor takes to look for slots that others have freed."""


@dataclass(frozen=True)
class Stage:
    """Trials that note that they run, and stay until they are let go."""

    folder: Path
    make: Make

    def trial(self, number: int, experiment: ExperimentId | None = None) -> Launch:
        name = f"{'b' if experiment else 'a'}{number}"
        go = f"{self.folder}/go"
        script = f"echo {name} >> {self.folder}/runs; "
        script += f"until test -e {go} -o -e {go}-{name}; do sleep 0.02; done"
        made = self.make(number, "sh", "-c", script)
        return replace(made, key=replace(made.key, experiment=experiment or made.key.experiment))

    def let_go(self, name: str = "") -> None:
        (self.folder / (f"go-{name}" if name else "go")).touch()

    def runs(self) -> list[str]:
        """The trials that have begun to run, in that order."""
        file = self.folder / "runs"
        return file.read_text().split() if file.exists() else []

    async def began(self, count: int) -> None:
        await eventually_async(lambda: len(self.runs()) == count)

    async def begun(self, *names: str) -> None:
        """Wait until exactly these have begun."""
        await eventually_async(lambda: len(self.runs()) >= len(names))
        await asyncio.sleep(TIE)  # one more would begin now
        assert sorted(self.runs()) == sorted(names)


@pytest.fixture
def stage(tmp_path: Path, launch: Make) -> Stage:
    return Stage(tmp_path, launch)


async def queued(
    tasks: asyncio.TaskGroup, cluster: LocalCluster, *launches: Launch
) -> list[asyncio.Task[bool]]:
    """Ask for the starts in this order; each is with the supervisor when this returns."""
    starts = []
    for each in launches:
        starts.append(tasks.create_task(cluster.start(each), name=f"start {each.key.trial}"))
        await asyncio.sleep(0.05)
    return starts


async def test_no_more_run_than_there_are_slots_whoever_starts_them(
    data: Path, stage: Stage
) -> None:
    async with (
        LocalCluster.open(data, slots=3) as one,
        LocalCluster.open(data, slots=3) as two,
        asyncio.TaskGroup() as tasks,
    ):
        await queued(tasks, one, stage.trial(1), stage.trial(2))
        await queued(tasks, two, *(stage.trial(n) for n in range(3, 7)))
        await stage.begun("a1", "a2", "a3")
        stage.let_go("a1")
        await stage.began(4)
        stage.let_go()
        found = await ends(two, 6)
    assert {end.cause for end in found.values()} == {Cause.COMPLETED}
    assert sorted(stage.runs()) == [f"a{n}" for n in range(1, 7)]


@pytest.mark.parametrize("supervisors", [1, 2])
async def test_the_next_is_of_the_experiment_that_runs_the_fewest(
    data: Path, stage: Stage, supervisors: int
) -> None:
    async with (
        LocalCluster.open(data, slots=2) as one,
        LocalCluster.open(data, slots=2) as two,
        asyncio.TaskGroup() as tasks,
    ):
        await queued(tasks, one, *(stage.trial(n) for n in range(1, 5)))
        other = one if supervisors == 1 else two
        await queued(tasks, other, stage.trial(1, OTHER), stage.trial(2, OTHER))
        await asyncio.sleep(TIE)
        stage.let_go("a1")
        await stage.begun("a1", "a2", "b1")
        stage.let_go("b1")
        await stage.begun("a1", "a2", "b1", "b2")
        stage.let_go("a2")
        await stage.begun("a1", "a2", "b1", "b2", "a3")
        stage.let_go()
        await ends(two, 6)


async def test_who_has_fewer_slots_holds_up_nobody_who_has_more(data: Path, stage: Stage) -> None:
    async with (
        LocalCluster.open(data, slots=1) as small,
        LocalCluster.open(data, slots=4) as large,
        asyncio.TaskGroup() as tasks,
    ):
        await queued(tasks, small, stage.trial(1, OTHER), stage.trial(2, OTHER))
        await queued(tasks, large, *(stage.trial(n) for n in range(1, 5)))
        await stage.begun("b1", "a1", "a2", "a3")
        stage.let_go()
        await ends(large, 6)


async def test_a_wait_is_told_and_a_stop_ends_it(data: Path, stage: Stage) -> None:
    running, waiting = stage.trial(1), stage.trial(2)
    async with LocalCluster.open(data, slots=1) as cluster, asyncio.TaskGroup() as tasks:
        starts = await queued(tasks, cluster, running, waiting)
        async with asyncio.timeout(30):
            events = cluster.watch()
            told = await anext(event async for event in events if isinstance(event, Waiting))
        assert told.key == waiting.key
        assert told.reason == "NoFreeSlot"
        assert "the only slot of this machine" in told.message
        await cluster.stop(waiting.key)
        assert (await ends(cluster, 1))[waiting.key].cause is Cause.CANCELLED
        assert await asyncio.wait_for(starts[1], 30)
        stage.let_go()
        await ends(cluster, 1)
        assert await cluster.start(waiting)
    assert stage.runs() == ["a1"]


async def test_what_is_killed_while_it_waits_never_starts(data: Path, stage: Stage) -> None:
    launches = [stage.trial(n) for n in range(1, 4)]
    async with LocalCluster.open(data, slots=1) as cluster, asyncio.TaskGroup() as tasks:
        await queued(tasks, cluster, *launches)
        await cluster.kill_all(launches[0].key.experiment)
        found = await ends(cluster, 3)
    assert {end.cause for end in found.values()} == {Cause.CANCELLED}
    assert stage.runs() == ["a1"]


async def test_a_wait_outlives_its_supervisor(data: Path, stage: Stage) -> None:
    """However often it is killed: what waited starts under the next one, once."""
    running, waiting = [stage.trial(n) for n in range(1, 6)], stage.trial(6)
    async with LocalCluster.open(data, slots=1) as cluster, asyncio.TaskGroup() as tasks:
        await queued(tasks, cluster, *running, waiting)
        for number in range(1, 6):
            await stage.began(number)
            current = next(each for each in running if f"a{each.key.trial}" == stage.runs()[-1])
            await eventually_async(attempt(data, current.key).start_record)
            supervisor = supervisor_of(data, current.key)
            supervisor.kill()
            gone(supervisor)
        stage.let_go()
        found = await ends(cluster, 6)
    assert [end.cause for end in found.values()].count(Cause.LOST) == 5
    assert found[waiting.key].cause is Cause.COMPLETED
    assert stage.runs().count("a6") == 1


async def test_a_controller_that_is_gone_waits_no_longer_and_the_next_one_does(
    data: Path, stage: Stage
) -> None:
    running, waiting = stage.trial(1), stage.trial(2)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(LocalCluster.open(data, slots=1))
        await first.start(running)
        asked = asyncio.get_running_loop().create_task(first.start(waiting), name="start")
        async with LocalCluster.open(data, slots=1) as following, asyncio.TaskGroup() as tasks:
            asked.cancel()
            await stack.aclose()
            stage.let_go("a1")
            await ends(following, 1)
            await stage.begun("a1")
            await queued(tasks, following, waiting)
            stage.let_go()
            found = await ends(following, 1)
    assert found[waiting.key].cause is Cause.COMPLETED
    assert stage.runs() == ["a1", "a2"]


def test_slots_that_cannot_be_looked_at_are_an_error_and_no_death(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        Slots(str(tmp_path / "taken")).take("x/1/1", 2)


async def test_a_folder_of_slots_that_cannot_be_used_fails_no_supervisor(
    data: Path, stage: Stage
) -> None:
    taken = data / "slots" / "taken"
    taken.mkdir(parents=True)
    async with LocalCluster.open(data, slots=1) as cluster:
        with pytest.raises(OSError, match="taken"):
            await cluster.start(stage.trial(1))
        taken.rmdir()
        stage.let_go()
        await cluster.start(stage.trial(2))
        await ends(cluster, 1)
    assert stage.runs() == ["a2"]
