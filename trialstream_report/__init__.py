"""`report(step=3, accuracy=0.93)`: tells the trial in which a program runs how well it does.

This file needs the standard library alone and Python 3.8, and may be copied. Where no trial runs,
`report` does nothing, and says so once. Whatever goes wrong, the program goes on.
"""

from __future__ import annotations

import json
import math
import operator
import os
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False  # what typing calls so, without the import of typing
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import SupportsFloat, SupportsIndex

__all__ = ["ReportError", "report"]

FILE = "TRIALSTREAM_REPORT_FILE"
"""The variable of the environment that names the file; whoever starts the trial sets it."""
TRIAL = "TRIALSTREAM_TRIAL"
RANKS = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK",
    "SLURM_PROCID", "JOB_COMPLETION_INDEX",
)  # fmt: skip
"""Variables with a process's place among others, as torchrun, Lightning, Open MPI, MPICH, PMIx,
Slurm and Kubernetes set them."""
TAKEN = ("step", "timestamp")
LONGEST = 64 * 1024
"""Bytes of a line that the collector reads."""
MOST_SAID = 20
"""Complaints of one process, each about something else."""

_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_said: set[str] = set()
_first = (0, False)
"""A process, and whether it is the first of its group: a fork is another process."""


class ReportError(Exception):
    """Something was not reported; the message says what, and why. Raised by `strict` calls only."""


def report(
    metrics: Mapping[str, SupportsFloat] | None = None,
    /,
    *,
    step: SupportsIndex | None = None,
    strict: bool = False,
    every_rank: bool = False,
    **named: SupportsFloat,
) -> None:
    """Report the values of metrics: `report(loss=0.4)`, or `report({"val/loss": 0.4}, step=3)`.

    A value is what float() takes, a number of numpy or torch, too, but no text; nan and infinities
    arrive as what they are. `step` is a whole number.

    Of several processes the first alone reports: one for which any of RANK, LOCAL_RANK, NODE_RANK,
    OMPI_COMM_WORLD_RANK, PMI_RANK, PMIX_RANK, SLURM_PROCID and JOB_COMPLETION_INDEX is above 0
    stays silent, unless `every_rank`. They are read at the first report of a process.

    May be called from all threads and forks at once. What cannot be reported is left out, and said
    once on standard error; with `strict`, ReportError is raised once the rest is reported.
    """
    try:
        problems = _report({**(metrics or {}), **named}, step, every_rank)
    except Exception as error:  # of an object that is no mapping, or of the disk
        problems = [f"nothing is reported: {type(error).__name__}: {error}"]
    if problems and strict:
        raise ReportError("; ".join(problems))
    for problem in problems:
        _say(problem)


def _report(
    metrics: Mapping[str, object], step: SupportsIndex | None, every_rank: bool
) -> list[str]:
    """Append a line with all that can be reported; what cannot, and why."""
    if not (every_rank or _is_first()):
        return []
    file = os.environ.get(FILE)
    if not file:
        return _without_file()
    line: dict[str, object] = {"timestamp": time.time()}
    problems = _fill(line, metrics)
    if len(line) > 1:
        if step is not None:
            try:
                line["step"] = operator.index(step)
            except TypeError:
                problems.append(f"step is left out: a {_kind(step)} is no whole number")
        # A line of somebody else may be half written, if the disk was full: it must not take ours
        # along.
        data = f"\n{json.dumps(line)}\n".encode()
        if len(data) > LONGEST:
            return [*problems, f"nothing is reported: {len(metrics)} metrics are too many at once"]
        _append(file, data)
    return problems


def _fill(line: dict[str, object], metrics: Mapping[str, object]) -> list[str]:
    problems = []
    for name, value in metrics.items():
        if not isinstance(name, str) or name in TAKEN:
            problems.append(f"{name!r} is no name of a metric")
            continue
        try:
            number = _number(value)
        except Exception:
            problems.append(f"{name} is not reported: a {_kind(value)} is no number")
        else:
            line[name] = number if math.isfinite(number) else repr(number)
    return problems


def _number(value: object) -> float:
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError
    return float(value)  # type: ignore[arg-type]


def _kind(value: object) -> str:
    return type(value).__name__


def _is_first() -> bool:
    global _first
    process = os.getpid()
    if _first[0] != process:
        _first = process, not any(_is_above_0(os.environ.get(name)) for name in RANKS)
    return _first[1]


def _is_above_0(rank: str | None) -> bool:
    try:
        return int(rank or 0) > 0
    except ValueError:
        return False


def _without_file() -> list[str]:
    if os.environ.get(TRIAL):
        return [
            "nothing is reported: the experiment collects its metrics in another way; write "
            "metricsCollectorSpec: {collector: {kind: Push}}"
        ]
    _say("no trial runs here, so nothing is reported")
    return []


def _append(file: str, data: bytes) -> None:
    """One write, so that no other process or thread comes between; nothing is kept open that a
    fork might share, or a program close."""
    descriptor = _opened(file)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def _opened(file: str) -> int:
    try:
        return os.open(file, _FLAGS)
    except FileNotFoundError:
        descriptor = os.open(file, _FLAGS | os.O_CREAT, 0o644)
    with suppress(OSError):  # whatever the umask: the collector may be another user
        os.chmod(file, 0o644)
    return descriptor


def _say(problem: str) -> None:
    if problem in _said or len(_said) >= MOST_SAID:
        return
    _said.add(problem)
    with suppress(Exception):  # there may be no standard error
        print(f"trialstream_report: {problem}", file=sys.stderr, flush=True)
