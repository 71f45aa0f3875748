"""Trials as processes of this machine, under supervisors that outlive the controller."""

import asyncio
import os
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from controller.cluster import AttemptKey, Ended, Event, Launch, Started, Waiting
from controller.cluster.local import messages
from controller.cluster.local.attempts import Attempt, ExitRecord
from controller.cluster.local.connection import sockets_folder
from controller.cluster.local.environment import trial_environment
from controller.cluster.local.json_socket import Message
from controller.cluster.local.messages import attempt_path, ended_event, parse_path
from controller.cluster.local.program import (
    ProcessError,
    render_custom_collector,
    render_process,
)
from controller.cluster.local.supervisors import StuckError, Supervisors
from controller.core.experiment import Identity
from events.facts import Cause
from events.ids import ExperimentId
from events.spec.collector import METRICS_PORT, CollectorKind
from events.spec.placeholders import TemplateError

REMEMBERED_ENDS = 4096
"""Ends that are kept in memory: a full disk may keep one from being written for a while."""
FORGET_SECONDS = 20.0
"""How long the processes of an experiment may take to end after SIGKILL."""

MOST_SLOTS = 10_000
"""More trials never run at once in one data folder."""
NO_SLOT = "NoFreeSlot"
"""The reason of a Waiting."""
QUIET_SECONDS = 1.0
"""Shorter waits for a slot are not told."""

REPORTS = "reports.jsonl"
"""In the folder of an attempt, what its program has pushed."""

CollectorOf = Callable[[Launch, Path, Path], tuple[list[str], dict[str, str]]]
"""(attempt, the file with its metrics, its folder) → command and environment of its collector."""


