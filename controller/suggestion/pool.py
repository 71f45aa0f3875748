"""The pool of worker processes: it assigns questions to workers, and asks again when a worker
dies."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from algorithms.search import algorithm_of, imports
from algorithms.search.journal import Asked, Told
from algorithms.search.live import Origin, Question
from controller.settings import MIB, SuggestionSettings
from controller.suggestion.exits import WorkerEndedError, explain
from controller.suggestion.processes import ForkserverClient, Process
from controller.suggestion.worker_client import WorkerClient
from controller.telemetry.catalogue import (
    REBUILDS,
    SEARCHING,
    WORKER_MEMORY,
    WORKER_RESTARTS,
    WORKERS,
)
from events.errors import RefusalError
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

MAX_TRIES = 3
"""A question fails when so many workers have died over it."""
GROW_SECONDS = 0.05
"""A question that has waited so long, with all workers busy, starts another worker."""
MOVE_SECONDS = 0.25
"""A question that has waited so long for the worker that has its search moves to a free one, which
rebuilds it."""
IDLE_SECONDS = 300.0

Journal = tuple[Origin, Iterable[Asked | Told]]
Recall = Callable[[], Awaitable[Journal]]
_log = logging.getLogger(__name__)


class SearchFailedError(RefusalError):
    """The search cannot answer; the message says what happened, and what to do."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    assignments: list[Assignment]
    exhausted: bool


@dataclass(slots=True, eq=False)
class _PendingQuestion:
    """One question that waits for a worker."""

    question: Question
    spec: ExperimentSpec
    recall: Recall
    reply: "asyncio.Future[dict[str, Any]]"
    since: float = field(default_factory=time.monotonic)

    @property
    def waited(self) -> float:
        return time.monotonic() - self.since


