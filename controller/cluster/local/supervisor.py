"""The process that runs a data folder's local trials, outlives the controller, and writes down how
each trial ended.

Requests and their replies, one JSON object a line, over a unix socket:

    {"id": 1, "op": "start", "key": …, "argv": […], "env": {…}, "cwd": …, "grace": s,
          "timeout": s?, "memory": bytes?, "collector": {"argv": […], "env": {…}}?, "slots": n?,
          "port": variable?, "beside": {"argv": […], "env": {…}}?}
    {"id": 2, "op": "start", "key": …, "error": "why this attempt cannot be started"}
    {"id": 3, "op": "stop", "key": …, "grace": s, "cause": "Cancelled", "message": …}
    {"id": 4, "op": "kill", "experiment": …}
    {"re": 1, "waiting": true}  all `slots` are taken; the reply follows when it was started
    {"re": 1, "by": null}       done; or `by`: the supervisor that has claimed this attempt;
                                or `error`: not now

and to every connection {"event": "hello", "pid": …, "running": [key, …], "heard": [key, …]} first
(`heard`: those that have a collector process), then {"event": "started", "key": …, "collector": …}
and {"event": "ended", "key": …, "cause": …, "exit_code": …, "message": …, "collector": …}.

These words stay as they are: after an update a controller finds supervisors of the version before.
"""

import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from controller.cluster.local.attempts import (
    Attempt,
    ExitRecord,
    Register,
    StartRecord,
    free_bytes,
    process_identity,
)
from controller.cluster.local.cgroups import Cgroup, make
from controller.cluster.local.collector_process import CollectorProcess
from controller.cluster.local.exit_records import ExitRecords
from controller.cluster.local.json_socket import Message
from controller.cluster.local.orphans import orphans, signal_one
from controller.cluster.local.server import Reply, Server, listen, log_error
from controller.cluster.local.spawn import SpawnError, adopt_orphans, can_enter
from controller.cluster.local.start_queue import Start, StartQueue
from controller.cluster.local.trial import Trial, limit_memory, spawn_trial

MEMORY_INTERVAL = 0.5
"""Seconds between looks at how much memory the trials hold."""
FREE_TO_START = 16 * 2**20
"""Bytes: with less free on the disk, no trial is started."""
LONGEST_PAUSE = 3600.0  # epoll refuses waits of weeks
DRAIN_INTERVAL = 0.1
"""Seconds between looks at what is left of a process group, whose end sends us no signal."""


