"""Processes that left their trial's process group: when their parent dies they become children of
the supervisor, which so finds them however they detach (PR_SET_CHILD_SUBREAPER, Linux)."""

import os
import signal
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from controller.cluster.local.cgroups import Cgroup

MARK = b"TRIALSTREAM_METRICS_FILE="
"""The variable that each trial gets; its value lies in the attempt's folder."""


def orphans(
    experiments: str, known: Collection[int], groups: Mapping[int, str], cgroup: Cgroup
) -> dict[str, set[int]]:
    """Path of an attempt → our children that belong to it, without those that are `known`; under ""
    those that belong to none, which hide where they come from. `groups`: process group → path;
    `cgroup`: ours, below which the attempts have theirs."""
    found: dict[str, set[int]] = {}
    for pid in _children().difference(known):
        with suppress(OSError):  # it has ended meanwhile
            path = groups.get(os.getpgid(pid)) or groups.get(os.getsid(pid))
            path = path or cgroup.attempt_of(pid) or _marked_path(pid, experiments)
            found.setdefault(path, set()).add(pid)
    return found


def owner_of(pid: int, parents: Mapping[int, int], owners: Mapping[int, str]) -> str | None:
    """The attempt to which the process or its nearest ancestor in `owners` belongs."""
    while pid not in owners:
        if pid not in parents:
            return None
        pid = parents[pid]
    return owners[pid]


def kill_marked(folder: str) -> None:
    """SIGKILL to every process that carries the mark of the attempt in `folder`."""
    wanted = MARK + os.fsencode(folder) + b"/"
    for pid in _all_processes():
        if any(variable.startswith(wanted) for variable in _environment(pid)):
            signal_one(pid, signal.SIGKILL)


def signal_one(pid: int, signum: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


def _marked_path(pid: int, experiments: str) -> str:
    start = MARK + os.fsencode(experiments) + b"/"
    for variable in _environment(pid):
        if variable.startswith(start):
            return "/".join(os.fsdecode(variable[len(start) :]).split("/")[:3])
    return ""


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:  # it has ended, or belongs to another user
        return []


def _children() -> set[int]:
    """Our child processes."""
    us = os.getpid()
    try:
        with open(f"/proc/self/task/{us}/children") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN, or no Linux
        return {pid for pid in _all_processes() if _parent(pid) == us}


def _all_processes() -> Iterator[int]:
    with suppress(OSError):
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
