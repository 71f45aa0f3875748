"""The controller as a process: it opens what it needs, again after each failure, and leaves in
order when told to."""

import asyncio
import logging
import os
import platform
import secrets
import signal
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from pydantic import SecretStr

from collectors.command import command_line
from collectors.limits import Limits
from controller.app.balancer import Balancer
from controller.app.components import (
    Components,
    limits_of,
    local_follow,
    open_components,
    simulated_problems,
)
from controller.app.shard import PASSING, reason
from controller.cluster import Launch
from controller.cluster.local.cluster import CollectorOf, LocalCluster
from controller.cluster.simulated import Function, SimulatedCluster
from controller.flows.admit import check_of
from controller.settings import (
    CollectorSettings,
    HistorySettings,
    KubernetesSettings,
    LocalSettings,
    SuggestionSettings,
)
from controller.store.migrate import migrate
from controller.store.postgres import Database, open_database
from controller.suggestion.pool import Pool, open_pool
from controller.telemetry.catalogue import BUILD
from controller.telemetry.ports import health_page, metrics_page, serve
from controller.telemetry.watchdog import Watchdog
from events.backoff import Backoff
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus
from events.memory import guard_memory
from events.waiting import wait

POOL = 12
"""Connections to the database at most, beside the one that holds the session lock."""
RETRY_SECONDS = (0.5, 5.0)
"""Before the first and between later tries to open what a controller needs."""
LEAVE_SECONDS = 8.0
"""Leaving in order may take so long; then the process is ended."""

_log = logging.getLogger(__name__)


class ClusterKind(StrEnum):
    """Where the trials run."""

    LOCAL = "local"
    SIMULATED = "simulated"
    KUBERNETES = "kubernetes"


def _collector(settings: KafkaSettings, limits: Limits) -> CollectorOf:
    """Each local attempt gets a collector process that reports to this Kafka."""
    environment, options = settings.to_environment(), list(limits.options())

    def command(launch: Launch, file: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
        assert launch.shard is not None
        spec = launch.spec.metrics_collector_spec
        return command_line(
            launch.key,
            launch.shard,
            spec,
            launch.spec.metrics,
            file,
            folder / "spool",
            options,
            folder,
        ), environment

    return command


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """What a controller is told when it starts. `answers`: what simulated trials do, and `pace` in
    virtual seconds a second. `host` and ports: where metrics and health are asked; port 0 =
    nowhere."""

    database: SecretStr
    kafka: KafkaSettings
    local: LocalSettings
    kubernetes: KubernetesSettings
    suggestion: SuggestionSettings
    history: HistorySettings
    collector: CollectorSettings
    cluster: ClusterKind
    data: Path
    answers: Function | None = None
    pace: float | None = None
    host: str = "127.0.0.1"
    metrics_port: int = 0
    health_port: int = 0


@dataclass(slots=True)
class Service:
    """A controller that is starting, at work, or waiting for what it needs."""

    options: ControllerOptions
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    balancer: Balancer | None = None
    trouble: str = "starting"
    name: str = field(
        default_factory=lambda: f"{os.uname().nodename}/{os.getpid()}/{secrets.token_hex(4)}"
    )

    def reasons(self) -> Iterator[str]:
        """Why it is not ready; none if it is."""
        if self.balancer is None:
            yield self.trouble
        else:
            yield from self.balancer.reasons()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        guard_memory()
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self._leave)
        watchdog = Watchdog()
        with self._ports(watchdog), watchdog.running():
            async with asyncio.TaskGroup() as tasks:
                beating = tasks.create_task(watchdog.beat(), name="watchdog")
                working = tasks.create_task(self._work(), name="controller")
                await self.leaving.wait()
                if self.balancer is None:
                    working.cancel()
                await asyncio.wait({working})
                beating.cancel()

    @contextmanager
    def _ports(self, watchdog: Watchdog) -> Iterator[None]:
        """Answer for metrics and health. Raises OSError if a port is taken."""
        BUILD.labels(version("trialstream"), platform.python_version()).set(1)
        pages = {
            "/healthz": health_page(watchdog.problems),
            "/readyz": health_page(lambda: list(self.reasons())),
        }
        with ExitStack() as stack:
            if self.options.metrics_port:
                stack.enter_context(
                    serve(self.options.host, self.options.metrics_port, {"/metrics": metrics_page})
                )
            if self.options.health_port:
                stack.enter_context(serve(self.options.host, self.options.health_port, pages))
            yield

    def _leave(self) -> None:
        if not self.leaving.is_set():
            _log.info("leaving: handing over the shards")
            self.leaving.set()
            late = threading.Timer(LEAVE_SECONDS, os._exit, (1,))
            late.daemon = True
            late.start()

    async def _work(self) -> None:
        backoff = Backoff(*RETRY_SECONDS)
        while not self.leaving.is_set():
            try:
                async with self._open() as opened:
                    self.balancer = Balancer(opened[0], opened[1].partitions, self.leaving)
                    backoff.reset()
                    await self.balancer.run()
            except* PASSING as group:
                self._report(str(reason(group)))
            finally:
                self.balancer = None
            await wait(self.leaving, backoff.next())

    def _report(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.warning("not ready: %s", trouble)
            self.trouble = trouble

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[tuple[Components, KafkaBus]]:
        async with AsyncExitStack() as stack:
            url = self.options.database.get_secret_value()
            database = await stack.enter_async_context(open_database(url, size=POOL))
            await migrate(database)
            bus = await stack.enter_async_context(open_bus(self.options.kafka))
            pool = await stack.enter_async_context(open_pool(self.options.suggestion))
            components = await stack.enter_async_context(self._open_components(database, bus, pool))
            yield components, bus

    def _open_components(
        self, database: Database, bus: KafkaBus, pool: Pool
    ) -> AbstractAsyncContextManager[Components]:
        if self.options.cluster is ClusterKind.SIMULATED:
            return self._simulated(database, bus, pool)
        if self.options.cluster is ClusterKind.KUBERNETES:
            from controller.app.kubernetes import on_kubernetes  # its client alone takes 70 MB

            options = self.options
            return on_kubernetes(
                database,
                bus,
                pool,
                options.kubernetes,
                options.kafka,
                self.name,
                options.history,
                limits_of(options.collector),
            )
        return self._local(database, bus, pool)

    @asynccontextmanager
    async def _local(
        self, database: Database, bus: KafkaBus, pool: Pool
    ) -> AsyncGenerator[Components]:
        async with (
            LocalCluster.open(
                self.options.data,
                passed=self.options.local.pass_environment,
                slots=self.options.local.slots,
                collector=_collector(self.options.kafka, limits_of(self.options.collector)),
            ) as cluster,
            open_components(
                database,
                bus,
                pool,
                cluster,
                local_follow(cluster, limits_of(self.options.collector)),
                owner=self.name,
                history=self.options.history,
            ) as components,
        ):
            yield components

    @asynccontextmanager
    async def _simulated(
        self, database: Database, bus: KafkaBus, pool: Pool
    ) -> AsyncGenerator[Components]:
        assert self.options.answers is not None
        cluster = SimulatedCluster(self.options.answers, pace=self.options.pace)
        follow, check = cluster.follow, check_of(simulated_problems)
        async with open_components(
            database,
            bus,
            pool,
            cluster,
            follow,
            owner=self.name,
            check=check,
            history=self.options.history,
            clock=cluster.time,
        ) as components:
            yield components
