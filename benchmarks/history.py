"""What an installation's past costs: one live experiment beside many that are over, and a shard's
restart with many points.

An experiment is run with simulated trials and paused, in two databases: in one it is alone, in the
other there are copies of it that are over, each with all its trials, facts and points. What its
owner does with it (take it over, decide, list and show it, delete it) is measured in both in turn,
so that both find the machine in the same state. Then come live copies of one whose trials have
reported much and are watched by median stop: how long a new owner's rules take until they go on,
and how long the event loop stood still meanwhile. Copies are the rows that the controller wrote,
filled in by COPY.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from benchmarks.command import document
from benchmarks.controllers import MEDIAN_STOP
from benchmarks.database import Store, store
from benchmarks.outcome import Outcome, say
from controller.app.components import Components, open_components
from controller.app.solo import run_to_rest
from controller.cluster.simulated import Answer, SimulatedCluster
from controller.core.recorded import Recorded
from controller.flows.admit import admit
from controller.flows.intake import apply_signal
from controller.flows.judge import judge
from controller.store.holding import Holding, load
from controller.store.ledger import Batch
from controller.store.postgres import Connection, Database
from controller.store.queries import Queries
from controller.suggestion.pool import open_pool
from controller.views.overview import read_last
from controller.views.summary import best_row
from events import topics
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope, send
from events.ids import ExperimentId, Shard, TrialNumber
from events.metrics import MetricsReported, Point
from events.signals import ExperimentSubmitted, PauseRequested, ResumeRequested, Signal
from events.spec.document import load as load_document
from events.spec.space import Assignment

ROUNDS, DELETIONS = 15, 5
LAG_SECONDS = 0.005
LOOK_SECONDS = 0.05
HOUR = 3_600.0
PAGE = 100
"""Experiments that `list` shows unless somebody wants more."""
OF_NOBODY = 99
"""An attempt that there is not: its report is the first after the rules have been restored."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much past there is."""

    over: int
    """Experiments that are over, with `trials` of `points` each."""
    trials: int
    points: int
    live: int
    """Live experiments of one shard, with `live_trials` of `live_points` each."""
    live_trials: int
    live_points: int


WHOLE = Size(1_000, 1_000, 100, 100, 100, 1_000)
QUICK = Size(20, 100, 100, 10, 100, 1_000)

_COPY_EXPERIMENT = """
INSERT INTO experiment (id, shard, namespace, name, spec, seed, origin, state, progress, version,
    created_at, concluded_at)
SELECT $2, shard, namespace, $3, spec, seed, origin, CASE WHEN $4 THEN 'Succeeded' ELSE state END,
    progress, version, created_at - random() * interval '90 days', CASE WHEN $4 THEN now() END
FROM experiment WHERE id = $1
"""
_TABLES = ("trial", "fact", "curve", "course", "measurement", "inbox")
"""All that hangs on an experiment, by the id in its rows alone."""
_DONE = "SELECT FROM trial WHERE experiment = $1 AND ordinal >= $2"
_HEARD = "SELECT FROM measurement WHERE experiment = $1 AND trial = 1 AND attempt = $2"


def measure(home: Path, *, quick: bool, arguments: Sequence[str] = ()) -> Outcome:
    """`--over N`, `--live N`: so many experiments that are over, or whose rules are restored."""
    parser, size = argparse.ArgumentParser("history"), QUICK if quick else WHOLE
    for name in ("over", "live"):
        parser.add_argument(f"--{name}", type=int, default=getattr(size, name), metavar="N")
    return asyncio.run(_measure(home, replace(size, **vars(parser.parse_args(arguments)))))


