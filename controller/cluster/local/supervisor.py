"""The process that runs an installation's local trials, outlives the controller, and leaves their ends on disk.

Requests and their replies, one JSON object a line, over a unix socket:

    {"id": 1, "op": "start", "key": …, "argv": […], "env": {…}, "cwd": …, "grace": s, "timeout": s?, "memory": bytes?}
          "collector": {"argv": […], "env": {…}}?
    {"id": 2, "op": "start", "key": …, "error": "why this attempt cannot be started"}
    {"id": 3, "op": "stop", "key": …, "grace": s, "cause": "Cancelled", "message": …}
    {"id": 4, "op": "kill", "experiment": …}
    {"re": 1, "by": null}       done; or `by`: the supervisor that has claimed this attempt; or `error`: not now

and to every connection {"event": "hello", "pid": …, "running": [key, …], "heard": [key, …]} first (`heard`: those that
have a collector of their own), then {"event": "started", "key": …, "collector": …} and
{"event": "ended", "key": …, "cause": …, "exit_code": …, "message": …, "collector": …}.
"""

import os
import selectors
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from functools import partial

from controller.cluster.local.attempts import Attempt, Exit, Register, Running, identity, room
from controller.cluster.local.collector_process import CollectorProcess
from controller.cluster.local.json_socket import Message, Wire
from controller.cluster.local.process_memory import resident
from controller.cluster.local.spawn import Command, SpawnError, adopt_orphans, spawn
from controller.cluster.local.trial import Trial

MEMORY_INTERVAL = 0.5
ROOM_TO_START = 16 * 2**20
LONGEST_PAUSE = 3600.0  # epoll refuses waits of weeks
DRAIN_INTERVAL = 0.1
"""Seconds between looks at what is left of a group, where its end sends us no signal."""
PATIENCE = 10.0
"""Seconds that the first connection may take."""
SECRETS = ("TRIALSTREAM_KAFKA", "TRIALSTREAM_DATABASE")
RETRY = (0.2, 10.0)
"""Seconds before the first and between later attempts to write an end down, on a full disk."""