class Supervisor:
    """One thread, one loop: connections, processes that end, deadlines."""

    def __init__(self, data: str, name: str, listener: socket.socket, cgroup: Cgroup) -> None:
        self._data = data
        self._experiments = os.path.join(data, "experiments")
        self._name = name
        self._cgroup = cgroup
        self._register = Register(data, name)
        self._exits = ExitRecords(self._register)
        self._trials: dict[str, Trial] = {}
        self._queue = StartQueue(data, name, self._start, self._trials.__contains__)
        self._collectors: dict[str, CollectorProcess] = {}
        self._memory_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._server = Server(listener, self._selector, self._answer, self._greeting)
        self._closing = False

    def run(self) -> None:
        """Serve until there are neither trials nor connections."""
        wake, alarm = socket.socketpair()
        for end in (wake, alarm):
            end.setblocking(False)
        self._selector.register(wake, selectors.EVENT_READ, partial(_drain, wake))
        signal.set_wakeup_fd(alarm.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._close)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while self._is_needed():
            for key, _ in self._selector.select(self._pause()):
                key.data()
            self._reap()
            self._advance()
        for pids in self._orphans().values():
            for pid in pids:
                signal_one(pid, signal.SIGKILL)
        self._cgroup.end()
        self._queue.close()

    def _is_needed(self) -> bool:
        if self._trials or self._closing:
            return bool(self._trials)
        return bool(self._exits or self._collectors) or self._server.is_needed()

    def _pause(self) -> float | None:
        """Seconds until something is due although no message and no signal comes."""
        now = time.monotonic()
        trials = self._trials.values()
        due = [trial.deadline for trial in trials]
        due += [collector.restart_at for collector in self._collectors.values()]
        due += [self._exits.retry_at, self._queue.look_at]
        if any(trial.memory for trial in trials):
            due.append(self._memory_at)
        if any(trial.status is not None for trial in trials):
            due.append(now + DRAIN_INTERVAL)
        if now < self._server.open_until:
            due.append(self._server.open_until)
        first = min(due)
        return None if first == float("inf") else min(max(0.0, first - now), LONGEST_PAUSE)

    def _close(self, *_: object) -> None:
        """SIGTERM, as when the machine shuts down: the trials cannot stay without us."""
        self._closing = True

    def _reap(self) -> None:
        processes: list[Trial | CollectorProcess] = [*self._trials.values()]
        processes += self._collectors.values()
        by_pid = {process.pid: process for process in processes}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:
                by_pid[pid].handle_exit(status)

    def _orphans(self) -> dict[str, set[int]]:
        known = [trial.pid for trial in self._trials.values()]
        known += [one.pid for one in self._collectors.values() if one.pid is not None]
        return orphans(self._experiments, known, self._groups(), self._cgroup)

    def _groups(self) -> dict[int, str]:
        """Process group of each trial → its path."""
        return {trial.pid: path for path, trial in self._trials.items()}

    def _gather_orphans(self) -> None:
        """Tell each trial that has ended what is left of it; what hides where it comes from goes
        with the first that ends."""
        ended = [trial for trial in self._trials.values() if trial.status is not None]
        if ended:
            found = self._orphans()
            for trial in ended:
                lost = found.get(trial.attempt.path, set()) | found.get("", set())
                trial.set_orphans(lost | trial.members_outside())

    def _advance(self) -> None:
        now = time.monotonic()
        self._gather_orphans()
        for trial in list(self._trials.values()):
            try:
                self._advance_trial(trial, now)
            except Exception:  # no trial may end the others
                self._give_up(trial)
        for path, collector in list(self._collectors.items()):
            if collector.finished:
                del self._collectors[path]
            elif now >= collector.restart_at:
                collector.start()
        if now >= self._memory_at:
            self._memory_at = now + MEMORY_INTERVAL
            limit_memory(self._trials, self._groups(), self._orphans)
        if now >= self._exits.retry_at:
            self._exits.retry()
        if now >= self._queue.look_at:
            self._queue.start_next()

    def _advance_trial(self, trial: Trial, now: float) -> None:
        if trial.is_over(now):
            del self._trials[trial.attempt.path]
            trial.cgroup.remove()
            self._queue.free(trial.attempt.path)
            collector = self._collectors.get(trial.attempt.path)
            end = trial.exit_record()._replace(collector=collector is not None)
            self._record(trial.attempt, end)
            if collector:
                collector.end()
        elif self._closing and not trial.killed:
            trial.kill("Lost", "the supervisor of this trial was told to end")
        elif now >= trial.deadline:
            trial.enforce_deadline()

    def _give_up(self, trial: Trial) -> None:
        log_error(traceback.format_exc())
        trial.kill("Lost", "its end could not be examined; the supervisor's log says why")
        if self._trials.pop(trial.attempt.path, None) is None:
            return
        self._queue.free(trial.attempt.path)
        collector = self._collectors.get(trial.attempt.path)
        if collector:
            collector.end()
        end = trial.ending or ExitRecord("Lost")
        self._record(trial.attempt, end._replace(collector=collector is not None))

    def _record(self, attempt: Attempt, end: ExitRecord) -> None:
        """Publish the end, then write it: a full disk delays only the file."""
        self._server.publish(_ended(attempt, end))
        self._exits.write(attempt, end)

    def _greeting(self) -> Iterator[Message]:
        yield {
            "event": "hello",
            "pid": os.getpid(),
            "running": list(self._trials),
            "heard": list(self._collectors),
        }
        for attempt, end in self._exits:
            yield _ended(attempt, end)

    def _answer(self, request: Message, reply: Reply) -> None:
        holder = None
        try:
            match request["op"]:
                case "start" if "slots" in request and not self._is_claimed(request["key"]):
                    return self._queue.add(Start(request, reply))
                case "start":
                    holder = self._start(request)
                case "stop":
                    holder = self._stop(request)
                case "kill":
                    self._kill(request["experiment"])
            reply.send({"by": holder})
        except OSError as error:  # the claim could not be made: nothing has happened
            reply.refuse(error)

    def _is_claimed(self, path: str) -> bool:
        return Attempt(self._data, path).claimed_by() is not None

    def _start(self, request: Message) -> str | None:
        attempt = Attempt(self._data, request["key"])
        if self._closing:
            raise OSError("this supervisor was told to end")
        if free_bytes(self._data) < FREE_TO_START:
            raise OSError(
                f"the disk of {self._data} is full; free some space, and the trials start"
            )
        holder = self._claim(attempt)
        if holder:
            return holder
        cgroup = self._cgroup.make_attempt(attempt.path)
        try:
            if "parameters" in request:
                attempt.write_parameters(request["parameters"])
            pid = spawn_trial(attempt, request, cgroup.path)
        except SpawnError as error:
            cgroup.remove()
            self._record(attempt, ExitRecord("SpawnFailure", None, str(error)))
            return None
        except Exception as error:  # it is claimed: nobody else will ever start it or end it
            log_error(traceback.format_exc())
            cgroup.remove()
            self._record(attempt, ExitRecord("Lost", None, f"it could not be started: {error}"))
            return None
        self._trials[attempt.path] = Trial(attempt, pid, request, cgroup)
        collector = "collector" in request
        try:
            start = StartRecord(pid, process_identity(pid) or "", self._name, collector)
            attempt.write_start(start)
        except OSError as error:  # a full disk: it serves only to clean up after us
            log_error(f"{attempt.folder}: {error}")
        if collector:
            self._collectors[attempt.path] = CollectorProcess(attempt, request["collector"])
        self._server.publish({"event": "started", "key": attempt.path, "collector": collector})
        return None

    def _claim(self, attempt: Attempt) -> str | None:
        """As Attempt.claim, but entered in the register first, so that a claim of ours is never
        overlooked."""
        holder = attempt.claimed_by()
        if holder is not None:
            return holder
        self._register.enter(attempt.path)
        try:
            holder = attempt.claim(self._name)
        except OSError:
            self._register.leave(attempt.path)
            raise
        if holder is not None:
            self._register.leave(attempt.path)
        return holder

    def _stop(self, request: Message) -> str | None:
        trial = self._trials.get(request["key"])
        if trial:
            trial.end(request["cause"], request["message"], request["grace"])
            return None
        attempt = Attempt(self._data, request["key"])
        holder = self._claim(attempt)
        if holder is None:  # it has never started, and now never will
            self._record(attempt, ExitRecord(request["cause"], None, request["message"]))
        self._queue.withdraw(attempt.path, holder)
        return holder

    def _kill(self, experiment: str) -> None:
        for path, trial in self._trials.items():
            if path.startswith(f"{experiment}/"):
                trial.kill("Cancelled", "killed on request")
        for path in self._queue.waiting(experiment):
            self._stop({"key": path, "cause": "Cancelled", "message": "killed on request"})


def _ended(attempt: Attempt, end: ExitRecord) -> Message:
    return {"event": "ended", "key": attempt.path, **end._asdict()}


def _drain(wake: socket.socket) -> None:
    wake.recv(4096)


def main(data: str, name: str, path: str) -> None:
    """Listen on `path`, let the process that was started return, and supervise in its child."""
    register = Register(data, name)
    register.open()
    listener = listen(path)
    if os.fork():
        os._exit(0)
    log = os.path.join(data, "supervisors", f"{name}.log")
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(errors, 2)
    os.close(errors)
    os.chdir("/")
    adopt_orphans()
    Supervisor(data, name, listener, make(data, name, can_enter)).run()
    with suppress(FileNotFoundError):  # the data folder may have been deleted
        os.unlink(path)
    register.close()
    with suppress(FileNotFoundError):
        if os.path.getsize(log) == 0:
            os.unlink(log)
