"""How long a free place stays empty: from the last act of a trial to the first act of the one that
follows it.

Trials are real processes under `trialstream run`. Each is a bash that notes the time from its own
clock variable, first and last, so noting starts no process; the start of bash and its exit count as
part of the gap. The k-th end, in order of time, frees the place that the (k + parallel)-th start
takes.
"""

import asyncio
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import document, quoted, run
from benchmarks.outcome import CannotMeasureError, Outcome, say

TRIALS, QUICK_TRIALS, PARALLEL = 400, 120, 4
SHORTEST, LONGEST = 0.1, 0.3
"""Seconds that a trial sleeps, evenly drawn."""
TRIAL = """\
LC_ALL=C; s=$EPOCHREALTIME; sleep $0; echo loss=$0; echo "$s $EPOCHREALTIME" >> {file}"""


def measure(home: Path, *, quick: bool) -> Outcome:
    check_bash()
    trials, file = QUICK_TRIALS if quick else TRIALS, home / "times"
    words = ["bash", "-c", TRIAL.format(file=quoted(str(file))), "${trialParameters.x}"]
    say(f"{trials} trials of {SHORTEST} to {LONGEST} s, {PARALLEL} at a time")
    done = asyncio.run(run(home, document(trials, PARALLEL, words, SHORTEST, LONGEST), trials))
    waits = gaps(
        [
            (float(start), float(end))
            for start, end in map(str.split, file.read_text().splitlines())
        ],
        PARALLEL,
    )
    figures = {
        "gap_p50_ms": 1000 * percentile(waits, 50),
        "gap_p99_ms": 1000 * percentile(waits, 99),
    }
    return Outcome(figures, done.postgres)


def check_bash() -> None:
    """A bash of version 5 has a clock."""
    bash = shutil.which("bash")
    clock = (
        bash
        and subprocess.run(
            [bash, "-c", "echo $EPOCHREALTIME"], capture_output=True, check=True
        ).stdout.strip()
    )
    if not clock:
        raise CannotMeasureError("this benchmark needs bash 5 or newer in PATH; install it")


def gaps(times: Sequence[tuple[float, float]], parallel: int) -> list[float]:
    """Seconds between each end and the start that follows it in the same place, sorted."""
    starts = sorted(start for start, _ in times)
    ends = sorted(end for _, end in times)
    return sorted(start - end for end, start in zip(ends, starts[parallel:], strict=False))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least value that `percent` of `ordered` do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
