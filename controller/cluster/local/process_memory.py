"""How much memory process groups hold, and how often the kernel killed a process because memory ran
out."""

import os
import sys
from collections.abc import Collection


def resident_bytes(groups: Collection[int]) -> dict[int, int]:
    """Process group → bytes of resident memory, summed over its processes (shared pages count in
    each)."""
    sums = dict.fromkeys(groups, 0)
    for group, size in _groups_on_linux() if sys.platform == "linux" else _groups_elsewhere():
        if group in sums:
            sums[group] += size
    return sums


def oom_kills() -> int:
    """How often the kernel has killed a process because memory ran out, since the machine started;
    0 if unknown."""
    try:
        with open("/proc/vmstat", "rb") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(b"oom_kill ")), 0)
    except OSError:
        return 0


def _groups_on_linux() -> list[tuple[int, int]]:
    """Group and bytes of every process."""
    page = os.sysconf("SC_PAGE_SIZE")
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            found.append((int(fields[2]), int(fields[21]) * page))
    return found


def _groups_elsewhere() -> list[tuple[int, int]]:
    with os.popen("ps -axo pgid=,rss=") as answer:
        return [
            (int(group), int(kilobytes) * 1024)
            for group, kilobytes in (line.split() for line in answer)
        ]
