"""How much memory trials hold with all their processes, and how often the kernel killed a process
because memory ran out."""

import os
import sys
from collections.abc import Collection, Mapping
from typing import NamedTuple

from controller.cluster.local.orphans import owner_of


class SystemProcess(NamedTuple):
    """A process of this machine; `resident` in bytes."""

    pid: int
    parent: int
    group: int
    resident: int


def resident_bytes(
    groups: Mapping[int, str], orphans: Mapping[str, Collection[int]]
) -> dict[str, int]:
    """Path of an attempt → bytes of resident memory, summed over its processes (shared pages count
    in each): those of its group, its orphans, and all that descend from either."""
    processes = _on_linux() if sys.platform == "linux" else _elsewhere()
    parents = {one.pid: one.parent for one in processes}
    owners = {pid: path for path, pids in orphans.items() for pid in pids}
    owners |= {one.pid: groups[one.group] for one in processes if one.group in groups}
    sums = dict.fromkeys(groups.values(), 0)
    for one in processes:
        path = owner_of(one.pid, parents, owners)
        if path in sums:
            sums[path] += one.resident
    return sums


def oom_kills() -> int:
    """How often the kernel has killed a process because memory ran out, since the machine started;
    0 if unknown."""
    try:
        with open("/proc/vmstat", "rb") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(b"oom_kill ")), 0)
    except OSError:
        return 0


def _on_linux() -> list[SystemProcess]:
    page = os.sysconf("SC_PAGE_SIZE")
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            found.append(
                SystemProcess(int(name), int(fields[1]), int(fields[2]), int(fields[21]) * page)
            )
    return found


def _elsewhere() -> list[SystemProcess]:
    with os.popen("ps -axo pid=,ppid=,pgid=,rss=") as answer:
        return [
            SystemProcess(pid, parent, group, kilobytes * 1024)
            for pid, parent, group, kilobytes in (map(int, line.split()) for line in answer)
        ]
