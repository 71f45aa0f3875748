"""What an attempt reports is on the bus, to the last point, before the word that all is
reported."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from controller.cluster import AttemptKey, Ended, Event, Launch, Started
from controller.core.evolve import evolve
from controller.flows.observe import MetricsFollower, _pause
from controller.store.holding import Holding
from events import topics
from events.bus import Record, RecordTooLargeError
from events.bus.memory import MemoryBus
from events.clock import now
from events.diagnosis import Diagnosis
from events.envelope import decode
from events.facts import Cause, TrialProposed, TrialScheduled
from events.ids import ExperimentId, Shard, TrialNumber
from events.metrics import MetricsCompleted, MetricsReported, Point
from events.signals import WorkloadEnded, WorkloadStarted
from tests.controller.core.histories import experiment
from tests.eventually import eventually_async

KEY = AttemptKey(ExperimentId(UUID(int=1)), TrialNumber(1), 1)


class Script:
    """A source that has one point when it is read, and two more at its end."""

    def __init__(self) -> None:
        self.batches = [[1], [2], [3]]

    def read(self) -> Sequence[Point]:
        return self._points(self.batches.pop(0)) if len(self.batches) == 3 else ()

    def finish(self) -> Sequence[Point]:
        return self._points(self.batches.pop(0)) if self.batches else ()

    def diagnosis(self) -> Diagnosis:
        return Diagnosis(others=("val_loss",))

    def texts(self) -> dict[str, str]:
        return {"genotype": "Genotype()"}

    def _points(self, steps: list[int]) -> list[Point]:
        return [Point("loss", step, now(), float(step)) for step in steps]


def holding() -> Holding:
    state = experiment(5, 1)
    assert state.identity.id == KEY.experiment
    state = evolve(state, TrialProposed(trial=KEY.trial, assignment={"x": 0.5}, told=0))
    state = evolve(state, TrialScheduled(trial=KEY.trial, attempt=1))
    return Holding(Shard(7), 1, {KEY.experiment: state}, {(KEY.experiment, KEY.trial): {"x": 0.5}})


async def test_all_points_come_before_the_word_that_they_are_all() -> None:
    bus, script = MemoryBus(), Script()
    follower = MetricsFollower(asyncio.Queue(), lambda *_: script, bus, holding())
    async with (
        bus.subscribe(topics.METRICS, 7, 0) as metrics,
        bus.subscribe(topics.SIGNALS, 7, 0) as signals,
    ):
        await follower.handle([Started(KEY)])
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(follower.poll())
            await eventually_async(lambda: script.batches == [[2], [3]], "it was polled")
            await follower.handle([Ended(KEY, Cause.COMPLETED, 0)])
            listening.cancel()
        said = [decode(one.record).body for one in await metrics.fetch(100, 1)]
        seen = [decode(one.record).body for one in await signals.fetch(100, 1)]
    steps = [
        point.step for body in said if isinstance(body, MetricsReported) for point in body.points
    ]
    assert steps == [1, 2, 3]
    assert said[-1] == MetricsCompleted(
        trial=KEY.trial,
        attempt=1,
        diagnosis=Diagnosis(others=("val_loss",)),
        texts={"genotype": "Genotype()"},
    )
    assert seen == [
        WorkloadStarted(trial=KEY.trial, attempt=1),
        WorkloadEnded(trial=KEY.trial, attempt=1, cause=Cause.COMPLETED, exit_code=0),
    ]


async def test_an_attempt_that_is_not_live_is_old_news() -> None:
    bus = MemoryBus()

    def follow(launch: Launch, *_: object) -> Script:
        raise AssertionError(launch)

    follower = MetricsFollower(asyncio.Queue(), follow, bus, holding())
    await follower.handle([Ended(AttemptKey(KEY.experiment, KEY.trial, 2), Cause.COMPLETED, 0)])
    await follower.handle([Started(AttemptKey(KEY.experiment, TrialNumber(9), 1))])
    async with bus.subscribe(topics.SIGNALS, 7, 0) as signals:
        assert await signals.fetch(10, 0) == ()


@pytest.mark.parametrize(("took", "pause"), [(0.0, 0.05), (0.001, 0.05), (0.004, 0.08), (1.0, 0.1)])
def test_few_sources_are_looked_at_more_often_than_many(took: float, pause: float) -> None:
    assert _pause(took) == pytest.approx(pause)


class NarrowBus(MemoryBus):
    """A bus for which, as long as it is narrow, all measurements are too large."""

    narrow = False
    refused = 0

    async def publish(self, records: Sequence[Record]) -> None:
        if self.narrow and any(record.topic == topics.METRICS for record in records):
            self.refused += 1
            raise RecordTooLargeError("too large")
        await super().publish(records)

    async def metrics(self) -> list[MetricsReported | MetricsCompleted]:
        async with self.subscribe(topics.METRICS, 7, 0) as metrics:
            bodies = [decode(one.record).body for one in await metrics.fetch(100, 1)]
        return [one for one in bodies if isinstance(one, MetricsReported | MetricsCompleted)]

    async def steps(self) -> list[int]:
        said = [one for one in await self.metrics() if isinstance(one, MetricsReported)]
        return [point.step for one in said for point in one.points]


@pytest.mark.parametrize("ends", [False, True])
async def test_what_was_read_comes_once_after_a_quarantine(ends: bool) -> None:
    """Whether reporting failed while the attempt ran or at its end."""
    bus, script, held, events = NarrowBus(), Script(), holding(), asyncio.Queue[Event]()
    follower = MetricsFollower(events, lambda *_: script, bus, held)
    bus.narrow = True
    await follower.handle([Started(KEY)])
    async with asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(follower.poll(), name="poll")
        if ends:
            await follower.handle([Ended(KEY, Cause.COMPLETED, 0)])
        await eventually_async(lambda: bus.refused, "reporting failed")
        assert held.quarantine.holds(KEY.experiment, "observe")
        bus.narrow = False
        held.quarantine.release(KEY.experiment)
        if not ends:
            await eventually_async(bus.steps, "it came while the attempt runs")
            events.put_nowait(Ended(KEY, Cause.COMPLETED, 0))
        await follower.handle([events.get_nowait()])
        polling.cancel()
    assert await bus.steps() == [1, 2, 3]
    assert isinstance((await bus.metrics())[-1], MetricsCompleted)
    assert not follower.sources
    assert not follower.unsent


async def test_the_source_of_an_attempt_that_is_over_is_closed() -> None:
    held = holding()
    follower = MetricsFollower(asyncio.Queue(), lambda *_: Script(), MemoryBus(), held)
    await follower.handle([Started(KEY)])
    assert follower.sources
    held.forget(KEY.experiment)
    await follower.handle([Ended(KEY, Cause.COMPLETED, 0)])
    assert not follower.sources
