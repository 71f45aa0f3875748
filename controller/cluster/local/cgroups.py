"""Cgroups of trials, where there is a cgroup v2 that may be written: a process stays in that of its
trial however it detaches. Where there is none, all of this finds nothing and does nothing.

A supervisor has one below that in which it was started, with one for each of its attempts. No
controllers are enabled in them: they only say who belongs together.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

PREFIX = "trialstream-"
END_SECONDS = 1.0
"""How long a cgroup that was killed is given to become empty."""
_ESCAPES = ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\"))


class Cgroup(NamedTuple):
    """A cgroup by its folder; one that is not there has no members."""

    path: str

    def members(self) -> set[int]:
        """Its processes, with those in cgroups below it."""
        found: set[int] = set()
        for folder, _, _ in os.walk(self.path):
            with suppress(OSError):  # removed meanwhile
                found.update(int(pid) for pid in _read(os.path.join(folder, "cgroup.procs")))
        return found - {0}  # such are in none of the namespaces that we see

    def is_populated(self) -> bool:
        """Has it a process that has not ended, also below it?"""
        try:
            return _is_populated(" ".join(_read(os.path.join(self.path, "cgroup.events"))))
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL to all its processes, none of which escapes by a fork."""
        try:
            file = os.open(os.path.join(self.path, "cgroup.kill"), os.O_WRONLY)
            try:
                os.write(file, b"1")
            finally:
                os.close(file)
        except OSError:  # before Linux 5.14, or it is not there
            killed: set[int] = set()
            while more := self.members() - killed:
                for pid in more:
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                killed |= more

    def remove(self) -> bool:
        """Remove it, with those below it; False if something is left in one of them."""
        with suppress(OSError):  # it has some below it
            os.rmdir(self.path)
            return True
        for folder, _, _ in os.walk(self.path, topdown=False):
            with suppress(OSError):  # not empty, or removed by someone else
                os.rmdir(folder)
        return not os.path.exists(self.path)

    def end(self) -> bool:
        """Kill what is in it, and remove it; False if that does not end."""
        self.kill()
        until = time.monotonic() + END_SECONDS
        with suppress(OSError), open(os.path.join(self.path, "cgroup.events"), "rb") as file:
            changes = select.poll()
            changes.register(file, select.POLLPRI)
            while (
                _is_populated(os.pread(file.fileno(), 4096, 0).decode())
                and (left := until - time.monotonic()) > 0
            ):
                changes.poll(left * 1000)
        return self.remove()

    def of_attempt(self, attempt: str) -> "Cgroup":
        """That of one attempt (by its path) below this one of a supervisor."""
        return Cgroup(os.path.join(self.path, attempt.replace("/", ".")))

    def make_attempt(self, attempt: str) -> "Cgroup":
        """As `of_attempt`, made now; NOWHERE if that fails."""
        made = self.of_attempt(attempt)
        try:
            os.mkdir(made.path)
        except OSError:
            return NOWHERE
        return made

    def attempt_of(self, pid: int) -> str:
        """The path of the attempt below this cgroup of a supervisor to which the process belongs;
        "" if it is in none."""
        if self == NOWHERE:
            return ""
        with suppress(OSError):
            for line in _lines(f"/proc/{pid}/cgroup"):
                _, below, rest = line.partition(f"/{os.path.basename(self.path)}/")
                if line.startswith("0::") and below:
                    return rest.split("/")[0].replace(".", "/")
        return ""


NOWHERE = Cgroup(os.devnull)
"""Below a file there is nothing: this has no members, and nobody can enter it."""


def make(data: str, supervisor: str, works: Callable[[str], bool]) -> Cgroup:
    """The cgroup of a supervisor, below our own; NOWHERE if there can be none that `works`.

    A symlink in `<data>/supervisors` keeps where it is, for whoever comes after the supervisor."""
    note = _note(data, supervisor)
    for parent in _own():
        made = Cgroup(os.path.join(parent, PREFIX + supervisor))
        with suppress(OSError):
            os.symlink(made.path, note)  # first, so that it is never there unknown
            os.mkdir(made.path)
            if works(made.path):
                return made
        made.remove()
        with suppress(OSError):
            os.unlink(note)
    return NOWHERE


def end_attempt(data: str, supervisor: str, attempt: str) -> None:
    """For a supervisor that is dead: kill what is in the cgroup of its attempt, and remove it."""
    noted = _noted(data, supervisor)
    noted.of_attempt(attempt).end()
    _forget(data, supervisor, noted)


def end_all(data: str, supervisor: str) -> None:
    """For a supervisor that is dead or ends: kill what is in any of its cgroups, and remove
    them."""
    noted = _noted(data, supervisor)
    noted.end()
    _forget(data, supervisor, noted)


def _forget(data: str, supervisor: str, noted: Cgroup) -> None:
    if noted is not NOWHERE and noted.remove():
        with suppress(OSError):  # the data folder may have been deleted
            os.unlink(_note(data, supervisor))


def _note(data: str, supervisor: str) -> str:
    return os.path.join(data, "supervisors", f"{supervisor}.cgroup")


def _noted(data: str, supervisor: str) -> Cgroup:
    """What the note names; NOWHERE if that is no cgroup of this supervisor: all in it is killed."""
    try:
        path = os.readlink(_note(data, supervisor))
        folders = [folder for _, folder in _mounts()]
    except OSError:
        return NOWHERE
    inside = any(path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
    named = os.path.normpath(path) == path and os.path.basename(path) == PREFIX + supervisor
    return Cgroup(path) if inside and named else NOWHERE


def _own() -> list[str]:
    """Our own cgroup's folder below each mount that shows it."""
    try:
        own = next(
            line.removeprefix("0::")
            for line in _lines("/proc/self/cgroup")
            if line.startswith("0::")
        )
        mounts = list(_mounts())
    except (OSError, StopIteration):  # no Linux, or cgroup v1 only
        return []
    return [
        folder + own.removeprefix(root.rstrip("/"))
        for root, folder in mounts
        if f"{own}/".startswith(f"{root.rstrip('/')}/")
    ]


def _mounts() -> Iterator[tuple[str, str]]:
    """Of each cgroup v2 that is mounted, what it shows of the hierarchy, and where."""
    for line in _lines("/proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            root, folder = place.split()[3:5]
            yield _unescaped(root), _unescaped(folder)


def _unescaped(path: str) -> str:
    for code, character in _ESCAPES:
        path = path.replace(code, character)
    return path


def _is_populated(events: str) -> bool:
    return "populated 1" in events


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().splitlines()


def _read(path: str) -> list[str]:
    with open(path) as file:
        return file.read().split()
