"""Where everything is wired: a station has the parts, and `see_through` runs the flows of one shard to the end."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from algorithms import search, stopping
from collectors import parser
from collectors import problems as collector_problems
from collectors.tail import Tail
from controller.cluster import Cluster, Launch
from controller.cluster.local import LocalCluster
from controller.cluster.process import problems as process_problems
from controller.core.experiment import Experiment
from controller.flows.intake import intake
from controller.flows.judge import judge
from controller.flows.launch import launch
from controller.flows.observe import Follow, Source, observe
from controller.flows.propose import propose
from controller.flows.relay import relay
from controller.flows.sweep import sweep
from controller.store import FencedError, StoreAwayError, StoreRefusedError
from controller.store.holding import Holding, load
from controller.store.journal import Journals
from controller.store.leases import Leases, open_leases
from controller.store.ledger import Ledger, Recorded
from controller.store.measurements import Measurements
from controller.store.outbox import Mailbox, Outbox
from controller.store.postgres import Database
from events.bus import Bus
from events.bus.memory import MemoryBus
from events.clock import now
from events.facts import ExperimentState, TrialState
from events.ids import ExperimentId, Shard
from events.spec import CollectorKind, ExperimentSpec
from events.validation import Problem

AWAY_SECONDS = 30.0
"""How long the database, or the place where trials run, may be away before the controller gives up."""
PASSING = (StoreAwayError, StoreRefusedError, OSError)
"""What may pass by itself: no database, no supervisor, a full disk."""
PAUSE_SECONDS = (0.1, 2.0)
SETTLE_SECONDS = 0.2
log = logging.getLogger(__name__)


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Everything for which this version cannot run `spec` on this machine."""
    yield from search.problems(spec)
    yield from stopping.problems(spec)
    yield from collector_problems(spec)
    yield from process_problems(spec)


@dataclass(frozen=True, slots=True)
class Station:
    """The parts of a controller, wired."""

    database: Database
    ledger: Ledger
    outbox: Outbox
    mailbox: Mailbox
    journals: Journals
    measurements: Measurements
    leases: Leases
    bus: Bus
    cluster: Cluster
    follow: Follow
    revive: Callable[[], Awaitable[None]]
    """Bring the database back, where that is ours to do."""


async def leave_alone() -> None:
    """The database is somebody else's: all that we can do is to wait for it."""


@asynccontextmanager
async def station(
    database: Database,
    cluster: Cluster,
    follow: Follow,
    revive: Callable[[], Awaitable[None]] = leave_alone,
    *,
    owner: str,
) -> AsyncGenerator[Station]:
    """Wire the parts around a database and a place where trials run. `owner` names this process in leases."""
    async with open_leases(database, owner) as leases:
        yield Station(
            database, Ledger(database), Outbox(database), Mailbox(database), Journals(database), Measurements(database),
            leases, MemoryBus(), cluster, follow, revive,
        )  # fmt: skip


def local_follow(cluster: LocalCluster) -> Follow:
    """Hear a local attempt by reading the file that it writes."""

    def follow(launched: Launch) -> Source:
        collector = launched.spec.metrics_collector_spec
        is_file = collector.collector.kind is CollectorKind.FILE
        path: Path = cluster.metrics_path(launched) if is_file else cluster.log_path(launched.key)
        return Tail(path, parser(collector, launched.spec.metrics), now)

    return follow


class _SettledError(Exception):
    """Not an error: what was waited for has come, so the flows end."""