class Pool:
    """Any number of flows may ask at once. Use `open_pool`."""

    def __init__(self, settings: SuggestionSettings, tasks: asyncio.TaskGroup) -> None:
        self._settings = settings
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()
        self._server: ForkserverClient | None = None
        self._workers: list[WorkerClient] = []
        self._owners: dict[str, WorkerClient] = {}
        self._queue: list[_PendingQuestion] = []
        self._starting = False
        self._closed = False

    async def ask(self, question: Question, spec: ExperimentSpec, recall: Recall) -> Suggestions:
        """The suggestions. `recall` reads the journal up to this question; it is called if the
        search must be rebuilt.

        Raises SearchFailedError; OSError if no worker can be started; and what `recall` raises.
        """
        ends: list[WorkerEndedError] = []
        while True:
            try:
                reply = await self._wait_for_reply(
                    _PendingQuestion(
                        question, spec, recall, asyncio.get_running_loop().create_future()
                    )
                )
            except WorkerEndedError as end:
                ends.append(end)
                _log.warning("a worker has ended, its search is asked again: %s", end)
                if len(ends) == MAX_TRIES:
                    raise SearchFailedError(explain(ends)) from None
            else:
                if "error" in reply:
                    raise SearchFailedError(reply["error"])
                SEARCHING.labels(algorithm_of(spec)).observe(reply["seconds"])
                return Suggestions(reply["assignments"], reply["exhausted"])

    def forget(self, search: str) -> None:
        """Drop a search: nobody will ask it again."""
        if (owner := self._owners.pop(search, None)) is not None:
            owner.searches.discard(search)
            owner.forgotten.append(search)

    async def _wait_for_reply(self, pending: _PendingQuestion) -> dict[str, Any]:
        """Wait for a worker and its reply. If the caller is cancelled, the worker still finishes
        the question."""
        self._queue.append(pending)
        self._assign()
        loop = asyncio.get_running_loop()
        timers = (
            [loop.call_later(after, self._assign) for after in (GROW_SECONDS, MOVE_SECONDS)]
            if self._queue
            else []
        )
        try:
            return await pending.reply
        finally:
            for timer in timers:
                timer.cancel()

    def _assign(self) -> None:
        """Give waiting questions to free workers, oldest first; start another worker if some still
        have to wait."""
        if self._closed:
            return
        self._queue = [pending for pending in self._queue if not pending.reply.done()]
        free = [worker for worker in self._workers if not worker.busy]
        left: list[_PendingQuestion] = []
        for pending in self._queue:
            worker = self._choose_worker(pending, free)
            if worker is None:
                left.append(pending)
            else:
                free.remove(worker)
                worker.busy = True
                self._start_task(self._serve(worker, pending), "question to a search")
        self._queue = left
        for pending in left:
            able = [worker for worker in self._workers if worker.can_search(pending.spec)]
            if not able or (pending.waited > GROW_SECONDS and all(worker.busy for worker in able)):
                self._add_worker(pending, free)
                break

    def _choose_worker(
        self, pending: _PendingQuestion, free: list[WorkerClient]
    ) -> WorkerClient | None:
        owner = self._owners.get(pending.question.search)
        if owner in free:
            return owner
        if owner is not None and pending.waited < MOVE_SECONDS:
            return None
        able = (worker for worker in free if worker.can_search(pending.spec))
        return min(able, key=lambda worker: len(worker.searches), default=None)

    def _add_worker(self, pending: _PendingQuestion, free: list[WorkerClient]) -> None:
        """Start another worker; at the limit it replaces a free one that lacks the libraries."""
        if self._starting:
            return
        if len(self._workers) >= self._settings.workers:
            if not free:
                return
            self._remove(free[0])
        self._starting = True
        self._start_task(self._start_worker(imports(pending.spec)), "start of a worker")

    async def _start_worker(self, modules: frozenset[str]) -> None:
        """Start one more worker. If that fails, so do the questions that no existing worker can
        answer."""
        try:
            worker = WorkerClient(await self._fork(modules), self._settings)
        except OSError as error:  # TimeoutError is one
            for pending in self._queue:
                if not pending.reply.done() and not any(
                    worker.can_search(pending.spec) for worker in self._workers
                ):
                    pending.reply.set_exception(
                        OSError(f"no worker for searches could be started: {error}")
                    )
            return
        finally:
            self._starting = False
        self._workers.append(worker)
        worker.process.ended.add_done_callback(lambda _: self._remove(worker))
        self._set_gauges()
        self._assign()

    async def _fork(self, modules: frozenset[str]) -> Process:
        """A new process for a worker. Raises OSError."""
        tries = 0
        while True:
            server = await self._forkserver()
            try:
                return await server.fork(modules)
            except OSError:
                tries += 1
                if tries == MAX_TRIES or not server.lost:  # else it has died: another is started
                    raise

    async def _forkserver(self) -> ForkserverClient:
        if self._server is None or self._server.lost:
            if self._server is not None:
                await self._server.close()
            self._server = await ForkserverClient.start(self._settings.memory_mib * MIB)
        return self._server

    async def _serve(self, worker: WorkerClient, pending: _PendingQuestion) -> None:
        """Have a worker answer a question, and set the reply or the error."""
        try:
            reply = await self._exchange(worker, pending)
            if not pending.reply.done():
                pending.reply.set_result(reply)
        except Exception as error:
            if isinstance(error, WorkerEndedError):
                WORKER_RESTARTS.labels(error.cause).inc()
                self._remove(worker)
            if not pending.reply.done():
                pending.reply.set_exception(error)
        finally:
            worker.busy, worker.idle_since = False, time.monotonic()
            self._set_gauges()
            self._assign()

    async def _exchange(self, worker: WorkerClient, pending: _PendingQuestion) -> dict[str, Any]:
        question, search = pending.question, pending.question.search
        if search in worker.searches and (reply := await worker.ask(question)):
            return reply
        origin, journal = await pending.recall()
        if (before := self._owners.get(search)) is not worker:
            self.forget(search)
            if before is not None:
                _log.info("a search moves to another worker: its own is busy")
        REBUILDS.inc()
        self._owners[search] = worker
        worker.searches.add(search)
        return await worker.ask(replace(question, origin=origin), journal)

    def _remove(self, worker: WorkerClient) -> None:
        """End a worker, if it has not ended; its searches are rebuilt elsewhere when they are asked
        for."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        if self._server is not None:
            self._server.kill(worker.process)
        for search in worker.searches:
            self._owners.pop(search, None)
        self._set_gauges()

    def _set_gauges(self) -> None:
        WORKERS.set(len(self._workers))
        WORKER_MEMORY.set(sum(worker.memory for worker in self._workers))

    def _start_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._tasks.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _remove_idle(self) -> None:
        """End workers that were idle for IDLE_SECONDS; runs until cancelled."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            for worker in list(self._workers):
                if not worker.busy and time.monotonic() - worker.idle_since > IDLE_SECONDS:
                    self._remove(worker)

    async def _close(self) -> None:
        self._closed = True
        for worker in list(self._workers):
            self._remove(worker)
        for task in list(self._running):
            task.cancel()
        if self._server is not None:
            await self._server.close()


@asynccontextmanager
async def open_pool(settings: SuggestionSettings | None = None) -> AsyncGenerator[Pool]:
    """A pool with its forkserver; both end with the context. Raises OSError."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        pool = Pool(settings or SuggestionSettings(), tasks)
        try:
            await pool._forkserver()  # it imports while other parts start
            pool._start_task(pool._remove_idle(), "idle workers")
            yield pool
        except Exception as error:  # kept out of the task group, which would wrap it
            failure = error
        finally:
            await pool._close()
    if failure is not None:
        raise failure