async def _measure(home: Path, size: Size) -> Outcome:
    async with store(home / "alone") as one, store(home / "beside") as other:
        alone, beside = await _begin(one, size), await _begin(other, size)
        original = await _template(other, beside.experiment)
        for number in range(1, size.over + 1):
            await _copy(other, beside.experiment, original, f"over-{number}", over=True)
            if number % max(1, size.over // 10) == 0:
                say(f"{number:,} of {size.over:,} experiments are over")
        await _settle(other)
        figures = await _compare(alone, beside)
        figures |= await _restore(other, size)
        return Outcome(figures, await other.version())


@asynccontextmanager
async def _components(
    opened: Store, answer: Callable[[Assignment], Answer]
) -> AsyncGenerator[Components]:
    cluster = SimulatedCluster(answer)
    async with (
        open_pool() as pool,
        open_components(
            opened.database, MemoryBus(), pool, cluster, cluster.follow, owner=str(uuid4())
        ) as components,
    ):
        yield components


def _falling(points: int, assignment: Assignment) -> Answer:
    loss = (float(assignment["x"]) - 0.3) ** 2
    return Answer([{"loss": loss + 1 / step} for step in range(1, points + 1)])


def _same(points: int, _: Assignment) -> Answer:
    """The same curve for all, so that median stop ends none."""
    return Answer([{"loss": 1 / step} for step in range(1, points + 1)])


async def _run(
    opened: Store,
    name: str,
    trials: int,
    answer: Callable[[Assignment], Answer],
    extra: str = "",
) -> tuple[ExperimentId, Shard]:
    """Run so many trials of a new experiment, and pause it."""
    text = document(10 * trials, 10, ["simulated", "${trialParameters.x}"])
    text = text.replace("  objective:", f"{extra}  objective:")
    spec = load_document(text.encode()).spec
    submitted = ExperimentSubmitted(name=name, namespace="default", spec=spec, seed=1)
    number = ExperimentId(uuid4())
    async with _components(opened, answer) as components:
        envelope = Envelope(uuid4(), None, number, now(), submitted)
        admission = await admit(components.ledger, components.mailbox, components.check, envelope)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pause(components, number, trials), name="pause")
            await run_to_rest(components, admission.shard, number)
    return number, admission.shard


async def _pause(components: Components, experiment: ExperimentId, trials: int) -> None:
    await _until(components.database, _DONE, experiment, trials)
    await components.mailbox.add(uuid4(), experiment, now(), PauseRequested())


async def _until(database: Database, sql: str, *values: Any) -> None:
    """Wait until there is such a row."""
    while True:
        if await database.row(sql, *values) is not None:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _template(opened: Store, experiment: ExperimentId) -> Mapping[str, bytes]:
    """The rows of an experiment, by table, as COPY has them."""
    rows = dict[str, bytes]()
    async with _unhurried(opened) as connection:
        for table in _TABLES:
            sql, read = f"SELECT * FROM {table} WHERE experiment = $1", BytesIO()
            await connection.copy_from_query(
                sql, experiment, output=read, format="binary", timeout=HOUR
            )
            rows[table] = read.getvalue()
    return rows


async def _copy(
    opened: Store, original: ExperimentId, rows: Mapping[str, bytes], name: str, *, over: bool
) -> ExperimentId:
    """One more experiment with all these rows, in the shard of the original."""
    copy = ExperimentId(uuid4())
    async with _unhurried(opened) as connection:
        await connection.execute(_COPY_EXPERIMENT, original, copy, name, over, timeout=HOUR)
        for table, data in rows.items():
            written = BytesIO(data.replace(original.bytes, copy.bytes))
            await connection.copy_to_table(table, source=written, format="binary", timeout=HOUR)
    return copy


@asynccontextmanager
async def _unhurried(opened: Store) -> AsyncGenerator[Connection]:
    """A transaction that may take long and need not be on disk at once."""
    async with opened.database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SET LOCAL synchronous_commit = off")
        yield connection


async def _settle(opened: Store) -> None:
    """As a database is that has been there for a while: with statistics, and written to disk."""
    async with opened.database.connection() as connection:
        for sql in ("SET statement_timeout = 0", "VACUUM ANALYZE", "RESET statement_timeout"):
            await connection.execute(sql, timeout=HOUR)


