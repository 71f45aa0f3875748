"""Trials as processes of this machine, under supervisors that outlive the controller."""

import asyncio
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

from controller.cluster import AttemptKey, Ended, Launch, Started
from controller.cluster.local.attempts import Attempt, Exit, Register
from controller.cluster.local.connection import Link, launch_supervisor, sockets_folder
from controller.cluster.local.json_socket import Message
from controller.cluster.local.program import ProcessError, process
from controller.core.experiment import Identity
from events.facts import Cause
from events.ids import ExperimentId, TrialNumber
from events.spec.experiment import CollectorKind
from events.spec.template import TemplateError

REMEMBERED = 4096
"""Ends that are kept in memory: a full disk may keep one from being written for a while."""
QUIET_SECONDS = 20.0
ATTEMPTS_TO_ASK = 3

CollectorOf = Callable[[Launch, Path, Path], tuple[list[str], dict[str, str]]]
"""(attempt, the file with its metrics, its folder) → command and environment of its collector."""
_log = logging.getLogger(__name__)


class LocalCluster:
    """The Cluster port on one machine; see `controller.cluster` for its promises.

    Any number of controllers may work on one data folder. Each starts a supervisor for the trials it starts, and
    is connected to the supervisors of earlier and other controllers. Use `LocalCluster.open`.
    """

    def __init__(
        self, data: Path, sockets: Path, grace: float, tasks: asyncio.TaskGroup, collector: "CollectorOf | None" = None
    ) -> None:
        self._data = data
        self._sockets = sockets
        self._grace = grace
        self._collector = collector
        self._tasks = tasks
        self._links: dict[str, Link] = {}
        self._own: Link | None = None
        self._starting = asyncio.Lock()
        self._reaching = asyncio.Lock()
        self._events: asyncio.Queue[Started | Ended | None] = asyncio.Queue()
        self._ended: OrderedDict[AttemptKey, Ended] = OrderedDict()
        self._changed = asyncio.Event()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, data: Path, *, grace: float = 10.0, collector: "CollectorOf | None" = None
    ) -> AsyncIterator["LocalCluster"]:
        """Work on `data` (created if need be); `grace`: seconds between SIGTERM and SIGKILL.

        With `collector` each attempt gets a collector process of its own, else somebody else reads its file. Trials
        go on when it is left. Raises OSError if no supervisor can be started.
        """
        data, sockets = await asyncio.to_thread(_prepared, data)
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            cluster = cls(data, sockets, grace, tasks, collector)
            try:
                await cluster._discover()
                await cluster._own_link()
                yield cluster
            except Exception as error:  # kept out of the task group, which would wrap it
                failure = error
            finally:
                await cluster._close()
        if failure is not None:
            raise failure

    async def start(self, launch: Launch) -> bool:
        """Start the attempt unless it was ever started or stopped; return when its process runs, or cannot.

        Raises OSError if nothing could be done (a full disk, no supervisor); try again later.
        """
        holder = await self._ask_own(self._request(launch))
        if holder is not None:
            await self._look(launch.key)
        return True

    async def stop(self, key: AttemptKey) -> None:
        """SIGTERM, grace, SIGKILL to the attempt's processes; one that never started never will. Raises OSError."""
        await self._end(key, Cause.CANCELLED, "")

    async def watch(self) -> AsyncIterator[Started | Ended]:
        """Starts and ends of the attempts of all experiments in the data folder, until the cluster is closed."""
        while (event := await self._events.get()) is not None:
            yield event

    async def sweep(
        self, experiment: Identity, expected: Collection[AttemptKey], wanted: Callable[[AttemptKey], bool]
    ) -> None:
        """As the port says; what is LOST without a trace is claimed, so that it never starts. Raises OSError."""
        await self._discover()
        for key in expected:
            if self._attempt(key).claimed_by() is None:
                await self._end(key, Cause.LOST, "there is no trace of this attempt")
            else:
                await self._look(key)
        for key in map(_key, self._running(experiment.id)):
            if not wanted(key):
                await self.stop(key)

    def present(self) -> set[ExperimentId]:
        """As the port says."""
        return {_key(text).experiment for link in self._links.values() for text in link.running}

    async def kill_all(self, experiment: ExperimentId) -> None:
        """SIGKILL to all that runs of the experiment, at once; each ends as cancelled. Raises OSError."""
        request = {"op": "kill", "experiment": str(experiment)}
        answers = await asyncio.gather(*(link.ask(request) for link in self._links.values()), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, ConnectionError):
                raise answer

    async def forget(self, experiment: Identity) -> None:
        """Kill what runs of the experiment and delete its folder. Raises TimeoutError if something cannot be killed."""
        await self.kill_all(experiment.id)
        async with asyncio.timeout(QUIET_SECONDS):
            while self._running(experiment.id):
                self._changed.clear()
                await self._changed.wait()
        folder = self._data / "experiments" / str(experiment.id)
        doomed = self._data / f"forgotten-{uuid4().hex}"
        await asyncio.to_thread(_delete, folder, doomed)

    def log_path(self, key: AttemptKey) -> Path:
        """The file with all that the attempt prints; it exists once the attempt was started."""
        return Path(self._attempt(key).log)

    def metrics_path(self, launch: Launch) -> Path:
        """The file in which the attempt's metrics are looked for: its log, or a file of its own for collector File."""
        collector = launch.spec.metrics_collector_spec
        if collector.collector.kind is not CollectorKind.FILE:
            return self.log_path(launch.key)
        return Path(self._attempt(launch.key).metrics, Path(collector.path).name or "metrics")

    def _attempt(self, key: AttemptKey) -> Attempt:
        return Attempt(str(self._data), _text(key))

    def _running(self, experiment: ExperimentId) -> set[str]:
        mine = f"{experiment}/"
        return {text for link in self._links.values() for text in link.running if text.startswith(mine)}

    def _request(self, launch: Launch) -> Message:
        request: Message = {"op": "start", "key": _text(launch.key)}
        if self._collector is not None:
            argv, env = self._collector(launch, self.metrics_path(launch), Path(self._attempt(launch.key).folder))
            request["collector"] = {"argv": argv, "env": env}
        try:
            wanted = process(launch, self.metrics_path(launch))
        except (ProcessError, TemplateError) as error:
            return {**request, "error": str(error)}
        return {
            **request,
            "argv": wanted.argv,
            "env": wanted.env,
            "cwd": wanted.cwd,
            "metrics": launch.spec.metrics_collector_spec.collector.kind is CollectorKind.FILE,
            "grace": self._grace,
            "timeout": wanted.timeout,
            "memory": wanted.memory,
        }

    async def _end(self, key: AttemptKey, cause: Cause, message: str) -> None:
        """Ask who has the attempt to end it; if nobody has, claim it, so that it never starts."""
        request = {"op": "stop", "key": _text(key), "grace": self._grace, "cause": cause.value, "message": message}
        holder = self._attempt(key).claimed_by() or await self._ask_own(request)
        if holder is None:
            return
        link = await self._reach(holder)
        try:
            if link and await link.ask(request) is None:
                return
        except ConnectionError:
            pass
        await self._look(key)

    async def _look(self, key: AttemptKey) -> None:
        """Yield what is known of an attempt that someone has claimed."""
        attempt = self._attempt(key)
        end = attempt.exit()
        holder = attempt.claimed_by()
        if end is None and holder is not None:
            link = await self._reach(holder)
            if link is None:
                end = await asyncio.to_thread(attempt.bury)
            elif attempt.key in link.running:
                self._emit(Started(key, attempt.key in link.heard))
            else:
                end = attempt.exit()
        known = _ended(key, end) if end else self._ended.get(key)
        if known:
            self._emit(known)

    async def _ask_own(self, request: Message) -> str | None:
        """Ask our own supervisor, another one if it dies meanwhile: the claim keeps that from doing harm."""
        for _ in range(ATTEMPTS_TO_ASK):
            link = await self._own_link()
            try:
                return await link.ask(request)
            except ConnectionError as error:
                _log.warning("%s while it was asked to %s %s", error, request["op"], request["key"])
        raise OSError(f"supervisors of local trials die at once; see the logs in {self._data / 'supervisors'}")

    async def _own_link(self) -> Link:
        async with self._starting:
            if self._own is None or self._own.broken:
                name = uuid4().hex[:12]
                await asyncio.to_thread(launch_supervisor, self._data, self._sockets, name)
                self._own = await self._reach(name)
                if self._own is None:
                    log = self._data / "supervisors" / f"{name}.log"
                    raise OSError(f"the supervisor of local trials died at once; see {log}")
            return self._own

    async def _discover(self) -> None:
        """Connect to the supervisors that live, and bury the attempts of those that do not."""
        for name in sorted(path.stem for path in self._sockets.glob("*.sock")):
            try:
                if await self._reach(name) is None:
                    await self._bury(name)
            except TimeoutError:
                _log.warning("supervisor %s does not answer; its trials are left as they are", name)

    async def _reach(self, name: str) -> Link | None:
        """The link to a supervisor, made if there is none; None if the supervisor is dead. Raises TimeoutError."""
        async with self._reaching:
            link = self._links.get(name)
            if link is None or link.broken:
                link = await Link.connect(self._sockets, name)
                if link is None:
                    return None
                self._links[name] = link
                for text in link.running:
                    self._emit(Started(_key(text), text in link.heard))
                self._tasks.create_task(self._listen(link))
            return link

    async def _listen(self, link: Link) -> None:
        async for event in link.events():
            self._heard(event)
        await link.close()
        if self._closed:
            return
        try:
            if await self._reach(link.name) is None:
                await self._after_death(link)
        except OSError as error:  # the next sweep tries again
            _log.warning("supervisor %s of local trials is out of reach: %r", link.name, error)

    async def _after_death(self, link: Link) -> None:
        """The supervisor is dead, and so are its trials, or will be now."""
        _log.warning("supervisor %s of local trials died with %d running", link.name, len(link.running))
        running, link.running = link.running, set()
        self._links.pop(link.name, None)
        await self._bury(link.name)
        for text in running:
            await self._look(_key(text))
        self._changed.set()

    async def _bury(self, name: str) -> None:
        for text, end in await asyncio.to_thread(Register(str(self._data), name).bury):
            self._emit(_ended(_key(text), end))
        (self._sockets / f"{name}.sock").unlink(missing_ok=True)

    def _heard(self, event: Message) -> None:
        key = _key(event["key"])
        if event["event"] == "started":
            self._emit(Started(key, event["collector"]))
        else:
            end = Exit(event["cause"], event["exit_code"], event["message"], event.get("collector", False))
            self._emit(_ended(key, end))
        self._changed.set()

    def _emit(self, event: Started | Ended) -> None:
        if isinstance(event, Ended):
            self._ended[event.key] = event
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)
        self._events.put_nowait(event)

    async def _close(self) -> None:
        self._closed = True
        self._events.put_nowait(None)
        for link in list(self._links.values()):
            await link.close()


def _prepared(data: Path) -> tuple[Path, Path]:
    """The data folder by its one true name, and the folder of its sockets; both exist."""
    data.mkdir(parents=True, exist_ok=True)
    data = data.resolve()
    (data / "experiments").mkdir(mode=0o700, exist_ok=True)  # logs are for their owner alone
    return data, sockets_folder(data)


def _text(key: AttemptKey) -> str:
    return f"{key.experiment}/{key.trial}/{key.attempt}"


def _key(text: str) -> AttemptKey:
    experiment, trial, attempt = text.split("/")
    return AttemptKey(ExperimentId(UUID(experiment)), TrialNumber(int(trial)), int(attempt))


def _ended(key: AttemptKey, end: Exit) -> Ended:
    return Ended(key, Cause(end.cause), end.exit_code, end.message, end.collector)


def _delete(folder: Path, doomed: Path) -> None:
    """Rename first, so that whoever still writes there finds no folder."""
    try:
        os.rename(folder, doomed)
    except FileNotFoundError:
        return
    shutil.rmtree(doomed)
