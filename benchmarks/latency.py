"""How soon a controller reacts, with Kafka between: to a bad metric with a stop, and to a trial's
end with the next.

Stops: 100 simulated trials run, and a collector per trial, all in this process, ships what this
program writes to their files, 10 lines a second each. A trial's loss is constant, and finished
trials have shown losses that fall evenly; so it is known which line of a trial makes it one to be
stopped. From the writing of that line to the commit of the decision to stop, of which a trigger in
Postgres tells; and to the moment when a subscriber hears of it.

Next: real trials with a collector process each, as `controller --cluster local` runs them; from a
trial's last act to the first act of the one that takes its place, by the trials' own clocks, as in
the benchmark `gap`.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.answers import WORST
from benchmarks.controllers import MEDIAN_STOP, Site, site
from benchmarks.gap import check_bash, gaps, percentile
from benchmarks.outcome import CannotMeasureError, Outcome, say
from collectors.parsers import parser_for
from collectors.ship.collect import Collector
from collectors.ship.spool import Spool
from collectors.sources.tail import Tail
from events import topics
from events.bus.kafka import KafkaReader, open_reader
from events.clock import now
from events.envelope import decode
from events.facts import TrialConcluded, TrialStarted, TrialStopRequested
from events.ids import AttemptKey, Shard, TrialNumber
from events.spec.collector import MetricsCollectorSpec

LIVE, LINES_PER_SECOND = 100, 10
FIRST_STOP, LAST_STOP = 10, 190
"""A trial is to be stopped at a report between these two."""
STOP_SECONDS, QUICK_STOP_SECONDS = 60, 10
NEXT_TRIALS, QUICK_NEXT_TRIALS, PARALLEL = 160, 16, 4
SHORTEST = 3
"""Seconds that a real trial sleeps at least, up to two more: its collector, a process that takes
half a second to start, is ready before."""
TRIAL = """\
LC_ALL=C; s=$EPOCHREALTIME; sleep $((3 + $0 % 2)).$(($0 * 7919 % 1000)); echo loss=$0; \
echo "$s $EPOCHREALTIME" >> '{file}'"""
NAME = "latency"
TELL = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('stopping', NEW.trial::text); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON fact FOR EACH ROW WHEN (NEW.type = 'trial.stop-requested')
    EXECUTE FUNCTION tell();
"""


def measure(home: Path, *, quick: bool) -> Outcome:
    check_bash()
    return asyncio.run(_measure(home, quick=quick))


async def _measure(home: Path, *, quick: bool) -> Outcome:
    async with site(home / "stop") as opened:
        stops = await _stops(opened, QUICK_STOP_SECONDS if quick else STOP_SECONDS)
        postgres = await opened.store.version()
    async with site(home / "next") as opened:
        nexts = await _nexts(opened, QUICK_NEXT_TRIALS if quick else NEXT_TRIALS)
    figures = {
        f"{name}_p{percent}_ms": 1000 * percentile(sorted(seconds), percent)
        for name, seconds in (("stop", stops.decided), ("heard", stops.heard), ("next", nexts))
        for percent in (50, 99)
    }
    return Outcome({**figures, "stops": len(stops.decided)}, postgres, packages=("aiokafka",))


@dataclass(slots=True)
class Written:
    """A simulated trial's file. `stop_at`: the report that makes it one to be stopped; `offset`:
    seconds before the first line."""

    collector: Collector
    file: Path
    loss: float
    stop_at: int
    offset: float
    fatal_at: float = 0.0

    async def write(self) -> None:
        """A line each tenth of a second until it has ended; the moment before the fatal one is
        kept."""
        await asyncio.sleep(self.offset)
        began, number = time.monotonic(), 0
        with self.file.open("ab", buffering=0) as file:
            while not self.collector.ended.is_set():
                number += 1
                if number == self.stop_at:
                    self.fatal_at = time.monotonic()
                file.write(b"loss=%f\n" % self.loss)
                await asyncio.sleep(max(0.0, began + number / LINES_PER_SECOND - time.monotonic()))


def losing(stop_at: int) -> float:
    """The constant loss of a trial that is worse than the references' average from report `stop_at`
    on, not before.

    Their average of the reports up to s is WORST - (s - 1) / 2."""
    return WORST - (stop_at - 1) / 2 + 0.25


