"""What an installation's past costs: one live experiment beside many that are over, and a shard's
restart with many points.

An experiment is run with simulated trials and paused; it is the live one. How long its owner needs
to take it over, to decide for the first time, to list and to show it, and to delete it, is measured
in a database that has nothing else, and again beside copies of it that are over, with points of
their own. Then come live copies of one whose trials have reported much and are watched by median
stop: how long a new owner's rules take until they go on, and how long the event loop stood still
meanwhile. Copies are made in the database, row by row as the controller wrote them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
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
from controller.store.queries import Queries
from controller.suggestion.pool import open_pool
from controller.views.overview import read_last
from controller.views.summary import best_row
from events import topics
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted, PauseRequested, TimePassed
from events.spec.document import load as load_document
from events.spec.space import Assignment

ROUNDS = 7
LAG_SECONDS = 0.005
HOUR = 3_600.0


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


WHOLE = Size(1_000, 1_000, 100, 10, 1_000, 1_000)
QUICK = Size(20, 100, 100, 10, 100, 1_000)

_COPY_EXPERIMENT = """
INSERT INTO experiment (id, shard, namespace, name, spec, seed, origin, state, progress, version,
    created_at, concluded_at)
SELECT gen_random_uuid(), shard, namespace, $2 || n, spec, seed, origin,
    CASE WHEN $4 THEN 'Succeeded' ELSE state END, progress, version,
    created_at - n * interval '1 minute', CASE WHEN $4 THEN now() END
