"""One trial's process under a supervisor: its deadlines, how it is stopped, and the cause of its
end."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from controller.cluster.local.attempts import Attempt, ExitRecord, free_bytes, signal_group
from controller.cluster.local.cgroups import Cgroup
from controller.cluster.local.json_socket import Message
from controller.cluster.local.orphans import signal_one
from controller.cluster.local.process_memory import oom_kills, resident_bytes
from controller.cluster.local.spawn import Command, SpawnError, spawn
from events.regular_file import open_regular

LINGER, COLLECTOR_LINGER = 1.0, 10.0
"""Seconds between SIGTERM and SIGKILL for what is left of a group once its main process has ended,
and where a collector of the user's is left."""
GIVE_UP = 5.0
"""Seconds after SIGKILL before processes that cannot be killed (they hang in the kernel) are left
alone."""
DISK_FULL = 2**20
"""Bytes: with less free, what a trial printed last may not have been written."""
TAIL_LINES, TAIL_CHARACTERS = 3, 440


class Trial:
    """An attempt whose process was started."""

    def __init__(self, attempt: Attempt, pid: int, request: Message, cgroup: Cgroup) -> None:
        now = time.monotonic()
        self.attempt = attempt
        self.pid = pid
        self.cgroup = cgroup
        self.grace: float = request["grace"]
        self.timeout: float | None = request.get("timeout")
        self.memory: int | None = request.get("memory")
        self.linger = COLLECTOR_LINGER if "beside" in request else min(LINGER, self.grace)
        self.oom_kills = oom_kills()
        self.deadline = now + self.timeout if self.timeout else float("inf")
        """When `enforce_deadline` is due: the timeout, then SIGKILL, then giving up."""
        self.status: int | None = None
        self.killed = False
        self.orphans: set[int] = set()
        self.ending: ExitRecord | None = None

    def end(self, cause: str, message: str, grace: float) -> None:
        """SIGTERM to the whole group now, SIGKILL after `grace` seconds; the first cause given is
        kept."""
        if self.ending is None and self.status is None:
            self.ending = ExitRecord(cause, None, message)
            self._term(grace)

    def _term(self, grace: float) -> None:
        signal_group(self.pid, signal.SIGTERM)
        self.deadline = time.monotonic() + grace

    def kill(self, cause: str, message: str) -> None:
        """SIGKILL to the whole group now; the first cause given is kept."""
        if self.ending is None and self.status is None:
            self.ending = ExitRecord(cause, None, message)
        self._kill()

    def _kill(self) -> None:
        signal_group(self.pid, signal.SIGKILL)
        self.cgroup.kill()
        self.killed = True
        self.deadline = time.monotonic() + GIVE_UP

    def handle_exit(self, status: int) -> None:
        """The main process has ended; what is left of its group gets some time to end, too."""
        self.status = status
        if self.ending is None:
            self._term(self.linger)
        elif self.killed:
            self.deadline = time.monotonic() + GIVE_UP
        else:
            self.deadline = min(self.deadline, time.monotonic() + self.linger)

    def enforce_deadline(self) -> None:
        if self.status is None and self.ending is None:
            self.end(
                "Timeout", f"ran longer than its {self.timeout:g} s and was stopped", self.grace
            )
        elif not self.killed:
            self._kill()
        else:  # it hangs in the kernel: nothing can be done until it returns
            self.deadline = float("inf")

    def is_over(self, now: float) -> bool:
        """Has it ended, and has nothing been left of its group, its orphans and its cgroup?"""
        return self.status is not None and (
            not (signal_group(self.pid, 0) or self.orphans or self.cgroup.is_populated())
            or (self.killed and now >= self.deadline)
        )

    def members_outside(self) -> set[int]:
        """The processes of its cgroup that have left its group."""
        found: set[int] = set()
        if not self.cgroup.is_populated():  # as a rule, and cheaper to know
            return found
        for pid in self.cgroup.members():
            with suppress(OSError):  # it has ended meanwhile
                if os.getpgid(pid) != self.pid:
                    found.add(pid)
        return found

    def set_orphans(self, pids: set[int]) -> None:
        """Which of its processes have left its group and lost their parent, or are in its cgroup;
        once the main process has ended, SIGTERM to each, or SIGKILL."""
        for pid in pids if self.killed else pids - self.orphans:
            signal_one(pid, signal.SIGKILL if self.killed else signal.SIGTERM)
        self.orphans = pids

    def exit_record(self) -> ExitRecord:
        assert self.status is not None
        code = os.waitstatus_to_exitcode(self.status)
        shown = code if code >= 0 else 128 - code
        if self.ending:
            return self.ending._replace(exit_code=shown)
        if free_bytes(self.attempt.folder) < DISK_FULL:
            return ExitRecord(
                "Lost",
                shown,
                "the disk was full when it ended, so what it printed is cut off; free some space",
            )
        if code == 0:
            return ExitRecord("Completed", 0)
        if shown == 128 + signal.SIGKILL and oom_kills() > self.oom_kills:
            return ExitRecord("OutOfMemory", shown, "killed by the system because memory ran out")
        reason = f"exit status {code}" if code > 0 else f"killed by {_signal_name(-code)}"
        tail = _last_lines(self.attempt.log)
        return ExitRecord(
            "Error" if code > 0 else "Signal",
            shown,
            f"{reason}; its log ends with:\n{tail}" if tail else reason,
        )


