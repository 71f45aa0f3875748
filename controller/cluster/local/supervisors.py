"""The supervisors of a data folder: one is started for this controller, all others are found and
connected to."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from uuid import uuid4

from controller.cluster import Ended, Started
from controller.cluster.local.attempts import Register
from controller.cluster.local.connection import SupervisorConnection, launch_supervisor
from controller.cluster.local.json_socket import Message
from controller.cluster.local.messages import ended_event, event_of, parse_path
from events.errors import RefusalError
from events.ids import ExperimentId

MAX_LAUNCHES = 10
"""Supervisors that are started for one request before it is given up."""
SILENT_SECONDS = 30.0
"""How long nobody waits again for the greeting of a supervisor that has sent none."""
_log = logging.getLogger(__name__)


class StuckError(RefusalError):
    """Processes that neither end nor answer: of what runs here they hold up only what needs
    them."""


class Supervisors:
    """`emit` gets every start and end; `report` tells how attempts (by their paths) of a dead
    supervisor ended; `environment` is that of supervisors and trials."""

    def __init__(
        self,
        data: Path,
        sockets: Path,
        tasks: asyncio.TaskGroup,
        emit: Callable[[Started | Ended], None],
        report: Callable[[Collection[str]], Awaitable[None]],
        environment: Mapping[str, str],
    ) -> None:
        self._data = data
        self._sockets = sockets
        self._tasks = tasks
        self._emit = emit
        self._report = report
        self._environment = environment
        self._connections: dict[str, SupervisorConnection] = {}
        self._own: SupervisorConnection | None = None
        self._silent_until: dict[str, float] = {}
        self._launching = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = False

    async def ask_own(self, request: Message, waits: Callable[[], object] = bool) -> str | None:
        """Ask the supervisor of this controller, or a new one if it dies meanwhile: the claim makes
        that harmless. A start that has to wait for a slot is told to `waits`.

        Returns who has claimed the attempt if another has. Raises OSError.
        """
        launches = 0

        def wait() -> None:
            nonlocal launches
            launches = 0  # it lived
            waits()

        while launches < MAX_LAUNCHES:
            launches += 1
            connection = await self.own()
            try:
                return await connection.ask(request, wait)
            except ConnectionError as error:
                _log.warning("%s while it was asked to %s %s", error, request["op"], request["key"])
        folder = self._data / "supervisors"
        raise OSError(f"supervisors of local trials die at once; see the logs in {folder}")

    async def ask_all(self, request: Message) -> None:
        """Ask every supervisor that is connected; one that is gone has nothing to do. Raises
        OSError, StuckError."""
        asked = (self._ask(connection, request) for connection in self._connections.values())
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def ask_holder(self, name: str, request: Message) -> bool:
        """Has the supervisor that has claimed the attempt done what is asked? Raises OSError,
        StuckError."""
        connection = await self.holder(name)
        return connection is not None and await self._ask(connection, request)

    async def holder(self, name: str) -> SupervisorConnection | None:
        """As `connect`, but raises StuckError if it does not answer."""
        try:
            return await self.connect(name)
        except TimeoutError:
            raise StuckError(_silent(name)) from None

    async def _ask(self, connection: SupervisorConnection, request: Message) -> bool:
        """False if it is gone, or another has claimed the attempt. Raises OSError, StuckError."""
        try:
            return await connection.ask(request) is None
        except ConnectionError:
            return False
        except TimeoutError:
            raise StuckError(_silent(connection.name)) from None

    async def own(self) -> SupervisorConnection:
        """The supervisor that runs what this controller starts; started if there is none. Raises
        OSError."""
        async with self._launching:
            if self._own is None or self._own.broken:
                name = uuid4().hex[:12]
                await asyncio.to_thread(
                    launch_supervisor, self._data, self._sockets, name, self._environment
                )
                self._own = await self.connect(name)
                if self._own is None:
                    log = self._data / "supervisors" / f"{name}.log"
                    raise OSError(f"the supervisor of local trials died at once; see {log}")
            return self._own

    async def discover(self) -> None:
        """Connect to the supervisors that live, and record what those that do not have lost."""
        for name in sorted(path.stem for path in self._sockets.glob("*.sock")):
            try:
                if await self.connect(name) is None:
                    await self._record_losses(name)
            except TimeoutError:
                _log.warning("supervisor %s does not answer; its trials are left as they are", name)

    async def connect(self, name: str) -> SupervisorConnection | None:
        """The connection to a supervisor, opened if there is none; None if it is dead. Raises
        TimeoutError."""
        async with self._connecting:
            connection = self._connections.get(name)
            if connection is None or connection.broken:
                connection = await self._open(name)
                if connection is None:
                    return None
                self._connections[name] = connection
                for path in connection.running:
                    self._emit(Started(parse_path(path), path in connection.with_collector))
                self._tasks.create_task(
                    self._listen(connection), name=f"listen to supervisor {name}"
                )
            return connection

    async def _open(self, name: str) -> SupervisorConnection | None:
        """As `connect`. One that has not answered is let alone for a while: it would hold up all
        others each time."""
        if time.monotonic() < self._silent_until.get(name, 0.0):
            raise TimeoutError
        try:
            connection = await SupervisorConnection.connect(self._sockets, name)
        except TimeoutError:
            self._silent_until[name] = time.monotonic() + SILENT_SECONDS
            raise
        self._silent_until.pop(name, None)
        return connection

    def running(self, experiment: ExperimentId | None = None) -> set[str]:
        """The paths of the attempts that run, of one experiment or of all."""
        prefix = "" if experiment is None else f"{experiment}/"
        return {
            path
            for connection in self._connections.values()
            for path in connection.running
            if path.startswith(prefix)
        }

    async def until_none_runs(self, experiment: ExperimentId) -> None:
        while self.running(experiment):
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        self._closed = True
        for connection in list(self._connections.values()):
            await connection.close()

    async def _listen(self, connection: SupervisorConnection) -> None:
        async for message in connection.events():
            self._emit(event_of(message))
            self._changed.set()
        await connection.close()
        if self._closed:
            return
        try:
            if await self.connect(connection.name) is None:
                await self._handle_death(connection)
        except (OSError, StuckError) as error:  # the next sweep tries again
            _log.warning(
                "supervisor %s of local trials is out of reach: %r", connection.name, error
            )

    async def _handle_death(self, connection: SupervisorConnection) -> None:
        """The supervisor is dead, and so are its trials, or will be now."""
        running, connection.running = connection.running, set()
        _log.warning(
            "supervisor %s of local trials died with %d running", connection.name, len(running)
        )
        self._connections.pop(connection.name, None)
        await self._record_losses(connection.name)
        await self._report(running)
        self._changed.set()

    async def _record_losses(self, name: str) -> None:
        for path, end in await asyncio.to_thread(Register(str(self._data), name).record_losses):
            self._emit(ended_event(parse_path(path), end))
        (self._sockets / f"{name}.sock").unlink(missing_ok=True)


def _silent(name: str) -> str:
    return (
        f"supervisor {name} of local trials does not answer: it is stopped, or its disk hangs; let "
        "it go on, or kill it"
    )
