"""The logs of pods without a collector, copied through the API into files on this machine as they
grow."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.cluster import AttemptKey
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import ApiError, ApiUnavailableError, NotFoundError
from controller.cluster.kubernetes.log_lines import LogLines
from controller.cluster.kubernetes.object_faults import isolating
from controller.cluster.kubernetes.pods import Pod
from events.backoff import Backoff
from events.waiting import wait

LOG_SILENCE_SECONDS = 300.0
"""After this long without a byte the log is requested again."""
LOG_RETRY_SECONDS = (0.5, 15.0)
MOST_BYTES, ALL_BYTES = 16 * 2**20, 512 * 2**20
"""Of one followed log, and of all together, that are on this machine."""
PIECE_BYTES = 64 * 1024
"""Of a log of which nothing is here, also when there is no room for more."""
TRIES = 8
"""Refusals since the last byte; after that the log is given up."""
NODE_SECONDS = 600.0
"""How long the node of a pod that is over may give nothing of its log: longer than it takes to
start again, so it is lost."""
NOT_RUNNING, NO_NODE = 400, 500
"""Statuses of an answer: the container does not run yet; the node does not answer the API
server."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Room:
    """What all followed logs together take on this machine."""

    used: int = 0
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever there may be room."""


@dataclass(slots=True)
class Failures:
    """Of requests for one log, since the last byte of it."""

    refusals: int = 0
    no_node_since: float | None = None
    """By the monotonic clock."""

    def note(self, error: ApiError, over: bool) -> None:
        """`over`: has the pod ended? What is away or does not run yet is waited for."""
        if isinstance(error, ApiUnavailableError):
            began = self.no_node_since or time.monotonic()
            self.no_node_since = began if error.status == NO_NODE else None
        elif over or error.status != NOT_RUNNING:
            self.refusals += 1

    def are_final(self, over: bool) -> bool:
        """Will there be no more of the log?"""
        since = self.no_node_since
        lost = over and since is not None and time.monotonic() - since > NODE_SECONDS
        return lost or self.refusals >= TRIES


@dataclass(slots=True)
class FollowedLog:
    """The part of a pod's log that is in a file on this machine."""

    path: Path
    room: Room
    size: int = 0
    """Bytes of the file."""
    full: bool = False
    """Does more wait until this part has been read?"""
    told: bool = False
    """Was it said that it is long?"""
    reader: bytes | None = None
    """The state of the reader that had read all when the file was emptied."""
    copying: "asyncio.Task[None] | None" = None
    over: bool = False
    """Has its pod ended?"""
    complete: bool = False
    """Is there nothing more to copy?"""

    def append(self, text: bytes) -> int:
        """How many bytes of it were added: on a disk that gets full, a part. Raises OSError if none
        was."""
        with self.path.open("ab", buffering=0) as file:
            added = file.write(text)
        self.size += added
        self.room.used += added
        return added

    def empty(self, reader: bytes) -> None:
        """Make room: everything was read and reported, and a reader in this state goes on."""
        if self.size:  # else there may be no file
            os.truncate(self.path, 0)
        self.reader = reader
        self._release()

    def close(self) -> None:
        """It is not followed any more."""
        if self.copying is not None:
            self.copying.cancel()
        self.path.unlink(missing_ok=True)
        self._release()

    def _release(self) -> None:
        self.room.used -= self.size
        self.size, self.full = 0, False
        self.room.freed.set()


