"""One `run`, from the submission until nothing runs: as the owner of the experiment, or following
its owner."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from controller.app.components import (
    Components,
    leave_alone,
    limits_of,
    local_follow,
    open_components,
)
from controller.app.solo import at_rest, run_to_rest
from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.experiment_file import submission
from controller.cli.lookup import find_experiment
from controller.cli.options import open_store, read_settings
from controller.cluster.local.cluster import LocalCluster
from controller.core.experiment import Experiment
from controller.flows.admit import Admission, admit
from controller.store import StoreRefusedError, StoreUnavailableError
from controller.store.embedded import EmbeddedServer
from controller.store.queries import Queries
from controller.suggestion.pool import open_pool
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope
from events.errors import AbandonError
from events.ids import ExperimentId, Shard
from events.memory import guard_memory
from events.signals import DeletionRequested, PauseRequested, StopRequested
from events.spec.document import ExperimentDocument
from events.waiting import wait

FOLLOW_SECONDS = 0.5
Say = Callable[[str], None]


@asynccontextmanager
async def open_local_components(
    data: Path, database: str | None
) -> AsyncGenerator[tuple[Components, LocalCluster]]:
    """The parts of a controller on this machine: trials are processes, and the bus is in memory."""
    guard_memory()
    settings = read_settings(database)
    restart_database = leave_alone if settings.database else EmbeddedServer(data).ensure
    owner = f"{os.uname().nodename}/{os.getpid()}/{secrets.token_hex(4)}"
    async with (
        open_pool(settings.suggestion) as pool,
        open_store(data, database) as opened,
        LocalCluster.open(
            data, passed=settings.local.pass_environment, slots=settings.local.slots
        ) as cluster,
        open_components(
            opened,
            MemoryBus(),
            pool,
            cluster,
            local_follow(cluster, limits_of(settings.collector)),
            owner=owner,
            restart_database=restart_database,
            history=settings.history,
        ) as components,
    ):
        yield components, cluster


async def submit_locally(
    components: Components, document: ExperimentDocument, origin: Path, seed: int | None
) -> Admission:
    """Submit the experiment; its trials will start in the folder `origin`. Raises as `admit`."""
    envelope = Envelope(
        uuid4(), None, ExperimentId(uuid4()), now(), submission(document, origin, seed)
    )
    return await admit(components.ledger, components.mailbox, components.check, envelope)


class DeletedError(CommandError):
    """Somebody has deleted the experiment meanwhile."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the experiment {name!r} was deleted meanwhile", ExitCode.STOPPED)


class LeftAtOnceError(AbandonError):
    """The person has pressed Ctrl-C twice; the running trials have been killed."""


@dataclass(slots=True)
class Session:
    """One run of an experiment, and how often the person has pressed Ctrl-C."""

    components: Components
    cluster: LocalCluster
    experiment: Experiment
    shard: Shard
    say: Say
    owns: bool = False
    interrupts: int = 0
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def run_to_rest(self) -> None:
        """Run the experiment until nothing of it is left to do, or the person leaves."""
        number = self.experiment.identity.id
        while not self.leaving.is_set():
            self.owns = True
            if await run_to_rest(self.components, self.shard, number):
                return
            self.owns = False
            await self._follow()
            if self.leaving.is_set() or at_rest(await self.state()):
                return
            self.say("the other run is gone; taking over")

    async def _follow(self) -> None:
        """Wait while another process owns the experiment and has something to do for it."""
        self.say("another run owns this experiment; following it (Ctrl-C leaves it running)")
        while not self.leaving.is_set():
            if at_rest(await self.state()) or await self.components.leases.is_free(self.shard):
                return
            await wait(self.leaving, FOLLOW_SECONDS)

    async def state(self) -> Experiment:
        """The experiment as it is in Postgres. Raises DeletedError."""
        identity = self.experiment.identity
        known = await self.components.ledger.find(identity.namespace, identity.name)
        if known is None or known[0].identity.id != identity.id:
            raise DeletedError(identity.name)
        return known[0]

    async def ask(self, request: PauseRequested | StopRequested | DeletionRequested) -> None:
        """Leave a request for whoever owns the experiment."""
        await self.components.mailbox.add(uuid4(), self.experiment.identity.id, now(), request)

    async def handle_interrupts(self) -> None:
        """Handle Ctrl-C: once pauses the experiment, so that the same command resumes it; twice
        ends all at once."""
        pressed: asyncio.Queue[int] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, pressed.put_nowait, number)
        try:
            while True:
                await pressed.get()
                self.interrupts += 1
                await (self._leave_in_order() if self.interrupts == 1 else self._leave_at_once())
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def _leave_in_order(self) -> None:
        if not self.owns:
            self.leaving.set()
            return
        self.say(
            "stopping; the same command resumes it later. Ctrl-C again ends everything at once"
        )
        try:
            await self.ask(PauseRequested())
        except (StoreUnavailableError, StoreRefusedError):
            await self._leave_at_once()

    async def _leave_at_once(self) -> None:
        if self.owns:
            await self.cluster.kill_all(self.experiment.identity.id)
        raise LeftAtOnceError


class _OverError(AbandonError):
    """Not an error: the work is done, and what runs beside it has to end."""


async def run_alongside(session: Session, alongside: Coroutine[None, None, None]) -> None:
    """Run the session to its end, with `alongside` (the view of its progress) beside it.

    Handles Ctrl-C.
    """

    async def work() -> None:
        await session.run_to_rest()
        raise _OverError

    error: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.handle_interrupts(), name="interrupts")
            tasks.create_task(alongside, name="progress")
            tasks.create_task(work(), name="run")
    except* (_OverError, LeftAtOnceError):
        pass
    except* Exception as group:
        error = group.exceptions[0]
    if error is not None:
        raise error


async def stop_locally(
    components: Components, cluster: LocalCluster, name: str, namespace: str
) -> tuple[Experiment, Shard]:
    """Stop an experiment and wait until nothing of it runs, as its owner if it has none.

    Raises CommandError.
    """
    session = await _open_session(components, cluster, name, namespace)
    if not session.experiment.done:
        await session.ask(StopRequested())
        await session.run_to_rest()
        return await session.state(), session.shard
    return session.experiment, session.shard


async def delete_locally(
    components: Components, cluster: LocalCluster, name: str, namespace: str
) -> Experiment:
    """Delete an experiment and wait until it is gone, as its owner if it has none; a `run` that
    owns it does so itself, and says it.

    Raises CommandError.
    """
    session = await _open_session(components, cluster, name, namespace)
    await session.ask(DeletionRequested())
    with suppress(DeletedError):
        while True:
            await session.run_to_rest()
            await session.state()
            await wait(session.leaving, FOLLOW_SECONDS)
    return session.experiment


async def _open_session(
    components: Components, cluster: LocalCluster, name: str, namespace: str
) -> Session:
    """A session that says nothing, with an experiment that exists. Raises CommandError."""
    snapshot = await find_experiment(Queries(components.database), name, namespace)
    identity = snapshot.experiment.identity
    known = await components.ledger.find(identity.namespace, identity.name)
    if known is None:
        raise DeletedError(name)
    experiment, shard = known
    return Session(components, cluster, experiment, shard, lambda _: None)
