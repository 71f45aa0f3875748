"""One run of one contender on one problem: an asynchronous experiment in simulated time.

`workers` trials run at once; each takes a log-normal time, the same for the n-th trial of every
contender, and results are told in the order in which trials end. A run that asks for nothing more
ends early. What a contender needs for a trial is processor time of this process, so a busy machine
does not count.
"""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

import numpy as np

from benchmarks.quality.problem import Problem
from events.spec.space import Assignment, Parameter

SPREAD = 0.5
"""Standard deviation of the logarithm of a trial's time."""
NOISE_STRIDE = 1_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """What a contender is told before it starts."""

    parameters: tuple[Parameter, ...]
    workers: int
    trials: int
    seed: int


class Contender(Protocol):
    """Ask and tell; the n-th assignment asked for (from 1) is trial n."""

    def ask(self) -> Assignment | None:
        """None if there is nothing left to suggest."""
        ...

    def tell(self, trial: int, loss: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went: where the incumbent (the best by observed loss) changed, and milliseconds for
    each trial.

    `incumbents` has pairs: the number of results with which it became the incumbent, and its true
    loss.
    """

    incumbents: Sequence[tuple[int, float]]
    milliseconds: Sequence[float]


def simulate(contender: Contender, problem: Problem, task: Task) -> Course:
    durations = np.random.default_rng([task.seed, zlib.crc32(problem.name.encode())]).lognormal(
        0, SPREAD, task.trials
    )
    running: list[tuple[float, int, Assignment]] = []
    milliseconds: list[float] = []
    incumbents: list[tuple[int, float]] = []
    clock, best, results, more = 0.0, float("inf"), 0, True
    while True:
        while more and len(running) < task.workers and len(milliseconds) < task.trials:
            began = time.process_time()
            assignment = contender.ask()
            if assignment is None:
                more = False
                break
            milliseconds.append((time.process_time() - began) * 1000)
            trial = len(milliseconds)
            heappush(running, (clock + durations[trial - 1], trial, assignment))
        if not running:
            return Course(incumbents, milliseconds)
        clock, trial, assignment = heappop(running)
        loss = problem.observed(assignment, task.seed * NOISE_STRIDE + trial)
        results += 1
        if loss < best:
            best = loss
            incumbents.append((results, problem.true(assignment)))
        began = time.process_time()
        contender.tell(trial, loss)
        milliseconds[trial - 1] += (time.process_time() - began) * 1000
