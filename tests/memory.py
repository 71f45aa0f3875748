"""Memory that is taken from a process while it runs."""

from pathlib import Path

import psutil


def deny_memory(process: psutil.Process) -> None:
    """From now on it gets no more writable memory; what it has it keeps."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    writable = next(int(one.split()[1]) * 1024 for one in lines if one.startswith("VmData"))
    _, most = process.rlimit(psutil.RLIMIT_DATA)
    process.rlimit(psutil.RLIMIT_DATA, (writable, most))