async def serve(station: Station, shard: Shard, epoch: int, settled: Callable[[Holding], bool]) -> None:
    """Run the flows of a shard until `settled`. Raises what the flows raise."""
    holding = await load(station.ledger, station.outbox, shard, epoch)
    queues: list[asyncio.Queue[Recorded]] = [asyncio.Queue() for _ in range(4)]
    changed = asyncio.Event()

    def committed(recorded: Sequence[Recorded]) -> None:
        for queue in queues:
            for one in recorded:
                queue.put_nowait(one)
        changed.set()

    try:
        async with asyncio.TaskGroup() as flows:
            flows.create_task(station.leases.keep(shard))
            flows.create_task(propose(station.bus, station.journals, holding, queues[0]))
            flows.create_task(launch(station.cluster, station.outbox, holding, queues[1]))
            flows.create_task(judge(station.bus, station.measurements, holding, queues[2]))
            flows.create_task(relay(station.bus, station.outbox, holding, queues[3]))
            flows.create_task(observe(station.cluster, station.follow, station.bus, holding))
            flows.create_task(intake(station.bus, station.ledger, holding, committed))
            flows.create_task(sweep(station.cluster, station.mailbox, station.bus, holding))
            flows.create_task(_until_settled(station, holding, changed, settled))
    except* _SettledError:
        pass


async def _until_settled(
    station: Station, holding: Holding, changed: asyncio.Event, settled: Callable[[Holding], bool]
) -> None:
    """End the flows once everything is decided, no letter waits, and every effect is done."""
    while True:
        if settled(holding) and not await _open_business(station, holding):
            raise _SettledError
        changed.clear()
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await changed.wait()
        except TimeoutError:
            continue


async def _open_business(station: Station, holding: Holding) -> bool:
    for experiment in holding.experiments:
        if await station.mailbox.letters(experiment) or await station.outbox.pending(experiment):
            return True
    return False


def at_rest(experiment: Experiment) -> bool:
    """Does nothing more happen unless somebody asks for it?"""
    live = experiment.progress.live.values()
    paused = experiment.progress.state is ExperimentState.PAUSED
    return experiment.done or (paused and all(trial.state is TrialState.PAUSED for trial in live))


async def see_through(station: Station, shard: Shard, experiment: ExperimentId) -> bool:
    """Own the shard and serve it until the experiment is at rest; False if somebody else owns it.

    Outages are waited out, up to AWAY_SECONDS each; then what was wrong is raised.
    """

    def settled(holding: Holding) -> bool:
        return experiment not in holding.experiments or at_rest(holding.experiments[experiment])

    away_since: float | None = None
    pause = PAUSE_SECONDS[0]
    while True:
        began = time.monotonic()
        try:
            return await _own_once(station, shard, settled)
        except ExceptionGroup as group:
            error = _first(group)
        except (StoreAwayError, StoreRefusedError, FencedError, OSError) as alone:
            error = alone
        if isinstance(error, FencedError):
            log.warning("%s; following", error)
            return False
        if not isinstance(error, PASSING):
            raise error
        away_since, pause = _patience(began, away_since, pause, error)
        await asyncio.sleep(pause)
        await _revive(station)


async def _own_once(station: Station, shard: Shard, settled: Callable[[Holding], bool]) -> bool:
    epoch = await station.leases.claim(shard)
    if epoch is None:
        return False
    await serve(station, shard, epoch, settled)
    await station.leases.release(shard)
    return True


def _patience(began: float, away_since: float | None, pause: float, error: Exception) -> tuple[float, float]:
    """Since when it does not work, and how long to wait now; raises `error` when patience is at its end."""
    moment = time.monotonic()
    if away_since is None or moment - began > AWAY_SECONDS:
        log.warning("interrupted, trying again: %s", error)
        return moment, PAUSE_SECONDS[0]
    if moment - away_since > AWAY_SECONDS:
        raise error
    return away_since, min(pause * 2, PAUSE_SECONDS[1])


async def _revive(station: Station) -> None:
    try:
        await station.revive()
        await station.database.expire()
    except (StoreAwayError, StoreRefusedError) as error:
        log.info("not yet: %s", error)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that says what to do: being fenced or a fault of ours before an outage."""
    leaves: list[BaseException] = []
    for one in group.exceptions:
        leaves += [_first(one)] if isinstance(one, BaseExceptionGroup) else [one]
    leaves.sort(key=lambda error: isinstance(error, PASSING) * 2 + isinstance(error, FencedError))
    return leaves[0]
