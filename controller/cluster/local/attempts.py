"""What an attempt leaves on disk: who claimed it, which process runs it, and how it ended.

The supervisor imports this module, too, so it uses the light half of the standard library only.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from controller.cluster.local.cgroups import end_all, end_attempt
from controller.cluster.local.orphans import kill_marked
from events.regular_file import NOTHING_THERE, open_regular

MAX_RECORD = 2**20
"""Bytes of started.json and exit.json that are read; a record of ours has some hundred."""


PARAMETERS = "parameters.json"
"""A file of its own, for earlier versions refuse a started.json with fields that they do not
know."""


class StartRecord(NamedTuple):
    """What started.json says: the process of an attempt, which leads its own session and process
    group.

    `identity` tells it from a later process with the same id; `collector`: does a collector process
    report for it?
    """

    pid: int
    identity: str
    supervisor: str
    collector: bool = False


class ExitRecord(NamedTuple):
    """What exit.json says: how an attempt ended; `cause` is one of events.facts.Cause.

    With a `collector`, that process says when all measurements are reported.
    """

    cause: str
    exit_code: int | None = None
    message: str = ""
    collector: bool = False


R = TypeVar("R", StartRecord, ExitRecord)


class Attempt:
    """The folder of one attempt, `<data>/experiments/<experiment>/<trial>/<attempt>`; `path` is its
    last three parts.

    Only the supervisor that made the claim may start the attempt, write its files and say how it
    ended: that is why an attempt runs at most once. When that supervisor is dead, anyone who has
    seen it may record the loss.
    """

    def __init__(self, data: str, path: str) -> None:
        self.path = path
        self._data = data
        self.folder = os.path.join(data, "experiments", *path.split("/"))
        self.log = os.path.join(self.folder, "log")
        self.metrics = os.path.join(self.folder, "metrics")
        self.custom_log = os.path.join(self.folder, "custom-collector.log")
        self.port_file = os.path.join(self.folder, "port")

    def claim(self, supervisor: str) -> str | None:
        """Claim it for ever: None if it is now `supervisor`'s, else the name of who has it. Raises
        OSError."""
        os.makedirs(self.folder, exist_ok=True)
        try:
            # a symlink: it is made together with its content in one step, and only one of several
            # succeeds
            os.symlink(supervisor, self._file("claim"))
        except FileExistsError:
            return self.claimed_by()
        return None

    def claimed_by(self) -> str | None:
        try:
            return os.readlink(self._file("claim"))
        except FileNotFoundError:
            return None

    def write_parameters(self, parameters: str) -> None:
        """Note with which parameters it runs. Raises OSError."""
        _write(self._file(PARAMETERS), {"digest": parameters})

    def differs(self, parameters: str) -> bool:
        """Was it started with other parameters than these? No, as far as anybody has noted."""
        noted = _read(self._file(PARAMETERS))
        return noted is not None and noted.get("digest") != parameters

    def write_start(self, start: StartRecord) -> None:
        _write(self._file("started.json"), start._asdict())

    def start_record(self) -> StartRecord | None:
        """The process that was started, whether or not it still runs."""
        start = _read_as(StartRecord, self._file("started.json"))
        return start if start is not None and start.pid > 1 else None

    def write_exit(self, end: ExitRecord) -> None:
        """Record the end; a later record replaces an earlier one. Raises OSError, such as for a
        full disk."""
        _write(self._file("exit.json"), end._asdict(), lasting=True)

    def exit_record(self) -> ExitRecord | None:
        return _read_as(ExitRecord, self._file("exit.json"))

    def record_loss(self) -> ExitRecord:
        """For a dead supervisor's attempt: kill what is left of it and record that it is lost,
        unless it had ended."""
        end = self.exit_record()
        if end is None:
            start = self.start_record()
            if start and _is_its_group(start):
                signal_group(start.pid, signal.SIGKILL)
            if start:
                kill_marked(self.folder)
            end_attempt(self._data, self.claimed_by() or "", self.path)
            collector = start is not None and start.collector  # it outlives the supervisor
            end = ExitRecord(
                "Lost",
                None,
                "the supervisor of this trial is gone, and the trial with it",
                collector,
            )
            with suppress(OSError):  # forgotten, or a full disk: whoever asks next finds the same
                self.write_exit(end)
        return end

    def _file(self, name: str) -> str:
        return os.path.join(self.folder, name)


class Register:
    """The unfinished attempts of one supervisor, one empty file each in
    `<data>/supervisors/<supervisor>`.

    If the supervisor dies, they are found here without a search through all experiments.
    """

    def __init__(self, data: str, supervisor: str) -> None:
        self._data = data
        self._supervisor = supervisor
        self._folder = os.path.join(data, "supervisors", supervisor)

    def open(self) -> None:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    def enter(self, path: str) -> None:
        """Note an attempt before it is claimed. Raises OSError."""
        os.close(os.open(self._entry(path), os.O_CREAT | os.O_WRONLY, 0o600))

    def leave(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._entry(path))

    def record_losses(self) -> list[tuple[str, ExitRecord]]:
        """For a dead supervisor: record the loss of each attempt it had; return their paths and
        ends.

        Several controllers may do so at once."""
        losses = []
        with suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                attempt = Attempt(self._data, name.replace(".", "/"))
                try:
                    if attempt.claimed_by() == self._supervisor:
                        losses.append((attempt.path, attempt.record_loss()))
                except OSError as error:  # whoever asks for this attempt finds the same
                    if error.errno not in NOTHING_THERE:
                        raise
                self.leave(attempt.path)
        self.close()
        return losses

    def close(self) -> None:
        """Remove it, and what the supervisor leaves of its cgroups."""
        end_all(self._data, self._supervisor)
        with suppress(OSError):  # not empty, or closed by someone else
            os.rmdir(self._folder)

    def _entry(self, path: str) -> str:
        return os.path.join(self._folder, path.replace("/", "."))


def free_bytes(folder: str) -> int:
    """What may still be written to the disk of this folder, or of the nearest above if it is
    gone."""
    while True:
        try:
            system = os.statvfs(folder)
        except FileNotFoundError:
            folder = os.path.dirname(folder)
        else:
            return system.f_bavail * system.f_frsize


def process_identity(pid: int) -> str | None:
    """What tells this process from a later one with the same id; None if there is no such
    process."""
    if sys.platform != "linux":
        with os.popen(f"ps -o lstart= -p {pid:d}") as answer:
            return answer.read().strip() or None
    try:
        with (
            open(f"/proc/{pid}/stat", "rb") as stat,
            open("/proc/sys/kernel/random/boot_id") as boot,
        ):
            return f"{boot.read().strip()}/{stat.read().rpartition(b')')[2].split()[19].decode()}"
    except (FileNotFoundError, ProcessLookupError):
        return None


def signal_group(group: int, signum: int) -> bool:
    """Signal a process group; False if it has no process left that we may signal."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_its_group(start: StartRecord) -> bool:
    """Is the group with this id still that of the attempt? Its leader may be dead while others of
    it live on."""
    now = process_identity(start.pid)
    if now is not None:
        return now == start.identity
    boot, ours = start.identity.partition("/")[0], process_identity(os.getpid()) or ""
    return boot == ours.partition("/")[0]


def _write(path: str, tree: dict[str, Any], *, lasting: bool = False) -> None:
    """Replace the file in one step; `lasting`: it survives a crash of the machine, too."""
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


def _read_as(kind: type[R], path: str) -> R | None:
    """The record in a file: None if there is none, or nonsense. What this version does not know of
    it is left out."""
    tree = _read(path) or {}
    known = {name: tree[name] for name in kind._fields if name in tree}
    if not all(isinstance(value, kind.__annotations__[name]) for name, value in known.items()):
        return None
    try:
        return kind(**known)
    except TypeError:  # without a field that it must have
        return None


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open_regular(path) as file:
            tree = json.loads(file.read(MAX_RECORD))
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        if error.errno in NOTHING_THERE:
            return None
        raise
    return tree if isinstance(tree, dict) else None