class LocalCluster:
    """The Cluster port on one machine; see `controller.cluster` for its promises.

    Any number of controllers may work on one data folder. Each starts a supervisor for the trials
    it starts, and is connected to the supervisors of earlier and other controllers. Use
    `LocalCluster.open`.
    """

    def __init__(
        self,
        data: Path,
        sockets: Path,
        grace: float,
        tasks: asyncio.TaskGroup,
        environment: Mapping[str, str],
        slots: int,
        collector: "CollectorOf | None" = None,
    ) -> None:
        self._data = data
        self._grace = grace
        self._slots = slots
        self._collector = collector
        self._supervisors = Supervisors(
            data, sockets, tasks, self._emit, self._report_all, environment
        )
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._ended: OrderedDict[AttemptKey, Ended] = OrderedDict()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        data: Path,
        *,
        grace: float = 10.0,
        passed: Collection[str] = (),
        slots: int = MOST_SLOTS,
        collector: "CollectorOf | None" = None,
    ) -> AsyncIterator["LocalCluster"]:
        """Work on `data` (created if need be); `grace`: seconds between SIGTERM and SIGKILL;
        `passed`: variables that trials get although they look like secrets; `slots`: trials that
        run at once in this folder, its supervisors together.

        With `collector` each attempt gets a collector process of its own, else somebody else reads
        its file. Trials go on when it is left. Raises OSError if no supervisor can be started.
        """
        data, sockets = await asyncio.to_thread(_prepare_folders, data)
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            environment = trial_environment(os.environ, passed)
            cluster = cls(data, sockets, grace, tasks, environment, slots, collector)
            try:
                await cluster._supervisors.discover()
                await cluster._supervisors.own()
                yield cluster
            except Exception as error:  # kept out of the task group, which would wrap it
                failure = error
            finally:
                await cluster._close()
        if failure is not None:
            raise failure

    async def start(self, launch: Launch) -> bool:
        """Start the attempt unless it was ever started or stopped; return when its process runs, or
        cannot. It waits for a slot; after QUIET_SECONDS that is yielded as Waiting. An attempt that
        ran with other parameters is stopped, and lost.

        Raises OSError if nothing could be done (a full disk, no supervisor); try again later.
        """
        told: list[asyncio.TimerHandle] = []

        def waits() -> None:
            event = Waiting(launch.key, NO_SLOT, _no_slot(self._slots))
            loop = asyncio.get_running_loop()
            told.append(loop.call_later(QUIET_SECONDS, self._emit, event))

        try:
            holder = await self._supervisors.ask_own(self._start_request(launch), waits)
        finally:
            for timer in told:
                timer.cancel()
        if holder is not None and self._attempt(launch.key).differs(launch.digest()):
            return await self._disown(launch.key, holder)
        if holder is not None:
            await self._report(launch.key)
        return True

    async def stop(self, key: AttemptKey) -> None:
        """SIGTERM, grace, SIGKILL to the attempt's processes; one that never started never will.
        Raises OSError."""
        await self._end(key, Cause.CANCELLED, "")

    async def watch(self) -> AsyncIterator[Event]:
        """What happens to the attempts of all experiments in the data folder, until the cluster is
        closed."""
        while (event := await self._events.get()) is not None:
            yield event

    async def sweep(
        self,
        experiment: Identity,
        expected: Collection[AttemptKey],
        wanted: Callable[[AttemptKey], bool],
    ) -> None:
        """As the port says; what is LOST without a trace is claimed, so that it never starts.
        Raises OSError."""
        await self._supervisors.discover()
        for key in expected:
            if self._attempt(key).claimed_by() is None:
                await self._end(key, Cause.LOST, "there is no trace of this attempt")
            else:
                await self._report(key)
        for key in map(parse_path, self._supervisors.running(experiment.id)):
            if not wanted(key):
                await self.stop(key)

    def present(self) -> set[ExperimentId]:
        """As the port says."""
        return {parse_path(path).experiment for path in self._supervisors.running()}

    async def kill_all(self, experiment: ExperimentId) -> None:
        """SIGKILL to all that runs of the experiment, at once; each ends as cancelled. Raises
        OSError."""
        await self._supervisors.ask_all(messages.kill_request(experiment))

    async def forget(self, experiment: Identity) -> None:
        """Kill what runs of the experiment and delete its folder. Raises StuckError if something
        cannot be killed."""
        await self.kill_all(experiment.id)
        try:
            async with asyncio.timeout(FORGET_SECONDS):
                await self._supervisors.until_none_runs(experiment.id)
        except TimeoutError:
            stuck = "processes of its trials do not end although they were killed"
            raise StuckError(
                f"{stuck}: the kernel holds them, as it does for a disk that hangs"
            ) from None
        folder = self._data / "experiments" / str(experiment.id)
        trash = self._data / f"forgotten-{uuid4().hex}"
        await asyncio.to_thread(_delete_folder, folder, trash)

    def log_path(self, key: AttemptKey) -> Path:
        """The file with all that the attempt prints; it exists once the attempt was started."""
        return Path(self._attempt(key).log)

    def metrics_path(self, launch: Launch) -> Path:
        """Where the attempt's metrics are looked for: its log, or a file or folder of its own for
        the collectors File, TensorFlowEvent and Push, or the file with the port of its endpoint."""
        collector = launch.spec.metrics_collector_spec
        if collector.collector.kind.takes_reports:
            return Path(self._attempt(launch.key).folder, REPORTS)
        if collector.collector.kind is CollectorKind.PROMETHEUS:
            return Path(self._attempt(launch.key).port_file)
        if collector.shares_path:
            return self._shared_path(launch)
        return self.log_path(launch.key)

    def _shared_path(self, launch: Launch) -> Path:
        """What stands for the path that the spec names: a file or folder of the attempt's own."""
        collector, folder = launch.spec.metrics_collector_spec, self._attempt(launch.key).metrics
        if collector.collector.kind is CollectorKind.TENSORFLOW_EVENT:
            return Path(folder, collector.path.strip("/"))
        return Path(folder, Path(collector.path).name or "metrics")

    def _attempt(self, key: AttemptKey) -> Attempt:
        return Attempt(str(self._data), attempt_path(key))

    def _start_request(self, launch: Launch) -> Message:
        spec = launch.spec.metrics_collector_spec
        metrics, shared = self.metrics_path(launch), self._shared_path(launch)
        try:
            process = render_process(launch, metrics, shared)
            beside = render_custom_collector(launch, metrics, shared)
        except (ProcessError, TemplateError) as error:
            request = messages.failed_start_request(launch.key, str(error))
        else:
            request = messages.start_request(
                launch.key, process, self._grace, metrics_folder=spec.shares_path
            )
            if beside is not None:
                request["beside"] = {"argv": beside.argv, "env": beside.env}
            request["slots"] = self._slots
            request["parameters"] = launch.digest()
            if spec.collector.kind is CollectorKind.PROMETHEUS:
                request["port"] = METRICS_PORT
        if self._collector is not None and spec.expects_metrics:
            argv, env = self._collector(launch, metrics, Path(self._attempt(launch.key).folder))
            request["collector"] = {"argv": argv, "env": env}
        return request

    async def _disown(self, key: AttemptKey, holder: str) -> bool:
        """The attempt ran with other parameters than its trial has now, as it may after Postgres
        has lost what was decided last: it is lost, however it ends, and the trial is tried
        again. False: its end is not written down yet."""
        message = "it ran with other parameters, which were suggested before Postgres lost them"
        request = messages.stop_request(key, self._grace, Cause.LOST, message)
        attempt = self._attempt(key)
        if attempt.exit_record() is None and await self._supervisors.ask_holder(holder, request):
            return True
        end = attempt.exit_record()
        if end is None and await self._supervisors.holder(holder) is not None:
            return False
        if end is not None and end.cause != Cause.LOST.value:
            lost = ExitRecord(Cause.LOST.value, None, message, end.collector)
            await asyncio.to_thread(attempt.write_exit, lost)
        await self._report(key)
        return True

    async def _end(self, key: AttemptKey, cause: Cause, message: str) -> None:
        """Ask who has the attempt to end it; if nobody has, claim it, so that it never starts."""
        request = messages.stop_request(key, self._grace, cause, message)
        holder = self._attempt(key).claimed_by() or await self._supervisors.ask_own(request)
        if holder is None:
            return
        if not await self._supervisors.ask_holder(holder, request):
            await self._report(key)

    async def _report_all(self, paths: Collection[str]) -> None:
        for path in paths:
            await self._report(parse_path(path))

    async def _report(self, key: AttemptKey) -> None:
        """Yield what is known of an attempt that a supervisor has claimed."""
        attempt = self._attempt(key)
        end = attempt.exit_record()
        holder = attempt.claimed_by()
        if end is None and holder is not None:
            connection = await self._supervisors.holder(holder)
            if connection is None:
                end = await asyncio.to_thread(attempt.record_loss)
            elif attempt.path in connection.running:
                self._emit(Started(key, attempt.path in connection.with_collector))
            else:
                end = attempt.exit_record()
        event = ended_event(key, end) if end else self._ended.get(key)
        if event:
            self._emit(event)

    def _emit(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._ended[event.key] = event
            if len(self._ended) > REMEMBERED_ENDS:
                self._ended.popitem(last=False)
        self._events.put_nowait(event)

    async def _close(self) -> None:
        self._events.put_nowait(None)
        await self._supervisors.close()


def _no_slot(slots: int) -> str:
    if slots == 1:
        taken = "the only slot of this machine is taken by another trial"
    else:
        taken = f"all {slots} slots of this machine are taken by other trials"
    return f"{taken}; slots in [local] of the settings says how many there are"


def _prepare_folders(data: Path) -> tuple[Path, Path]:
    """The data folder by its one true name, and the folder of its sockets; both exist."""
    data.mkdir(parents=True, exist_ok=True)
    data = data.resolve()
    (data / "experiments").mkdir(mode=0o700, exist_ok=True)  # logs are for their owner alone
    return data, sockets_folder(data)


def _delete_folder(folder: Path, trash: Path) -> None:
    """Rename first, so that whoever still writes there finds no folder."""
    try:
        os.rename(folder, trash)
    except FileNotFoundError:
        return
    shutil.rmtree(trash)
