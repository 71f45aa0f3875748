"""The whole controller with its Postgres, as fast as it can: trials are answered by a function in
virtual time.

The controller and Postgres share the machine. Speed counts from the first flow to the end of the
experiment; the start of Postgres is left out. Memory is what the system says this process holds
(RSS, after a garbage collection), at a fifth of the trials and when the last one starts: both times
as many trials are live, and everything is warm. The simulated cluster is in the process, too, and
what it remembers counts.
"""

import asyncio
import gc
import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from uuid import uuid4

import psutil

from benchmarks.command import document
from benchmarks.database import Store, store
from benchmarks.outcome import CannotMeasureError, Outcome, say
from controller.app.components import Components, open_components
from controller.app.solo import run_to_rest
from controller.cluster.simulated import Answer, SimulatedCluster
from controller.flows.admit import Admission, admit
from controller.suggestion.pool import open_pool
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope
from events.ids import ExperimentId
from events.signals import ExperimentSubmitted
from events.spec.document import load
from events.spec.space import Assignment

TRIALS, QUICK_TRIALS, PARALLEL, RUNS = 10_000, 4_000, 100, 5
WINDOW = 1_000
"""Trials at the beginning and at the end whose durations are compared."""
MEASURES = 2, 2
"""What it measures, and what the quick version does: the whole one took the growth of memory from
the median run, and all runs but the first use memory that the process has got before. The quick one
took it from the 400th trial on, when not everything is warm."""
SEED = 1
_DATES = "SELECT concluded_at FROM trial WHERE state = 'Succeeded' ORDER BY ordinal"


def measure(home: Path, *, quick: bool) -> Outcome:
    """The medians of several runs, each on a database of its own: a window of a second feels every
    neighbour.

    The growth of memory is that of the first run: the others use memory that the process has got
    before."""
    trials, runs = (QUICK_TRIALS, 1) if quick else (TRIALS, RUNS)
    outcomes = [asyncio.run(_measure(home / str(number), trials)) for number in range(runs)]
    names = outcomes[0].figures
    figures = {name: median(outcome.figures[name] for outcome in outcomes) for name in names}
    figures["bytes_per_trial"] = outcomes[0].figures["bytes_per_trial"]
    return Outcome(figures, outcomes[0].postgres)


async def _measure(home: Path, trials: int) -> Outcome:
    memory = Memory(trials)
    async with store(home / "data") as opened:
        seconds = await _run(opened, memory, trials)
        dates = [row["concluded_at"] for row in await opened.database.fetch(_DATES)]
        postgres = await opened.version()
    if len(dates) != trials:
        raise CannotMeasureError(f"{len(dates)} of {trials} trials have succeeded")
    figures = {
        "trials_per_second": trials / seconds,
        "slowdown": slowdown(dates, min(WINDOW, trials // 4)),
        "bytes_per_trial": memory.growth,
    }
    say(", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return Outcome(figures, postgres)


async def _run(opened: Store, memory: "Memory", trials: int) -> float:
    """Seconds that the experiment takes."""
    cluster = SimulatedCluster(memory.answer)
    owner = f"benchmark/{os.getpid()}"
    async with (
        open_pool() as pool,
        open_components(
            opened.database,
            MemoryBus(),
            pool,
            cluster,
            cluster.follow,
            owner=owner,
            restart_database=opened.server.ensure,
        ) as components,
    ):
        admission = await _admitted(components, trials)
        began = time.monotonic()
        await run_to_rest(components, admission.shard, admission.experiment.identity.id)
        return time.monotonic() - began


async def _admitted(components: Components, trials: int) -> Admission:
    experiment = load(document(trials, PARALLEL, ["simulated", "${trialParameters.x}"]).encode())
    submitted = ExperimentSubmitted(
        name=experiment.name, namespace=experiment.namespace, spec=experiment.spec, seed=SEED
    )
    envelope = Envelope(uuid4(), None, ExperimentId(uuid4()), now(), submitted)
    return await admit(components.ledger, components.mailbox, components.check, envelope)


class Memory:
    """Answers the trials, and looks at the memory of this process as they go by."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self._started = 0
        self._resident: dict[int, int] = {}

    def answer(self, assignment: Assignment) -> Answer:
        """One report, a second long."""
        self._started += 1
        if self._started % (self._trials // 10) == 0:
            self._look()
        return Answer([{"loss": (float(assignment["x"]) - 0.3) ** 2}])

    def _look(self) -> None:
        gc.collect()
        size = psutil.Process().memory_info().rss
        self._resident[self._started] = size
        say(f"{self._started:,} of {self._trials:,} trials started, {size / 2**20:.1f} MiB")

    @property
    def growth(self) -> float:
        """Bytes for each trial between a fifth and the end."""
        first, last = self._trials // 5, self._trials
        return (self._resident[last] - self._resident[first]) / (last - first)


def slowdown(dates: Sequence[datetime], window: int) -> float:
    """How much longer the last `window` trials took than the first."""
    return (dates[-1] - dates[-window]) / (dates[window - 1] - dates[0])
