"""Many one-second trials as real processes under `trialstream run`: how near it comes to the least
possible time.

A trial is a shell that says its loss and becomes `sleep 1`, so nearly all of it is the second. The
least possible time is trials / parallel seconds. The span is from the first start to the last
conclusion, as Postgres dates them.
"""

import asyncio
from pathlib import Path

from benchmarks.command import document, run
from benchmarks.outcome import Outcome, say

TRIALS, QUICK_TRIALS, PARALLEL = 10_000, 160, 16
TRIAL = ["sh", "-c", 'echo "loss=$0"; exec sleep 1', "${trialParameters.x}"]


def measure(home: Path, *, quick: bool) -> Outcome:
    trials = QUICK_TRIALS if quick else TRIALS
    floor = trials / PARALLEL
    say(f"{trials:,} trials of a second, {PARALLEL} at a time: {floor:g} s at least")
    done = asyncio.run(run(home, document(trials, PARALLEL, TRIAL), trials))
    return Outcome(
        {"floor_ratio": done.span / floor, "whole_run_ratio": done.seconds / floor}, done.postgres
    )
