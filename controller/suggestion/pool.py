"""The pool of workers: who asks a search gets a free one, best the one that has it; what is killed is asked again."""

import asyncio
import json
import logging
import os
import pickle
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from algorithms.search import algorithm_of, imports
from algorithms.search.journal import Asked, Told
from algorithms.search.live import Origin, Question
from controller.settings import MIB, SuggestionSettings
from controller.suggestion.processes import Forkserver, Process
from controller.suggestion.wire import OUT_OF_MEMORY, framed
from controller.telemetry.catalogue import REBUILDS, SEARCHING, WORKER_MEMORY, WORKER_RESTARTS, WORKERS
from events.errors import RefusalError, RetryError
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

TRIES = 3
"""Workers that one question may cost."""
MOMENT = 0.05
"""Seconds until another worker is started because all are busy."""
PATIENCE = 0.25
"""Seconds until a worker takes a search that another one has: it has to make it from its journal."""
IDLE_SECONDS = 300.0
STATUS_SECONDS = 5.0
"""For the forkserver to say how a worker ended."""
PART = 1_000
"""Entries of a journal in one frame: the event loop breathes between them."""

Journal = tuple[Origin, Iterable[Asked | Told]]
Recall = Callable[[], Awaitable[Journal]]
_log = logging.getLogger(__name__)


class SearchFailedError(RefusalError):
    """The search cannot answer; the message says what happened, and what to do."""


class _DiedError(RetryError):
    """The worker is gone; `cause` is one of few words."""

    def __init__(self, cause: str, words: str) -> None:
        super().__init__(words)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Suggestions:
    assignments: list[Assignment]
    exhausted: bool


@dataclass(slots=True, eq=False)
class _Worker:
    process: Process
    searches: set[str] = field(default_factory=set)
    forgotten: list[str] = field(default_factory=list)
    """Searches that it has and that nobody will ask it again."""
    busy: bool = False
    idle_since: float = field(default_factory=time.monotonic)
    memory: int = 0


