"""The logs of pods without a collector, copied through the API into files on this machine as they
grow."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.cluster import AttemptKey
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import ApiError, ApiUnavailableError, NotFoundError
from controller.cluster.kubernetes.log_lines import LogLines
from controller.cluster.kubernetes.pods import Pod
from events.backoff import Backoff

LOG_SILENCE_SECONDS = 300.0
"""After this long without a byte the log is requested again."""
LOG_RETRY_SECONDS = (0.5, 15.0)
TRIES = 8
"""In a row without a byte; after that the log counts as complete."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Logs:
    """One file for each attempt, and one task that fills it. `ended` is called when a log is
    complete."""

    api: Api
    folder: Path
    tasks: asyncio.TaskGroup
    ended: Callable[[AttemptKey], None]
    following: dict[AttemptKey, "asyncio.Task[None]"] = field(default_factory=dict)

    def path(self, key: AttemptKey) -> Path:
        return self.folder / f"{key.experiment}-{key.trial}-{key.attempt}.log"

    def follow(self, key: AttemptKey, pod: Pod) -> None:
        """Fill the attempt's file from now on, unless that has begun."""
        if key not in self.following:
            self.following[key] = self.tasks.create_task(
                self._follow(key, pod), name=f"copy the log of pod {pod.name}"
            )

    def complete(self, key: AttemptKey) -> bool:
        """Is the file complete, or was there none to fill?"""
        return key not in self.following or self.following[key].done()

    def forget(self, key: AttemptKey) -> None:
        task = self.following.pop(key, None)
        if task is not None:
            task.cancel()
            self.path(key).unlink(missing_ok=True)

    def close(self) -> None:
        for task in self.following.values():
            task.cancel()

    async def _follow(self, key: AttemptKey, pod: Pod) -> None:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
        backoff, tries, lines = Backoff(*LOG_RETRY_SECONDS), 0, LogLines()
        while tries < TRIES:
            before = self._size(key)
            try:
                await self._copy(path, pod.primary, key, lines)
                break
            except NotFoundError:
                break
            except ApiUnavailableError as error:
                _log.info(
                    "the log of pod %s was interrupted and is requested again: %s", pod.name, error
                )
            except ApiError as error:  # the container does not run yet, or we may not read the log
                _log.warning("the log of pod %s: %s", pod.name, error)
            tries = 0 if self._size(key) > before else tries + 1
            await asyncio.sleep(backoff.next())
        self.ended(key)

    def _size(self, key: AttemptKey) -> int:
        path = self.path(key)
        return path.stat().st_size if path.exists() else 0

    async def _copy(self, path: str, container: str, key: AttemptKey, lines: LogLines) -> None:
        """Append what the file does not have yet."""
        query = {"container": container, "follow": "true", "timestamps": "true"}
        if lines.last:
            query["sinceTime"] = lines.last.decode().strip()
        lines.begin()
        with self.path(key).open("ab") as file:
            async for chunk in self.api.chunks(path, silence=LOG_SILENCE_SECONDS, **query):
                file.write(lines.take(chunk))
                file.flush()