@dataclass(slots=True)
class Logs:
    """One file for each attempt, and one task that fills it. `ended` is called when a log is
    complete.

    A file that is large, or one of many, is filled no further until its reader, which has read all
    of it, empties it. Nothing that is read waits for what nobody reads.
    """

    api: Api
    folder: Path
    tasks: asyncio.TaskGroup
    ended: Callable[[AttemptKey], None]
    followed: dict[AttemptKey, FollowedLog] = field(default_factory=dict)
    room: Room = field(default_factory=Room)

    def path(self, key: AttemptKey) -> Path:
        return self.folder / f"{key.experiment}-{key.trial}-{key.attempt}.log"

    def follow(self, key: AttemptKey, pod: Pod) -> None:
        """Fill the attempt's file from now on, unless that has begun."""
        if key not in self.followed:
            log = self.followed[key] = FollowedLog(self.path(key), self.room)
            log.copying = self.tasks.create_task(
                self._follow(key, log, pod), name=f"copy the log of pod {pod.name}"
            )

    def note_end(self, key: AttemptKey) -> None:
        """Its pod has ended, so what cannot be had of its log soon is lost."""
        if key in self.followed:
            self.followed[key].over = True

    def complete(self, key: AttemptKey) -> bool:
        """Is the file complete, or was there none to fill?"""
        return key not in self.followed or self.followed[key].complete

    def forget(self, key: AttemptKey) -> None:
        if key in self.followed:
            self.followed.pop(key).close()

    def close(self) -> None:
        for log in self.followed.values():
            log.close()

    async def _follow(self, key: AttemptKey, log: FollowedLog, pod: Pod) -> None:
        with isolating("pods", pod.name):
            await self._copy_all(log, pod)
        log.complete = True
        with isolating("workloads", key):
            self.ended(key)

    async def _copy_all(self, log: FollowedLog, pod: Pod) -> None:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
        backoff, failures, lines = Backoff(*LOG_RETRY_SECONDS), Failures(), LogLines()
        while True:
            before = lines.taken
            try:
                await self._copy(path, pod, log, lines)
                break
            except NotFoundError:
                break
            except ApiError as error:
                level = logging.INFO if isinstance(error, ApiUnavailableError) else logging.WARNING
                _log.log(level, "the log of pod %s is requested again: %s", pod.name, error)
                if lines.taken > before:
                    failures = Failures()
                    backoff.reset()
                failures.note(error, log.over)
                if failures.are_final(log.over):
                    _log.warning("the rest of the log of pod %s is given up: %s", pod.name, error)
                    break
            await asyncio.sleep(backoff.next())

    async def _copy(self, path: str, pod: Pod, log: FollowedLog, lines: LogLines) -> None:
        """Append what the file does not have yet."""
        query = {"container": pod.primary, "follow": "true", "timestamps": "true"}
        if lines.last:
            query["sinceTime"] = lines.last.decode().strip()
        lines.begin()
        async for chunk in self.api.chunks(path, silence=LOG_SILENCE_SECONDS, **query):
            text = lines.take(chunk)
            while text:
                await self._wait_for_room(log, pod)
                added = await self._append(log, pod, text[: self._room_for(log)])
                text = text[added:]

    async def _append(self, log: FollowedLog, pod: Pod, text: bytes) -> int:
        """How many bytes of it were added, once that was possible."""
        backoff, told = Backoff(*LOG_RETRY_SECONDS), False
        while True:
            try:
                return log.append(text)
            except OSError as error:  # the disk is full, or there are no file descriptors
                if not told:
                    _log.warning("the log of pod %s waits until there is room: %s", pod.name, error)
                told = log.full = True  # its reader makes room, once it has read all
            self.room.freed.clear()
            await wait(self.room.freed, backoff.next())
            log.full = False

    def _room_for(self, log: FollowedLog) -> int:
        """Bytes that may be added to it."""
        room = min(MOST_BYTES - log.size, ALL_BYTES - self.room.used)
        return room if log.size else max(room, PIECE_BYTES)

    async def _wait_for_room(self, log: FollowedLog, pod: Pod) -> None:
        if self._room_for(log) > 0:
            return
        if not log.told:
            log.told = True
            _log.warning(
                "the log of pod %s is long, or there are many: %s bytes are here, and more is taken"
                " once these were read",
                pod.name, f"{log.size:,}",
            )  # fmt: skip
        log.full = True
        while self._room_for(log) <= 0:
            self.room.freed.clear()
            await self.room.freed.wait()
        log.full = False