FROM experiment, generate_series(1, $3) AS n WHERE id = $1
"""
_COLUMNS = {
    "trial": "number, state, attempt, assignment, told, ordinal, cause, exit_code, message, "
    "observation, value, objective_values, violations, proposed_at, started_at, concluded_at",
    "fact": "seq, id, cause, at, type, trial, data, epoch",
    "curve": "trial, attempt, metric, count, last, latest, min, max, min_step, max_step, stride, "
    "kept",
    "course": "trial, attempt, last, state",
}
_POINTS = """
INSERT INTO measurement (experiment, trial, attempt, metric, step, at, value, arrival)
SELECT e.id, t.number, 1, 'loss', s, now(), random(), s
FROM experiment e JOIN trial t ON t.experiment = e.id AND t.ordinal IS NOT NULL
CROSS JOIN generate_series(1, $2) AS s WHERE e.name = $1
"""


def measure(home: Path, *, quick: bool) -> Outcome:
    return asyncio.run(_measure(home, QUICK if quick else WHOLE))


async def _measure(home: Path, size: Size) -> Outcome:
    async with store(home / "data") as opened:
        number, shard = await _run(opened, "one", size.trials, 10, "")
        alone = await _visits(opened, number, shard)
        await _copy(opened, number, "over-", size.over, size.points, over=True)
        beside = await _visits(opened, number, shard)
        for name, seconds in beside.items():
            say(f"{name}: {alone[name] * 1000:.1f} ms alone, {seconds * 1000:.1f} ms beside")
        number, shard = await _run(
            opened, "watched", size.live_trials, size.live_points, f"  {MEDIAN_STOP}\n"
        )
        await _copy(opened, number, "live-", size.live - 1, size.live_points, over=False)
        seconds, lag = await _restore(opened, shard)
        figures = {
            "history_ratio": max(beside[name] / alone[name] for name in alone),
            **{f"{name}_ratio": beside[name] / alone[name] for name in alone},
            "restore_s": seconds,
            "loop_lag_ms": lag * 1000,
        }
        return Outcome(figures, await opened.version())


@asynccontextmanager
async def _components(opened: Store, points: int) -> AsyncGenerator[Components]:
    def answer(assignment: Assignment) -> Answer:
        loss = (float(assignment["x"]) - 0.3) ** 2
        return Answer([{"loss": loss + 1 / step} for step in range(1, points + 1)])

    cluster = SimulatedCluster(answer)
    async with (
        open_pool() as pool,
        open_components(
            opened.database, MemoryBus(), pool, cluster, cluster.follow, owner=str(uuid4())
        ) as components,
    ):
        yield components


async def _run(
    opened: Store, name: str, trials: int, points: int, extra: str
) -> tuple[ExperimentId, Shard]:
    """Run so many trials of a new experiment, and pause it."""
    text = document(10 * trials, 10, ["simulated", "${trialParameters.x}"])
    text = text.replace("  objective:", f"{extra}  objective:")
    spec = load_document(text.encode()).spec
    submitted = ExperimentSubmitted(name=name, namespace="default", spec=spec, seed=1)
    number = ExperimentId(uuid4())
    async with _components(opened, points) as components:
        envelope = Envelope(uuid4(), None, number, now(), submitted)
        admission = await admit(components.ledger, components.mailbox, components.check, envelope)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pause(components, number, trials), name="pause")
            await run_to_rest(components, admission.shard, number)
    return number, admission.shard


async def _pause(components: Components, experiment: ExperimentId, trials: int) -> None:
    count = "SELECT count(*) AS count FROM trial WHERE experiment = $1 AND ordinal IS NOT NULL"
    while True:
        row = await components.database.row(count, experiment)
        if row is not None and row["count"] >= trials:
            break
        await asyncio.sleep(0.2)
    await components.mailbox.add(uuid4(), experiment, now(), PauseRequested())


async def _copy(
    opened: Store, original: ExperimentId, name: str, count: int, points: int, *, over: bool
) -> None:
    """So many copies of an experiment in its shard, with points of their own."""
    await _slowly(opened, _COPY_EXPERIMENT, original, name, count, over)
    for number in range(1, count + 1):
        for table, columns in _COLUMNS.items():
            sql = (
                f"INSERT INTO {table} (experiment, {columns}) SELECT e.id, original.* "
                f"FROM (SELECT id FROM experiment WHERE name = $2) AS e, "
                f"(SELECT {columns} FROM {table} WHERE experiment = $1) AS original"
            )
            await _slowly(opened, sql, original, f"{name}{number}")
        await _slowly(opened, _POINTS, f"{name}{number}", points)
        if number % max(1, count // 10) == 0:
            say(f"{number:,} of {count:,} experiments {name.rstrip('-')}")
    await _slowly(opened, "ANALYZE")


async def _slowly(opened: Store, sql: str, *values: Any) -> None:
    async with opened.database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(sql, *values, timeout=HOUR)


async def _visits(opened: Store, number: ExperimentId, shard: Shard) -> Mapping[str, float]:
    """Seconds that each thing takes, the medians of some rounds."""
    async with _components(opened, 1) as components:
        queries, found = Queries(opened.database), dict[str, list[float]]()

        async def timed(name: str, act: Callable[[], Awaitable[Any]]) -> Any:
            began = time.perf_counter()
            result = await act()
            found.setdefault(name, []).append(time.perf_counter() - began)
            return result

        async def take_over() -> Holding:
            epoch = await components.leases.claim(shard)
            assert epoch is not None
            return await load(components.ledger, components.outbox, shard, epoch)

        async def show() -> None:
            snapshot = await queries.experiments.find("default", "one")
            assert snapshot is not None
            await best_row(queries, snapshot.experiment)
            await read_last(queries, snapshot)
            await queries.curves.thinned_curves(number)

        for _ in range(ROUNDS):
            holding = await timed("take_over", take_over)
            await timed("first_decision", partial(_decide, components, holding, number))
            await timed("list", queries.experiments.newest)
            await timed("show", show)
        for _ in range(ROUNDS):
            gone = f"gone-{uuid4().hex[:8]}-"
            await _copy(opened, number, gone, 1, 10, over=True)
            row = await opened.database.row("SELECT id FROM experiment WHERE name = $1", f"{gone}1")
            assert row is not None
            await timed("delete", partial(components.ledger.delete, row["id"]))
            await components.upkeep.clear(row["id"])
        return {name: median(seconds) for name, seconds in found.items()}


async def _decide(components: Components, holding: Holding, number: ExperimentId) -> None:
    """Decide on a signal, and commit what follows, if only that it was heard."""
    before = holding.experiments[number]
    tick = Envelope(uuid4(), None, number, now(), TimePassed())
    after, recorded = apply_signal(before, tick)
    await components.ledger.commit(
        holding.shard, holding.epoch, Batch(before, after, recorded, [tick.id])
    )


async def _restore(opened: Store, shard: Shard) -> tuple[float, float]:
    """Seconds until a new owner's rules go on, and the longest that the event loop stood still."""
    async with _components(opened, 1) as components:
        began = time.perf_counter()
        epoch = await components.leases.claim(shard)
        assert epoch is not None
        holding = await load(components.ledger, components.outbox, shard, epoch)
        bus, facts = MemoryBus(), asyncio.Queue[Recorded]()
        flow = judge(bus, components.measurements, components.positions, holding, facts)
        longest, last = 0.0, time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            judging = tasks.create_task(flow, name="judge")
            while not bus._partition(topics.METRICS, int(shard)).subscriptions:
                await asyncio.sleep(LAG_SECONDS)
                moment = time.perf_counter()
                longest, last = max(longest, moment - last - LAG_SECONDS), moment
            seconds = time.perf_counter() - began
            judging.cancel()
        return seconds, longest