@dataclass(slots=True)
class Site:
    """A database with the live experiment, what its owner knows of it, and what was measured."""

    opened: Store
    experiment: ExperimentId
    shard: Shard
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def timed(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        result = await act()
        self.seconds[name].append(time.perf_counter() - began)
        return result

    async def visit(self, components: Components) -> None:
        """All that an owner and readers do with the experiment, but for its deletion."""
        queries = Queries(self.opened.database)
        holding = await self.timed("take_over", partial(_take_over, components, self.shard))
        signals = ResumeRequested(), PauseRequested()
        await self.timed("first_decision", partial(self._decide, components, holding, signals[0]))
        await self._decide(components, holding, signals[1])
        await self.timed("list", partial(queries.experiments.newest, None, 1))
        await self.timed("page", partial(queries.experiments.newest, None, PAGE))
        await self.timed("show", partial(self._show, queries))

    async def _decide(self, components: Components, holding: Holding, signal: Signal) -> None:
        before, at = holding.experiments[self.experiment], now()
        envelope = Envelope(uuid4(), None, self.experiment, at, signal)
        after, recorded = apply_signal(before, envelope, at)
        batch = Batch(before, after, recorded)
        await components.ledger.commit(holding.shard, holding.epoch, batch)
        holding.learn(after, recorded)

    async def _show(self, queries: Queries) -> None:
        snapshot = await queries.experiments.find("default", "one")
        assert snapshot is not None
        await best_row(queries, snapshot.experiment)
        await read_last(queries, snapshot)
        await queries.curves.thinned_curves(self.experiment)

    async def delete(self, components: Components, rows: Mapping[str, bytes]) -> None:
        """Delete a copy of the experiment: until its name is free, and until all of it is gone."""
        gone = await _copy(self.opened, self.experiment, rows, f"gone-{uuid4()}", over=True)
        await self.timed("delete", partial(components.ledger.delete, gone))
        await self.timed("clear", partial(components.upkeep.clear, gone))


async def _begin(opened: Store, size: Size) -> Site:
    return Site(opened, *await _run(opened, "one", size.trials, partial(_falling, size.points)))


async def _take_over(components: Components, shard: Shard) -> Holding:
    epoch = await components.leases.claim(shard)
    assert epoch is not None
    holding = await load(components.ledger, components.outbox, shard, epoch)
    holding.quarantine = await components.quarantines.load(shard)
    return holding


async def _compare(alone: Site, beside: Site) -> dict[str, float]:
    """The same in both databases in turn; ratios are medians over the rounds."""
    answer = partial(_same, 1)
    async with _components(alone.opened, answer) as one, _components(beside.opened, answer) as two:
        for _ in range(ROUNDS):
            await alone.visit(one)
            await beside.visit(two)
        rows = [await _template(site.opened, site.experiment) for site in (alone, beside)]
        for _ in range(DELETIONS):
            await alone.delete(one, rows[0])
            await beside.delete(two, rows[1])
    ratios = dict[str, float]()
    for name, seconds in beside.seconds.items():
        pairs = zip(seconds, alone.seconds[name], strict=True)
        ratios[f"{name}_ratio"] = median(mine / other for mine, other in pairs)
        both = [median(site.seconds[name]) * 1000 for site in (alone, beside)]
        say(f"{name}: {both[0]:.1f} ms alone, {both[1]:.1f} ms beside")
    del ratios["page_ratio"]  # more is listed there
    page = median(beside.seconds["page"]) * 1000
    return {"history_ratio": max(ratios.values()), **ratios, "list_page_ms": page}


async def _restore(opened: Store, size: Size) -> dict[str, float]:
    """Seconds until a new owner's rules go on, and the longest that the event loop stood still."""
    answer = partial(_same, size.live_points)
    number, shard = await _run(opened, "watched", size.live_trials, answer, f"  {MEDIAN_STOP}\n")
    rows = await _template(opened, number)
    for copy in range(1, size.live):
        await _copy(opened, number, rows, f"watched-{copy}", over=False)
    await _settle(opened)
    say(f"{size.live} experiments of {size.live_trials} trials are watched")
    async with _components(opened, answer) as components, asyncio.TaskGroup() as tasks:
        began, used, lags = time.perf_counter(), time.process_time(), [(0.0, 0.0)]
        lag = tasks.create_task(_watch(lags), name="lag")
        holding = await _take_over(components, shard)
        bus, facts = MemoryBus(), asyncio.Queue[Recorded]()
        flow = judge(bus, components.measurements, components.positions, holding, facts)
        judging = tasks.create_task(flow, name="judge")
        point = Point(step=1, at=now(), metric="loss", value=1.0)
        report = MetricsReported(trial=TrialNumber(1), attempt=OF_NOBODY, points=(point,))
        await send(bus, topics.METRICS, shard, [Envelope(uuid4(), None, number, now(), report)])
        await _until(opened.database, _HEARD, number, OF_NOBODY)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        judging.cancel()
        lag.cancel()
    longest, busiest = (max(column) * 1000 for column in zip(*lags, strict=True))
    return {
        "restore_s": seconds,
        "restore_cpu_s": used,
        "loop_lag_ms": longest,
        "loop_cpu_ms": busiest,
    }


async def _watch(lags: list[tuple[float, float]]) -> None:
    """Note, until cancelled, how much later than asked for the event loop came back, and the
    processor time that it used meanwhile."""
    while True:
        began, used = time.perf_counter(), time.thread_time()
        await asyncio.sleep(LAG_SECONDS)
        lags.append((time.perf_counter() - began - LAG_SECONDS, time.thread_time() - used))
