"""Workloads that have to go: each is deleted by a task that asks until the API server has accepted
it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from controller.cluster import AttemptKey
from controller.cluster.kubernetes.api_errors import ApiError
from controller.cluster.kubernetes.kinds import NoKindError
from controller.cluster.kubernetes.object_faults import isolating
from events.backoff import Backoff

DELETE_RETRY_SECONDS = (0.5, 30.0)
"""Before the first retry, and at most between later ones."""
_log = logging.getLogger(__name__)


class Deletions:
    """One task for each attempt that was asked to stop, until `forget`. `delete` asks once; it
    raises ApiError, or NoKindError while the cluster does not know the workload's kind."""

    def __init__(
        self, tasks: asyncio.TaskGroup, delete: Callable[[AttemptKey], Awaitable[None]]
    ) -> None:
        self._tasks = tasks
        self._delete = delete
        self._deleting: dict[AttemptKey, asyncio.Task[None]] = {}

    def __contains__(self, key: AttemptKey) -> bool:
        """Was the attempt asked to stop?"""
        return key in self._deleting

    def begin(self, key: AttemptKey) -> None:
        """Delete the attempt's workload from now on, unless that has begun."""
        if key not in self._deleting:
            name = f"delete attempt {key.experiment}/{key.trial}/{key.attempt}"
            self._deleting[key] = self._tasks.create_task(self._retry(key), name=name)

    def forget(self, key: AttemptKey) -> None:
        """Nothing is left of the attempt."""
        if task := self._deleting.pop(key, None):
            task.cancel()

    def close(self) -> None:
        for task in self._deleting.values():
            task.cancel()

    async def _retry(self, key: AttemptKey) -> None:
        backoff = Backoff(*DELETE_RETRY_SECONDS)
        while True:
            with isolating("workloads", key):
                try:
                    return await self._delete(key)
                except (ApiError, NoKindError) as error:
                    _log.warning(
                        "attempt %s/%s cannot be deleted now: %s", key.trial, key.attempt, error
                    )
            await asyncio.sleep(backoff.next())