class Supervisor:
    """One thread, one loop: connections, children that end, deadlines."""

    def __init__(self, data: str, name: str, listener: socket.socket) -> None:
        self._data = data
        self._name = name
        self._register = Register(data, name)
        self._trials: dict[str, Trial] = {}
        self._companions: dict[str, CollectorProcess] = {}
        self._unwritten: dict[str, tuple[Attempt, Exit]] = {}
        self._retry_at, self._retry_delay = 0.0, RETRY[0]
        self._memory_at = 0.0
        self._wires: set[Wire] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener))
        self._patient_until = time.monotonic() + PATIENCE
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
        while self._needed():
            for key, _ in self._selector.select(self._pause()):
                key.data()
            self._reap()
            self._advance()

    def _needed(self) -> bool:
        if self._trials or self._closing:
            return bool(self._trials)
        return bool(self._wires or self._unwritten or self._companions) or time.monotonic() < self._patient_until

    def _pause(self) -> float | None:
        """Seconds until something is due without anybody's word."""
        now = time.monotonic()
        trials = self._trials.values()
        due = [trial.deadline for trial in trials] + [one.deadline for one in self._companions.values()]
        if any(trial.memory for trial in trials):
            due.append(self._memory_at)
        if any(trial.status is not None for trial in trials):
            due.append(now + DRAIN_INTERVAL)
        if self._unwritten:
            due.append(self._retry_at)
        if now < self._patient_until:
            due.append(self._patient_until)
        first = min(due, default=float("inf"))
        return None if first == float("inf") else min(max(0.0, first - now), LONGEST_PAUSE)

    def _close(self, *_: object) -> None:
        """Told to end (the machine shuts down): the trials cannot stay without us."""
        self._closing = True

    def _reap(self) -> None:
        by_pid: dict[int | None, Trial | CollectorProcess] = {trial.pid: trial for trial in self._trials.values()}
        by_pid |= {one.pid: one for one in self._companions.values()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:
                by_pid[pid].reaped(status)

    def _advance(self) -> None:
        now = time.monotonic()
        for trial in list(self._trials.values()):
            if trial.over(now):
                del self._trials[trial.attempt.key]
                heard = trial.attempt.key in self._companions
                self._record(trial.attempt, trial.exit()._replace(collector=heard))
                if heard:
                    self._companions[trial.attempt.key].end()
            elif self._closing and not trial.killed:
                trial.kill("Lost", "the supervisor of this trial was told to end")
            elif now >= trial.deadline:
                trial.due()
        for key, companion in list(self._companions.items()):
            if companion.over:
                del self._companions[key]
            elif now >= companion.deadline:
                companion.start()
        if now >= self._memory_at:
            self._memory_at = now + MEMORY_INTERVAL
            self._limit_memory()
        if self._unwritten and now >= self._retry_at:
            self._write_again(now)

    def _limit_memory(self) -> None:
        limited = {t.pid: t for t in self._trials.values() if t.memory and not t.ending and t.status is None}
        for pid, size in resident(limited).items() if limited else ():
            limit = limited[pid].memory or 0
            if size > limit:
                limited[pid].kill("OutOfMemory", f"held {size:,} bytes, more than its limit of {limit:,}")

    def _record(self, attempt: Attempt, end: Exit) -> None:
        """Tell it, then write it down: who hears it now has no need of the file."""
        self._tell({"event": "ended", "key": attempt.key, **end._asdict()})
        self._unwritten[attempt.key] = attempt, end
        if len(self._unwritten) == 1:
            self._retry_delay = RETRY[0]
        self._write(attempt, end)

    def _write(self, attempt: Attempt, end: Exit) -> None:
        try:
            attempt.write_exit(end)
        except FileNotFoundError:
            pass  # its experiment was forgotten meanwhile
        except OSError as error:
            _complain(f"{attempt.folder}: {error}; trying again")
            self._retry_at = time.monotonic() + self._retry_delay
            return
        del self._unwritten[attempt.key]
        self._register.leave(attempt.key)

    def _write_again(self, now: float) -> None:
        self._retry_delay = min(2 * self._retry_delay, RETRY[1])
        self._retry_at = now + self._retry_delay
        for attempt, end in list(self._unwritten.values()):
            self._write(attempt, end)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # it has gone already, or we are out of file descriptors
            return
        wire = Wire(connection)
        self._wires.add(wire)
        self._patient_until = 0.0
        self._selector.register(connection, selectors.EVENT_READ, partial(self._serve, wire))
        self._send(wire, {"event": "hello", "pid": os.getpid(), "running": list(self._trials),
                          "heard": list(self._companions)})  # fmt: skip
        for attempt, end in self._unwritten.values():
            self._send(wire, {"event": "ended", "key": attempt.key, **end._asdict()})

    def _serve(self, wire: Wire) -> None:
        """Send what waits, answer what has come; a connection that breaks or talks nonsense is dropped."""
        try:
            wire.flush()
            for request in wire.receive():
                self._send(wire, {"re": request["id"], **self._answer(request)})
            self._watch(wire)
        except (EOFError, OSError):
            self._drop(wire)
        except Exception:  # nobody's request may end the trials of all
            _complain(traceback.format_exc())
            self._drop(wire)

    def _tell(self, event: Message) -> None:
        for wire in list(self._wires):
            self._send(wire, event)

    def _send(self, wire: Wire, message: Message) -> None:
        try:
            wire.send(message)
            self._watch(wire)
        except (OSError, ValueError):
            self._drop(wire)

    def _watch(self, wire: Wire) -> None:
        if wire in self._wires:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wire.unsent else 0)
            self._selector.modify(wire.socket, events, partial(self._serve, wire))

    def _drop(self, wire: Wire) -> None:
        if wire in self._wires:
            self._wires.remove(wire)
            self._selector.unregister(wire.socket)
            wire.socket.close()

    def _answer(self, request: Message) -> Message:
        try:
            match request["op"]:
                case "start":
                    return {"by": self._start(request)}
                case "stop":
                    return {"by": self._stop(request)}
                case "kill":
                    self._kill(request["experiment"])
            return {"by": None}
        except OSError as error:  # the claim could not be made: nothing has happened
            return {"error": str(error)}

    def _start(self, request: Message) -> str | None:
        attempt = Attempt(self._data, request["key"])
        if self._closing:
            raise OSError("this supervisor was told to end")
        if room(self._data) < ROOM_TO_START:
            raise OSError(f"the disk of {self._data} is full; free some space, and the trials start")
        holder = self._claim(attempt)
        if holder:
            return holder
        try:
            if "error" in request:
                raise SpawnError(request["error"])
            if request["metrics"]:
                os.makedirs(attempt.metrics, exist_ok=True)
            env = {"PYTHONUNBUFFERED": "1", **_inherited(), **request["env"]}
            pid = spawn(Command(request["argv"], env, request["cwd"] or attempt.folder), attempt.log)
        except SpawnError as error:
            self._record(attempt, Exit("SpawnFailure", None, str(error)))
            return None
        self._trials[attempt.key] = Trial(attempt, pid, request)
        heard = "collector" in request
        try:
            attempt.write_started(Running(pid, identity(pid) or "", self._name, heard))
        except OSError as error:  # a full disk: it serves only to clean up after us
            _complain(f"{attempt.folder}: {error}")
        if heard:
            self._companions[attempt.key] = CollectorProcess(attempt, request["collector"])
        self._tell({"event": "started", "key": attempt.key, "collector": heard})
        return None

    def _claim(self, attempt: Attempt) -> str | None:
        """As Attempt.claim, entered in the register first, so that a claim of ours is never overlooked."""
        holder = attempt.claimed_by()
        if holder is not None:
            return holder
        self._register.enter(attempt.key)
        try:
            holder = attempt.claim(self._name)
        except OSError:
            self._register.leave(attempt.key)
            raise
        if holder is not None:
            self._register.leave(attempt.key)
        return holder

    def _stop(self, request: Message) -> str | None:
        trial = self._trials.get(request["key"])
        if trial:
            trial.end(request["cause"], request["message"], request["grace"])
            return None
        attempt = Attempt(self._data, request["key"])
        holder = self._claim(attempt)
        if holder is None:  # it has never started, and now never will
            self._record(attempt, Exit(request["cause"], None, request["message"]))
        return holder

    def _kill(self, experiment: str) -> None:
        for key, trial in self._trials.items():
            if key.startswith(f"{experiment}/"):
                trial.kill("Cancelled", "killed on request")


def _inherited() -> dict[str, str]:
    """Our environment without what trials must not know: how to reach the controllers' Kafka and Postgres."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}


def _complain(text: str) -> None:
    with suppress(OSError):  # the log may be on the disk that is full
        print(text, file=sys.stderr, flush=True)


def _drain(wake: socket.socket) -> None:
    wake.recv(4096)


def _listen(path: str) -> socket.socket:
    """A socket only its owner may use; it gets its name when it listens, so that a refusal means death."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    os.chmod(f"{path}.new", 0o600)
    listener.listen(128)
    listener.setblocking(False)
    os.rename(f"{path}.new", path)
    return listener


def main(data: str, name: str, path: str) -> None:
    """Listen on `path`, let the process that was called go home, and supervise in its child."""
    register = Register(data, name)
    register.open()
    listener = _listen(path)
    if os.fork():
        os._exit(0)
    log = os.path.join(data, "supervisors", f"{name}.log")
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(errors, 2)
    os.close(errors)
    os.chdir("/")
    adopt_orphans()
    Supervisor(data, name, listener).run()
    os.unlink(path)
    register.close()
    if os.path.getsize(log) == 0:
        os.unlink(log)
