"""What an attempt leaves on disk: who claimed it, which process runs it, and how it ended.

The supervisor imports this module, too, so it uses the light half of the standard library only.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, NamedTuple


class Running(NamedTuple):
    """The process of an attempt: leader of its own session and group. `identity` tells it from a later process."""

    pid: int
    identity: str
    supervisor: str
    collector: bool = False


class Exit(NamedTuple):
    """How an attempt ended; `cause` is one of events.facts.Cause. With a `collector`, that says what it reported."""

    cause: str
    exit_code: int | None = None
    message: str = ""
    collector: bool = False


class Attempt:
    """The folder of one attempt, `<data>/experiments/<experiment>/<trial>/<attempt>`; `key` is its last three parts.

    Whoever made the claim alone may start the attempt, write its files and say how it ended: that is why an
    attempt runs at most once. A dead claimer's attempt is buried by anyone who has seen that it is dead.
    """

    def __init__(self, data: str, key: str) -> None:
        self.key = key
        self.folder = os.path.join(data, "experiments", *key.split("/"))
        self.log = os.path.join(self.folder, "log")
        self.metrics = os.path.join(self.folder, "metrics")

    def claim(self, supervisor: str) -> str | None:
        """Claim it for ever: None if it is now `supervisor`'s, else who has it. Raises OSError if the disk refuses."""
        os.makedirs(self.folder, exist_ok=True)
        try:
            # a link, because it is made with its content in one step, by one of those who try
            os.symlink(supervisor, self._path("claim"))
        except FileExistsError:
            return self.claimed_by()
        return None

    def claimed_by(self) -> str | None:
        try:
            return os.readlink(self._path("claim"))
        except FileNotFoundError:
            return None

    def write_started(self, running: Running) -> None:
        _write(self._path("started.json"), running._asdict())

    def running(self) -> Running | None:
        """The process that was started, whether or not it still runs."""
        tree = _read(self._path("started.json"))
        return Running(**tree) if tree else None

    def write_exit(self, end: Exit) -> None:
        """Record the end; a later record replaces an earlier one. Raises OSError, such as for a full disk."""
        _write(self._path("exit.json"), end._asdict(), lasting=True)

    def exit(self) -> Exit | None:
        tree = _read(self._path("exit.json"))
        return Exit(**tree) if tree else None

    def bury(self) -> Exit:
        """Kill what is left of the attempt of a dead supervisor and record that it is lost, unless it had ended."""
        end = self.exit()
        if end is None:
            running = self.running()
            if running and _ours(running):
                kill(running.pid, signal.SIGKILL)
            heard = running is not None and running.collector  # it outlives the supervisor
            end = Exit("Lost", None, "the supervisor of this trial is gone, and the trial with it", heard)
            with suppress(OSError):  # forgotten, or a full disk: the next who asks finds the same
                self.write_exit(end)
        return end

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)


class Register:
    """The unfinished attempts of one supervisor, one empty file each in `<data>/supervisors/<supervisor>`.

    It tells, without a search through all experiments, what a supervisor that died has left behind.
    """

    def __init__(self, data: str, supervisor: str) -> None:
        self._data = data
        self._supervisor = supervisor
        self._folder = os.path.join(data, "supervisors", supervisor)

    def open(self) -> None:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    def enter(self, key: str) -> None:
        """Before the claim. Raises OSError if the disk refuses."""
        os.close(os.open(self._entry(key), os.O_CREAT | os.O_WRONLY, 0o600))

    def leave(self, key: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._entry(key))

    def bury(self) -> list[tuple[str, Exit]]:
        """Bury the attempts of this supervisor, which is dead; return their keys and ends. Others may do so, too."""
        buried = []
        with suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                attempt = Attempt(self._data, name.replace(".", "/"))
                if attempt.claimed_by() == self._supervisor:
                    buried.append((attempt.key, attempt.bury()))
                self.leave(attempt.key)
        self.close()
        return buried

    def close(self) -> None:
        with suppress(OSError):  # not empty, or closed by someone else
            os.rmdir(self._folder)

    def _entry(self, key: str) -> str:
        return os.path.join(self._folder, key.replace("/", "."))


def room(folder: str) -> int:
    """Bytes that may still be written where this folder lies."""
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None if there is no such process."""
    if sys.platform != "linux":
        with os.popen(f"ps -o lstart= -p {pid:d}") as answer:
            return answer.read().strip() or None
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open("/proc/sys/kernel/random/boot_id") as boot:
            return f"{boot.read().strip()}/{stat.read().rpartition(b')')[2].split()[19].decode()}"
    except (FileNotFoundError, ProcessLookupError):
        return None


def kill(group: int, number: int) -> bool:
    """Signal a process group; False if nothing is left of it (that we may signal)."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _ours(running: Running) -> bool:
    """Is the group with this number still that of the attempt? Its leader may be dead while others live on."""
    now = identity(running.pid)
    if now is not None:
        return now == running.identity
    return running.identity.partition("/")[0] == (identity(os.getpid()) or "").partition("/")[0]


def _write(path: str, tree: dict[str, Any], *, lasting: bool = False) -> None:
    """All of it or nothing, whoever reads or dies meanwhile; `lasting`: also when the machine dies."""
    part = f"{path}.{os.getpid()}"
    try:
        with open(part, "w", encoding="utf-8") as file:
            json.dump(tree, file)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            tree = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return tree if isinstance(tree, dict) else None