def limit_memory(
    trials: Mapping[str, Trial],
    groups: Mapping[int, str],
    orphans: Callable[[], Mapping[str, set[int]]],
) -> None:
    """Kill each of the `trials` (by path) that holds more memory than it may."""
    limited = {
        path: trial
        for path, trial in trials.items()
        if trial.memory and not trial.ending and trial.status is None
    }
    if not limited:
        return
    found = orphans()
    outside = {
        path: found.get(path, set()) | one.members_outside() for path, one in limited.items()
    }
    for path, size in resident_bytes(groups, {**found, **outside}).items():
        limit = limited[path].memory if path in limited else None
        if limit and size > limit:
            message = f"held {size:,} bytes, more than its limit of {limit:,}"
            limited[path].kill("OutOfMemory", message)


def spawn_trial(attempt: Attempt, request: Message, cgroup: str) -> int:
    """Start the trial's program in that cgroup, if it can be; its process id. Raises SpawnError,
    OSError."""
    if "error" in request:
        raise SpawnError(request["error"])
    if request["metrics"]:
        os.makedirs(attempt.metrics, exist_ok=True)
    argv, env = request["argv"], {"PYTHONUNBUFFERED": "1", **os.environ, **request["env"]}
    if variable := request.get("port"):
        argv, env = _with_port(attempt, variable, argv, env)
    folder = request["cwd"] or attempt.folder
    collector = _spawn_collector(attempt, request, folder, cgroup)
    try:
        return spawn(Command(argv, env, folder, cgroup), attempt.log)
    except BaseException:
        if collector is not None:
            signal_one(collector, signal.SIGKILL)
        raise


def _spawn_collector(attempt: Attempt, request: Message, folder: str, cgroup: str) -> int | None:
    """Start the user's own collector, if there is one. By its variables and its cgroup it counts as
    a process that the trial has left behind: once that has ended, it gets SIGTERM, and some
    time."""
    if "beside" not in request:
        return None
    beside = request["beside"]
    env = {"PYTHONUNBUFFERED": "1", **os.environ, **beside["env"]}
    return spawn(Command(beside["argv"], env, folder, cgroup), attempt.custom_log)


def _with_port(
    attempt: Attempt, variable: str, argv: list[str], env: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Choose a free port, for trials share this machine; the program knows it by the variable, also
    where its words name that as Kubernetes would have it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with open(attempt.port_file, "w") as file:
        file.write(port)
    known = {name: value.replace(f"$({variable})", port) for name, value in env.items()}
    return [word.replace(f"$({variable})", port) for word in argv], {**known, variable: port}


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def _last_lines(log: str) -> str:
    try:
        with open_regular(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [
        "".join(c if c.isprintable() else " " for c in line).rstrip() for line in text.splitlines()
    ]
    return "\n".join([line for line in lines if line][-TAIL_LINES:])[-TAIL_CHARACTERS:]
