"""The promises of the Cluster port (controller/cluster/__init__.py), kept by every place where
trials run."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from controller.cluster import AttemptKey, Cluster, Ended, Event, Launch, Started
from events.facts import Cause
from events.ids import ExperimentId
from tests.contracts.clusters import PLACES, Behaviour, Opener, Place
from tests.controller.cluster.identity import identity
from tests.eventually import eventually_async

Test = Callable[[Place], Coroutine[None, None, None]]
SECONDS = 200.0
"""More than one wait of `eventually`, whose message says more."""
OTHER = ExperimentId(UUID(int=7))


def at(*names: str) -> Callable[[Test], Callable[[Opener, Path], Coroutine[None, None, None]]]:
    """Run a test at each of these places."""

    def contract(test: Test) -> Callable[[Opener, Path], Coroutine[None, None, None]]:
        @pytest.mark.parametrize("opener", [PLACES[name] for name in names], ids=names)
        async def run(opener: Opener, tmp_path: Path) -> None:
            async with asyncio.timeout(SECONDS), opener(tmp_path) as place:
                await test(place)

        return run

    return contract


contract = at(*PLACES)
shared = at("local", "kubernetes")
"""Where several controllers may be at work, one after the other or at once."""


@dataclass
class Controller:
    """One controller's cluster at a place, and the events it has yielded."""

    cluster: Cluster
    events: list[Event] = field(default_factory=list)

    async def start(self, *launches: Launch) -> None:
        for launch in launches:
            assert await self.cluster.start(launch)

    async def sweep(self, experiment: Launch, *expected: Launch) -> None:
        """Nothing but what is expected is wanted."""
        keys = {launch.key for launch in expected}
        await self.cluster.sweep(identity(experiment), keys, keys.__contains__)

    async def started(self, launch: Launch) -> None:
        await eventually_async(
            lambda: any(isinstance(event, Started) for event in self.of(launch.key)),
            f"trial {launch.key.trial} has started",
        )

    async def ended(self, launch: Launch) -> Ended:
        def end() -> Ended | None:
            ends = [event for event in self.of(launch.key) if isinstance(event, Ended)]
            return ends[0] if ends else None

        found = await eventually_async(end, f"trial {launch.key.trial} has ended")
        assert found is not None
        return found

    def of(self, key: AttemptKey) -> list[Event]:
        return [event for event in self.events if event.key == key]


@asynccontextmanager
async def controller(place: Place) -> AsyncGenerator[Controller]:
    async with place.open() as cluster, asyncio.TaskGroup() as tasks:
        opened = Controller(cluster)

        async def watch() -> None:
            async for event in cluster.watch():
                opened.events.append(event)

        watching = tasks.create_task(watch(), name="watch the cluster")
        try:
            yield opened
        finally:
            watching.cancel()


@contract
async def test_an_attempt_runs_once_however_often_it_is_started(place: Place) -> None:
    trial = place.launch(1, Behaviour.COMPLETES)
    async with controller(place) as one:
        await one.start(trial, trial, trial)
        assert (await one.ended(trial)).cause is Cause.COMPLETED
        await one.start(trial)
        assert await place.runs(trial) == 1
    if place.survives:
        async with controller(place) as two:
            await two.start(trial)
            await two.sweep(trial, trial)
            assert (await two.ended(trial)).cause is Cause.COMPLETED
            assert await place.runs(trial) == 1


@shared
async def test_an_attempt_runs_once_whoever_starts_it(place: Place) -> None:
    trials = [place.launch(n, Behaviour.COMPLETES) for n in range(1, 6)]
    async with controller(place) as one, controller(place) as two:
        starts = [each.start(trial) for trial in trials for each in (one, two)]
        await asyncio.gather(*starts)
        for trial in trials:
            for each in (one, two):
                await each.sweep(trial, *trials)
                assert (await each.ended(trial)).cause is Cause.COMPLETED
            assert await place.runs(trial) == 1


@contract
async def test_an_attempt_starts_and_then_ends_and_that_is_all(place: Place) -> None:
    trial, later = place.launch(1, Behaviour.COMPLETES), place.launch(2, Behaviour.COMPLETES)
    async with controller(place) as one:
        await one.start(trial)
        await one.ended(trial)
        await one.start(later)
        await one.ended(later)
        told = one.of(trial.key)
    assert [type(event) for event in told if isinstance(event, Started | Ended)] == [Started, Ended]
    assert isinstance(told[-1], Ended)


@contract
async def test_a_failure_is_told_with_its_cause(place: Place) -> None:
    trial = place.launch(1, Behaviour.FAILS)
    async with controller(place) as one:
        await one.start(trial)
        end = await one.ended(trial)
    assert (end.cause, end.exit_code == 0) == (Cause.ERROR, False)


