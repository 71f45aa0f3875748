"""The parts of a controller, wired around a database, a bus and a place where trials run."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from algorithms.scheduling import scheduler_problems
from algorithms.search import search_problems
from collectors.limits import Limits
from collectors.problems import problems as collector_problems
from collectors.sources.noted import Noted
from collectors.sources.registry import reads_alike_again, source_for
from controller.cluster import Cluster, Event, Launch
from controller.cluster.kubernetes.manifests import workload_problems
from controller.cluster.kubernetes.policy import Policy
from controller.cluster.local.cluster import LocalCluster
from controller.cluster.local.program import process_problems
from controller.core.recorded import Recorded
from controller.flows.admit import Check, check_of
from controller.flows.intake import Clocks
from controller.flows.observe import Follow, Source, Stored
from controller.settings import CollectorSettings, HistorySettings, KubernetesSettings
from controller.store.dead_letters import DeadLetters
from controller.store.holding import Holding
from controller.store.journal import Journals
from controller.store.leases import Leases, open_leases
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements
from controller.store.outbox import Mailbox, Outbox
from controller.store.positions import Positions
from controller.store.postgres import Database
from controller.store.quarantine import Quarantines
from controller.store.upkeep import Upkeep
from controller.suggestion.pool import Pool
from events.bus import Bus
from events.clock import now
from events.ids import ExperimentId
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

USUAL_HISTORY = HistorySettings()
KIB = 1024


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Everything for which this version cannot run `spec` as local processes."""
    yield from search_problems(spec)
    yield from scheduler_problems(spec)
    yield from collector_problems(spec)
    yield from process_problems(spec)


def kubernetes_problems(spec: ExperimentSpec, policy: Policy) -> Iterator[Problem]:
    """Everything for which this version cannot run `spec` as workloads of Kubernetes."""
    yield from search_problems(spec)
    yield from scheduler_problems(spec)
    yield from collector_problems(spec)
    yield from workload_problems(spec, policy)


def policy_of(settings: KubernetesSettings) -> Policy:
    """What the settings allow to trials on Kubernetes."""
    return Policy(
        privileged=settings.allow_privileged,
        host_path=settings.allow_host_path,
        host_namespaces=settings.allow_host_namespaces,
        service_accounts=tuple(settings.service_accounts),
    )


def simulated_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Everything for which this version cannot simulate `spec`."""
    yield from search_problems(spec)
    yield from scheduler_problems(spec)


@dataclass(slots=True)
class EventDispatcher:
    """One reader of the cluster's events for all shards of this process."""

    cluster: Cluster
    subscriptions: list[tuple[Holding, "asyncio.Queue[Event]"]] = field(default_factory=list)

    @contextmanager
    def subscribe(self, holding: Holding) -> Iterator["asyncio.Queue[Event]"]:
        """The events about one shard's experiments from now on; the sweep finds what came
        before."""
        subscription: tuple[Holding, asyncio.Queue[Event]] = (holding, asyncio.Queue())
        self.subscriptions.append(subscription)
        try:
            yield subscription[1]
        finally:
            self.subscriptions.remove(subscription)

    async def run(self) -> None:
        """Pass events on, until cancelled."""
        async for event in self.cluster.watch():
            for holding, queue in self.subscriptions:
                if event.key.experiment in holding.experiments:
                    queue.put_nowait(event)


class ObjectReconciler(Protocol):
    """Reconciles experiments with the objects of a cluster, for all shards of this process."""

    def serving(self, holding: Holding) -> AbstractContextManager[None]:
        """Reconcile the experiments of a shard that we own."""
        ...

    def handle_facts(self, recorded: Sequence[Recorded]) -> None:
        """React to facts that have been committed."""
        ...

    async def run(self) -> None:
        """Reconcile, until cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The parts of a controller."""

    database: Database
    ledger: Ledger
    outbox: Outbox
    mailbox: Mailbox
    journals: Journals
    measurements: Measurements
    positions: Positions
    dead_letters: DeadLetters
    upkeep: Upkeep
    quarantines: Quarantines
    leases: Leases
    bus: Bus
    pool: Pool
    cluster: Cluster
    dispatcher: EventDispatcher
    follow: Follow
    check: Check
    """Whether a spec can run here."""
    clocks: Clocks
    restart_database: Callable[[], Awaitable[None]]
    """Start the database again, where it is ours to start."""
    reconciler: ObjectReconciler | None = None
    troubles: Callable[[], Iterable[str]] = tuple
    """Why this process does not see what happens at the place where trials run; none if it does."""

    async def forget(self, experiment: ExperimentId) -> None:
        """Delete an experiment that is done; what is left of it in the database goes later."""
        if known := await self.ledger.get(experiment):
            await self.cluster.forget(known[0].identity)
        await self.ledger.delete(experiment)


async def leave_alone() -> None:
    """Do nothing: the database is not ours to start, so we can only wait for it."""


@asynccontextmanager
async def open_components(
    database: Database,
    bus: Bus,
    pool: Pool,
    cluster: Cluster,
    follow: Follow,
    *,
    owner: str,
    check: Check = check_of(problems),  # noqa: B008
    clock: Callable[[], datetime] | None = None,
    restart_database: Callable[[], Awaitable[None]] = leave_alone,
    history: HistorySettings = USUAL_HISTORY,
) -> AsyncGenerator[Components]:
    """Wire the parts around a database, a bus, workers for searches and a place where trials run.

    `owner` names this process in leases; wall-clock budgets run by `clock`, else by Postgres's.
    """
    async with open_leases(database, owner) as leases:
        yield Components(
            database=database,
            ledger=Ledger(database),
            outbox=Outbox(database),
            mailbox=Mailbox(database),
            journals=Journals(database),
            measurements=Measurements(database, history.curve_points),
            positions=Positions(database),
            dead_letters=DeadLetters(database),
            upkeep=Upkeep(database, history.points_days, history.ids_days),
            quarantines=Quarantines(database),
            leases=leases,
            bus=bus,
            pool=pool,
            cluster=cluster,
            dispatcher=EventDispatcher(cluster),
            follow=follow,
            check=check,
            clocks=Clocks(leases.clock, clock or leases.clock),
            restart_database=restart_database,
        )


def limits_of(settings: CollectorSettings) -> Limits:
    """How much of what a trial writes is taken."""
    return Limits(
        settings.line_kib * KIB,
        settings.spool_mib * KIB * KIB,
        settings.points_per_second,
        settings.scrape_kib * KIB,
        settings.scrape_seconds,
    )


def local_follow(cluster: LocalCluster, limits: Limits) -> Follow:
    """Read the metrics of a local attempt from the file or folder that it writes, or its endpoint:
    exactly, whoever of several owners is killed in the middle."""

    def follow(launched: Launch, epoch: int, stored: Stored) -> Source:
        spec, folder = launched.spec.metrics_collector_spec, cluster.log_path(launched.key).parent
        path = cluster.metrics_path(launched)
        source = source_for(spec, launched.spec.metrics, path, now, limits, folder)
        return source if reads_alike_again(spec) else Noted(source, folder, epoch, stored)

    return follow
