"""What a benchmark ran on: the machine and the versions of what took part."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("trialstream", "asyncpg", "nevergrad")


def machine() -> dict[str, object]:
    """Cores that this process may use, cpu model, memory in GiB, kernel, and the load average of
    the last minute."""
    return {
        "cores": len(psutil.Process().cpu_affinity())
        if sys.platform == "linux"
        else os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
    }


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Of Python and of the installed packages that count, `more` among them."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in (*PACKAGES, *more)},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