@contract
async def test_what_cannot_be_started_ends_as_such(place: Place) -> None:
    trial = place.launch(1, Behaviour.CANNOT_START)
    async with controller(place) as one:
        await one.start(trial)
        assert (await one.ended(trial)).cause is Cause.SPAWN_FAILURE


@contract
async def test_a_stop_ends_what_runs_however_often_it_is_asked_for(place: Place) -> None:
    trial = place.launch(1, Behaviour.STAYS)
    async with controller(place) as one:
        await one.start(trial)
        await one.started(trial)
        await one.cluster.stop(trial.key)
        await one.cluster.stop(trial.key)
        assert (await one.ended(trial)).cause is Cause.CANCELLED
        await one.start(trial)
        assert await place.runs(trial) <= 1


@contract
async def test_what_was_stopped_before_its_start_never_runs(place: Place) -> None:
    trial, other = place.launch(1, Behaviour.STAYS), place.launch(2, Behaviour.COMPLETES)
    async with controller(place) as one:
        await one.sweep(trial)
        await one.cluster.stop(trial.key)
        assert (await one.ended(trial)).cause is Cause.CANCELLED
        await one.start(trial, other)
        await one.ended(other)
        assert await place.runs(trial) == 0


@contract
async def test_a_new_controller_adopts_what_runs_and_learns_what_has_ended(place: Place) -> None:
    quick, long = place.launch(1, Behaviour.COMPLETES), place.launch(2, Behaviour.STAYS)
    async with controller(place) as one:
        await one.start(quick, long)
        await one.ended(quick)
        await one.started(long)
    async with controller(place) as two:
        await two.sweep(quick, quick, long)
        if not place.survives:
            causes = [(await two.ended(each)).cause for each in (quick, long)]
            assert causes == [Cause.LOST, Cause.LOST]
            return
        assert (await two.ended(quick)).cause is Cause.COMPLETED
        await two.started(long)
        await two.cluster.stop(long.key)
        assert (await two.ended(long)).cause is Cause.CANCELLED


@contract
async def test_a_sweep_finds_what_is_lost_and_stops_what_is_unwanted(place: Place) -> None:
    wanted, unwanted = place.launch(1, Behaviour.STAYS), place.launch(2, Behaviour.STAYS)
    lost = place.launch(3, Behaviour.STAYS)
    async with controller(place) as one:
        await one.start(wanted, unwanted)
        for each in (wanted, unwanted):
            await one.started(each)
        await one.sweep(wanted, wanted, lost)
        assert (await one.ended(lost)).cause is Cause.LOST
        assert (await one.ended(unwanted)).cause is Cause.CANCELLED
        assert not any(isinstance(event, Ended) for event in one.of(wanted.key))
        assert await place.runs(lost) == 0


@contract
async def test_a_sweep_asks_what_is_wanted_at_the_moment_of_the_stop(place: Place) -> None:
    first, second = place.launch(1, Behaviour.STAYS), place.launch(2, Behaviour.STAYS)
    async with controller(place) as one:
        await one.start(first, second)
        for each in (first, second):
            await one.started(each)
        asked: list[AttemptKey] = []

        def wanted(key: AttemptKey) -> bool:
            asked.append(key)
            return len(asked) > 1

        await one.cluster.sweep(identity(first), (), wanted)
        assert sorted(asked) == sorted([first.key, second.key])
        stopped, spared = (first, second) if asked[0] == first.key else (second, first)
        assert (await one.ended(stopped)).cause is Cause.CANCELLED
        assert not any(isinstance(event, Ended) for event in one.of(spared.key))


@contract
async def test_a_sweep_leaves_other_experiments_alone(place: Place) -> None:
    ours = place.launch(1, Behaviour.STAYS)
    theirs = place.launch(2, Behaviour.STAYS, experiment=OTHER)
    async with controller(place) as one:
        await one.start(ours, theirs)
        for each in (ours, theirs):
            await one.started(each)
        assert set(one.cluster.present()) == {ours.key.experiment, OTHER}
        await one.sweep(ours)
        assert (await one.ended(ours)).cause is Cause.CANCELLED
        assert not any(isinstance(event, Ended) for event in one.of(theirs.key))
        await eventually_async(lambda: set(one.cluster.present()) == {OTHER})
        assert {event.key for event in one.events} == {ours.key, theirs.key}


@contract
async def test_nothing_is_left_of_what_is_forgotten(place: Place) -> None:
    trial = place.launch(1, Behaviour.COMPLETES)
    async with controller(place) as one:
        await one.start(trial)
        await one.ended(trial)
        await one.cluster.forget(identity(trial))
        await one.cluster.forget(identity(trial))
        await eventually_async(lambda: _is_empty(place, trial), "nothing is left")
        assert set(one.cluster.present()) == set()


async def _is_empty(place: Place, trial: Launch) -> bool:
    return not await place.traces(trial.key.experiment)
