"""Trials simulated by a Python function in virtual time, without any process: for rehearsals and
benchmarks."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from controller.cluster import AttemptKey, Ended, Launch, Started
from controller.core.experiment import Identity
from events.clock import now
from events.facts import Cause
from events.ids import ExperimentId
from events.metrics import Point
from events.spec.space import Assignment
from events.waiting import wait


@dataclass(frozen=True, slots=True)
class Answer:
    """How a trial proceeds: its curve of metrics, one mapping for each step, over `seconds` of
    virtual time."""

    curve: Sequence[Mapping[str, float]]
    seconds: float = 1.0
    cause: Cause = Cause.COMPLETED
    message: str = ""


REMEMBERED_ATTEMPTS = 10_000
"""Ended attempts that are remembered, so that they are not started again."""

Function = Callable[[Assignment], Answer]


@dataclass(slots=True)
class _Run:
    answer: Answer
    begun: datetime
    stopped: bool = False
    followed: bool = False


@dataclass(slots=True)
class SimulatedSource:
    """What a simulated attempt measures, all known when it starts; with a `clock`, read as time
    passes."""

    points: deque[Point]
    clock: Callable[[], datetime] | None

    def read(self) -> Sequence[Point]:
        due: list[Point] = []
        while self.clock is not None and self.points and self.points[0].at <= self.clock():
            due.append(self.points.popleft())
        return due

    def finish(self) -> Sequence[Point]:
        points, self.points = list(self.points), deque()
        return points

    def diagnosis(self) -> None:
        """Nothing else was seen."""

    def texts(self) -> dict[str, str]:
        """All values are numbers."""
        return {}


class SimulatedCluster:
    """The Cluster port without processes: attempts end in the order of their ends in virtual time.

    `pace`: virtual seconds in a second of real time; None = virtual time jumps from one end to the
    next. `reaction`: seconds of real time for the controller to react to an end before virtual time
    moves on. With 0 it is fastest, but a trial may end before the controller has stopped it because
    of the end before.
    """

    def __init__(
        self, function: Function, *, reaction: float = 0.0, pace: float | None = None
    ) -> None:
        self._function = function
        self._reaction = reaction
        self._pace = pace
        self._begin, self._zero = now(), time.monotonic()
        self._virtual = 0.0
        self._runs: dict[AttemptKey, _Run] = {}
        self._ended: dict[AttemptKey, _Run | None] = {}
        """With the run, until its measurements were asked for."""
        self._told: dict[AttemptKey, Ended] = {}
        """The ends of `_ended`, of which some are to be told `_again`."""
        self._again: deque[AttemptKey] = deque()
        self._ends: list[tuple[float, int, AttemptKey]] = []
        self._order = count()
        self._started: asyncio.Queue[AttemptKey] = asyncio.Queue()
        self._wake = asyncio.Event()

    async def start(self, launch: Launch) -> bool:
        self._pass_time()
        key = launch.key
        if key in self._runs or key in self._ended:
            return True
        answer = self._function(launch.assignment)
        self._runs[key] = _Run(answer, self._begin + timedelta(seconds=self._virtual))
        heapq.heappush(self._ends, (self._virtual + answer.seconds, next(self._order), key))
        self._started.put_nowait(key)
        self._wake.set()
        return True

    async def stop(self, key: AttemptKey) -> None:
        self._pass_time()
        run = self._runs.get(key)
        if run is not None and not run.stopped:
            run.stopped = True
            heapq.heappush(self._ends, (self._virtual, next(self._order), key))
        elif run is None and key not in self._ended:
            self._end_at_once(key, Cause.CANCELLED)
        self._wake.set()

    async def watch(self) -> AsyncIterator[Started | Ended]:
        while True:
            while not self._started.empty():
                yield Started(self._started.get_nowait())
            while self._again:
                if (end := self._told.get(self._again.popleft())) is not None:
                    yield end
            if (pause := self._pause()) != 0.0:
                await self._until_woken(pause)
                continue
            at, _, key = heapq.heappop(self._ends)
            run = self._runs.pop(key, None)
            if run is not None:
                self._virtual = max(self._virtual, at)
                self._remember(key, run)
                yield self._told[key]
                if self._reaction:
                    await asyncio.sleep(self._reaction)

    def _pass_time(self) -> None:
        if self._pace is not None:
            self._virtual = max(self._virtual, (time.monotonic() - self._zero) * self._pace)

    def _pause(self) -> float | None:
        """Real seconds until the next end; None if none is due."""
        if not self._ends:
            return None
        self._pass_time()
        return (
            max(0.0, (self._ends[0][0] - self._virtual) / self._pace)
            if self._pace is not None
            else 0.0
        )

    async def _until_woken(self, seconds: float | None) -> None:
        self._wake.clear()
        await wait(self._wake, seconds)

    def time(self) -> datetime:
        """The virtual time."""
        self._pass_time()
        return self._begin + timedelta(seconds=self._virtual)

    def _end(self, key: AttemptKey, run: _Run) -> Ended:
        cause = Cause.CANCELLED if run.stopped else run.answer.cause
        return Ended(key, cause, 0 if cause is Cause.COMPLETED else 1, run.answer.message)

    async def forget(self, experiment: Identity) -> None:
        """Nothing is kept."""

    def present(self) -> set[ExperimentId]:
        return {key.experiment for key in self._runs}

    async def sweep(
        self,
        experiment: Identity,
        expected: Collection[AttemptKey],
        wanted: Callable[[AttemptKey], bool],
    ) -> None:
        """Nothing outlives the process, so what is expected and never ran here is lost."""
        for key in expected:
            if key in self._told:
                self._again.append(key)
            elif key not in self._runs:
                self._end_at_once(key, Cause.LOST)
        for key in [
            key for key in self._runs if key.experiment == experiment.id and not wanted(key)
        ]:
            await self.stop(key)
        self._wake.set()

    def _end_at_once(self, key: AttemptKey, cause: Cause) -> None:
        self._runs[key] = _Run(
            Answer((), cause=cause), now(), followed=True
        )  # it never ran here, and reports nothing
        heapq.heappush(self._ends, (self._virtual, next(self._order), key))

    def _remember(self, key: AttemptKey, run: _Run) -> None:
        self._ended[key] = None if run.followed else run
        self._told[key] = self._end(key, run)
        if len(self._ended) > REMEMBERED_ATTEMPTS:
            oldest = next(iter(self._ended))
            del self._ended[oldest], self._told[oldest]

    def follow(self, launch: Launch, *_: object) -> SimulatedSource:
        """The measurements of the attempt."""
        run = self._followed(launch.key)
        answer = run.answer if run else self._function(launch.assignment)
        begun = run.begun if run else now()
        share = answer.seconds / max(1, len(answer.curve))
        steps = enumerate(answer.curve, 1)
        points = (
            Point(metric, n, begun + timedelta(seconds=n * share), value)
            for n, step in steps
            for metric, value in step.items()
        )
        return SimulatedSource(deque(points), None if self._pace is None else self.time)

    def _followed(self, key: AttemptKey) -> _Run | None:
        """The run of an attempt that is running, or that has ended and was not followed before."""
        run = self._runs.get(key) or self._ended.get(key)
        if run is not None:
            run.followed = True
        if key in self._ended:
            self._ended[key] = None
        return run