@dataclass(slots=True, eq=False)
class _Ticket:
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
        self._server: Forkserver | None = None
        self._workers: list[_Worker] = []
        self._homes: dict[str, _Worker] = {}
        self._waiting: list[_Ticket] = []
        self._starting = False
        self._closed = False

    async def ask(self, question: Question, spec: ExperimentSpec, recall: Recall) -> Suggestions:
        """The answer. `recall` reads the journal, all that the search knows before this question, if it is needed.

        Raises SearchFailedError; OSError if no worker can be started; and what `recall` raises.
        """
        deaths: list[_DiedError] = []
        while True:
            try:
                reply = await self._answered(
                    _Ticket(question, spec, recall, asyncio.get_running_loop().create_future())
                )
            except _DiedError as death:
                deaths.append(death)
                _log.warning("a worker has ended, its search is asked again: %s", death)
                if len(deaths) == TRIES:
                    raise SearchFailedError(self._explained(deaths)) from None
            else:
                if "error" in reply:
                    raise SearchFailedError(reply["error"])
                SEARCHING.labels(algorithm_of(spec)).observe(reply["seconds"])
                return Suggestions(reply["assignments"], reply["exhausted"])

    def forget(self, search: str) -> None:
        """Nobody will ask it again."""
        if (home := self._homes.pop(search, None)) is not None:
            home.searches.discard(search)
            home.forgotten.append(search)

    async def _answered(self, ticket: _Ticket) -> dict[str, Any]:
        """Wait for a worker and for its answer; who waits no longer leaves a worker that ends the work all the same."""
        self._waiting.append(ticket)
        self._dispatch()
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(after, self._dispatch) for after in (MOMENT, PATIENCE)] if self._waiting else []
        try:
            return await ticket.reply
        finally:
            for timer in timers:
                timer.cancel()

    def _dispatch(self) -> None:
        """Hand what waits to who is free, the first come first; start another worker if that does not do."""
        if self._closed:
            return
        self._waiting = [ticket for ticket in self._waiting if not ticket.reply.done()]
        free = [worker for worker in self._workers if not worker.busy]
        left: list[_Ticket] = []
        for ticket in self._waiting:
            worker = self._chosen(ticket, free)
            if worker is None:
                left.append(ticket)
            else:
                free.remove(worker)
                worker.busy = True
                self._begin(self._serve(worker, ticket))
        self._waiting = left
        for ticket in left:
            suited = [worker for worker in self._workers if suits(worker, ticket)]
            if not suited or (ticket.waited > MOMENT and all(worker.busy for worker in suited)):
                self._grow(ticket, free)
                break

    def _chosen(self, ticket: _Ticket, free: list[_Worker]) -> _Worker | None:
        home = self._homes.get(ticket.question.search)
        if home in free:
            return home
        if home is not None and ticket.waited < PATIENCE:
            return None
        suited = (worker for worker in free if suits(worker, ticket))
        return min(suited, key=lambda worker: len(worker.searches), default=None)

    def _grow(self, ticket: _Ticket, free: list[_Worker]) -> None:
        """Start another worker, in the place of one that is `free` but does not suit if there may be no more."""
        if self._starting:
            return
        if len(self._workers) >= self._settings.workers:
            if not free:
                return
            self._end(free[0])
        self._starting = True
        self._begin(self._start(imports(ticket.spec)))

    async def _start(self, modules: frozenset[str]) -> None:
        """One more worker; if there can be none, whoever cannot wait for another is told."""
        try:
            worker = _Worker(await (await self._forkserver()).fork(modules))
        except OSError as error:  # TimeoutError is one
            for ticket in self._waiting:
                if not ticket.reply.done() and not any(suits(worker, ticket) for worker in self._workers):
                    ticket.reply.set_exception(OSError(f"no worker for searches could be started: {error}"))
            return
        finally:
            self._starting = False
        self._workers.append(worker)
        worker.process.ended.add_done_callback(lambda _: self._end(worker))
        self._count()
        self._dispatch()

    async def _forkserver(self) -> Forkserver:
        if self._server is None or self._server.lost:
            if self._server is not None:
                await self._server.close()
            self._server = await Forkserver.start(self._settings.memory_mib * MIB)
        return self._server

    async def _serve(self, worker: _Worker, ticket: _Ticket) -> None:
        """Get the answer, or the reason why there is none, and be free again."""
        try:
            reply = await self._exchange(worker, ticket)
            if not ticket.reply.done():
                ticket.reply.set_result(reply)
        except Exception as error:
            if isinstance(error, _DiedError):
                WORKER_RESTARTS.labels(error.cause).inc()
                self._end(worker)
            if not ticket.reply.done():
                ticket.reply.set_exception(error)
        finally:
            worker.busy, worker.idle_since = False, time.monotonic()
            self._count()
            self._dispatch()

    async def _exchange(self, worker: _Worker, ticket: _Ticket) -> dict[str, Any]:
        question, search = ticket.question, ticket.question.search
        if search in worker.searches and (reply := await self._said(worker, question)):
            return reply
        origin, journal = await ticket.recall()
        if (before := self._homes.get(search)) is not worker:
            self.forget(search)
            if before is not None:
                _log.info("a search moves to another worker: its own is busy")
        REBUILDS.inc()
        self._homes[search] = worker
        worker.searches.add(search)
        return await self._said(worker, replace(question, origin=origin), journal)

    async def _said(self, worker: _Worker, question: Question, journal: Iterable[Asked | Told] = ()) -> dict[str, Any]:
        """What the worker says; nothing if it does not have the search. Raises _DiedError."""
        writer, entries = worker.process.writer, iter(journal)
        forget, worker.forgotten = tuple(worker.forgotten), []
        try:
            while part := list(islice(entries, PART)):
                await self._sent(writer, part)
            await self._sent(writer, replace(question, forget=forget))
            payload = b""
            while not payload:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    payload = await worker.process.read()
            reply: dict[str, Any] = json.loads(payload)
        except TimeoutError:
            raise _DiedError("slow", f"it took more than {self._settings.timeout_seconds:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._post_mortem(worker.process) from None
        except ValueError as error:
            raise _DiedError("nonsense", f"its process answered nonsense ({error})") from None
        worker.memory = reply.get("memory", worker.memory)
        return reply

    async def _sent(self, writer: asyncio.StreamWriter, message: object) -> None:
        writer.write(framed(pickle.dumps(message, pickle.HIGHEST_PROTOCOL)))
        async with asyncio.timeout(self._settings.timeout_seconds):
            await writer.drain()

    async def _post_mortem(self, process: Process) -> _DiedError:
        """Of what it died."""
        done, _ = await asyncio.wait({process.ended}, timeout=STATUS_SECONDS)
        status = process.ended.result() if done else None
        if status is None:
            return _DiedError("unknown", "its process is gone")
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = next((one.name for one in signal.Signals if one == number), f"signal {number}")
            perhaps = ", perhaps because the machine had no memory left" if name == "SIGKILL" else ""
            return _DiedError("signal", f"its process was killed by {name}{perhaps}")
        code = os.waitstatus_to_exitcode(status)
        if code == OUT_OF_MEMORY:
            return _DiedError("memory", f"it needed more than {self._settings.memory_mib:,} MiB of memory")
        return _DiedError("exit", f"its process ended with exit status {code}")

    def _explained(self, deaths: list[_DiedError]) -> str:
        words = list(dict.fromkeys(map(str, deaths)))
        remedy = {
            "slow": ", or raise timeout_seconds in [suggestion] of the settings file",
            "memory": ", or raise memory_mib in [suggestion] of the settings file",
        }.get(deaths[-1].cause, "")
        return f"{'; then '.join(words)}, {TRIES} times in a row; choose another algorithm or other settings{remedy}"

    def _end(self, worker: _Worker) -> None:
        """It is gone, or shall be; what it had is made again elsewhere when it is asked for."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        if self._server is not None:
            self._server.kill(worker.process)
        for search in worker.searches:
            self._homes.pop(search, None)
        self._count()

    def _count(self) -> None:
        WORKERS.set(len(self._workers))
        WORKER_MEMORY.set(sum(worker.memory for worker in self._workers))

    def _begin(self, work: Any) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _end_idle(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            for worker in list(self._workers):
                if not worker.busy and time.monotonic() - worker.idle_since > IDLE_SECONDS:
                    self._end(worker)

    async def _close(self) -> None:
        self._closed = True
        for worker in list(self._workers):
            self._end(worker)
        for task in list(self._running):
            task.cancel()
        if self._server is not None:
            await self._server.close()


def suits(worker: _Worker, ticket: _Ticket) -> bool:
    """Has it imported what the search needs?"""
    return imports(ticket.spec) <= worker.process.modules


@asynccontextmanager
async def open_pool(settings: SuggestionSettings | None = None) -> AsyncGenerator[Pool]:
    """A pool, until it is left; without settings their defaults hold. Raises OSError."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        pool = Pool(settings or SuggestionSettings(), tasks)
        try:
            await pool._forkserver()  # it imports while others start
            pool._begin(pool._end_idle())
            yield pool
        except Exception as error:  # kept out of the task group, which would wrap it
            failure = error
        finally:
            await pool._close()
    if failure is not None:
        raise failure