@dataclass(slots=True)
class Stage:
    """The simulated trials that run, and how long each stop took, in seconds."""

    opened: Site
    shard: Shard
    tasks: asyncio.TaskGroup
    live: dict[TrialNumber, Written] = field(default_factory=dict)
    decided: list[float] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    async def follow(self, reader: KafkaReader) -> None:
        """Do what the events say: a trial that starts gets a file and a collector."""
        while True:
            for delivery in await reader.fetch(1_000, 1.0):
                moment, envelope = time.monotonic(), decode(delivery.record)
                match envelope.body:
                    case TrialStarted(trial=trial, attempt=attempt):
                        self._begin(AttemptKey(envelope.experiment, trial, attempt))
                    case TrialStopRequested(trial=trial) if trial in self.live:
                        self.heard.append(moment - self.live[trial].fatal_at)
                    case TrialConcluded(trial=trial) if trial in self.live:
                        self.live.pop(trial).collector.end()
                    case _:
                        pass

    def hear_of_commit(self, *notification: object) -> None:
        """Postgres tells the number of a trial that is to be stopped, once that is committed."""
        trial = TrialNumber(int(str(notification[-1])))
        self.decided.append(time.monotonic() - self.live[trial].fatal_at)

    def _begin(self, key: AttemptKey) -> None:
        stop_at = self.dice.randint(FIRST_STOP, LAST_STOP)
        offset = self.dice.random() / LINES_PER_SECOND
        file = self.opened.home / f"log-{key.trial}"
        file.touch()
        tail = Tail(file, parser_for(MetricsCollectorSpec(), ["loss"]), now)
        spool = Spool(
            self.opened.home / f"spool-{key.trial}",
            topics.METRICS,
            self.shard,
            str(key.experiment).encode(),
            2**24,
        )
        collector = Collector(key, self.shard, tail, spool)
        self.live[key.trial] = written = Written(collector, file, losing(stop_at), stop_at, offset)
        self.tasks.create_task(written.write())
        self.tasks.create_task(self._collect(collector))

    async def _collect(self, collector: Collector) -> None:
        await collector.run(lambda: nullcontext(self.opened.bus))
        collector.spool.close()


async def _stops(opened: Site, seconds: int) -> Stage:
    """Let trials run and be stopped for so long."""
    controller = opened.open_simulation("compared_with_the_first")
    await opened.database.execute(TELL)
    async with (
        open_reader(opened.settings, topics.EVENTS) as reader,
        opened.database.connection() as connection,
        asyncio.TaskGroup() as tasks,
    ):
        stage = Stage(opened, opened.shard(NAME), tasks)
        await connection.add_listener("stopping", stage.hear_of_commit)
        following = tasks.create_task(stage.follow(reader))
        await opened.submit(
            NAME, trials=10**6, parallel=LIVE, algorithm="random", extra=MEDIAN_STOP
        )
        await asyncio.sleep(FIRST_STOP / LINES_PER_SECOND)
        for _ in range(10):
            await asyncio.sleep(seconds / 10)
            say(f"{len(stage.live)} trials run, {len(stage.decided)} are to be stopped")
        await connection.remove_listener("stopping", stage.hear_of_commit)
        following.cancel()
        for written in stage.live.values():
            written.collector.end()
    controller.end()
    return stage


async def _nexts(opened: Site, trials: int) -> Sequence[float]:
    """Seconds from each end of a real trial to the start that follows in its place."""
    opened.open_controller("--cluster", "local")
    file = opened.home / "times"
    say(f"{trials} trials of {SHORTEST} to {SHORTEST + 2} s, {PARALLEL} at a time")
    await opened.submit(
        "next", trials=trials, parallel=PARALLEL, algorithm="random",
        command=["bash", "-c", TRIAL.format(file=file), "${trialParameters.n}"],
    )  # fmt: skip
    await opened.until(
        "EXISTS (SELECT FROM experiment WHERE name = 'next' AND concluded_at IS NOT NULL)",
        within=600,
    )
    times = [line.split() for line in file.read_text().splitlines()]
    if len(times) != trials:
        raise CannotMeasureError(f"{len(times)} of {trials} trials have run")
    return gaps([(float(start), float(end)) for start, end in times], PARALLEL)
