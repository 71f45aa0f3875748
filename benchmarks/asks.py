"""How long the default algorithm lets a request for suggestions wait, through the pool of workers,
without a database.

One experiment of six parameters, asked for one suggestion at a time and told every result: its
first 500 trials, and then 1,000 to 100,000 of which all but the last are a journal that a worker
has to replay first; the quick version leaves out the 100,000. 64 suggestions at once after 200
trials. The memory of the worker that has 10,000 trials. The replay of 1,000 trials, as after the
death of a worker. And 100 experiments of 20 trials that ask for their first suggestion at the same
moment and for each next one a second or two later; that crowd shares the machine's cores with this
program.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

from algorithms.search import DEFAULT
from algorithms.search.journal import Asked, Told
from algorithms.search.live import Origin, Question
from algorithms.search.outcome import Outcome as Result
from benchmarks.gap import percentile
from benchmarks.outcome import Outcome, say
from controller.settings import SuggestionSettings
from controller.suggestion.pool import Pool, open_pool
from events.spec.document import load
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

MEASURES = 1, 2
"""The quick version measured other sizes: up to 50 trials, and 100 to 10,000."""
SMALL, LARGE, REPLAYED, HEAVY = 500, (1_000, 10_000, 100_000), 1_000, 10_000
BATCH, CROWD, CROWD_TRIALS = 64, 100, 20
MODELLED = 200
"""Trials before the batch, as many as the model of the default algorithm holds."""
SAMPLE = 200
"""Requests at each size."""
PAUSE = (1.0, 2.0)
"""Seconds from an answer to the next request, in the crowd."""
SPEC = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {{name: asks}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: {algorithm}}}
  maxTrialCount: 200000
  parallelTrialCount: {parallel}
  parameters:
  - name: lr
    parameterType: double
    feasibleSpace: {{min: 0.0001, max: 1, distribution: logUniform}}
  - {{name: momentum, parameterType: double, feasibleSpace: {{min: 0, max: 1}}}}
  - {{name: decay, parameterType: double, feasibleSpace: {{min: 0, max: 0.1}}}}
  - {{name: units, parameterType: int, feasibleSpace: {{min: 8, max: 4096}}}}
  - {{name: layers, parameterType: int, feasibleSpace: {{min: 1, max: 12}}}}
  - {{name: optimizer, parameterType: categorical, feasibleSpace: {{list: [sgd, adam, lion]}}}}
  trialTemplate: {{command: [train]}}
"""


def spec(parallel: int = 4) -> ExperimentSpec:
    return load(SPEC.format(algorithm=DEFAULT, parallel=parallel).encode()).spec


def measure(home: Path, *, quick: bool) -> Outcome:
    return Outcome(asyncio.run(_measure(LARGE[:-1] if quick else LARGE)), "none")


async def _measure(sizes: Sequence[int]) -> dict[str, float]:
    figures = {**await _alone(sizes), **await _crowd(CROWD, CROWD_TRIALS)}
    for name, figure in figures.items():
        say(f"{name} {figure:.4g}")
    return figures


async def _alone(sizes: Sequence[int]) -> dict[str, float]:
    async with open_pool(SuggestionSettings(workers=1)) as pool:
        await Asker(pool, spec()).ask()  # the libraries are imported: a controller does that once
        grown = Asker(pool, spec())
        small = sorted(await _grown(grown, SMALL))
        journal = await _journal(grown, sizes[-1])
        large = [await _median_at(Asker.at(pool, journal, size)) for size in sizes]
        replayed = await Asker.at(pool, journal, REPLAYED).ask()
        asker = Asker.at(pool, journal, MODELLED)
        await asker.ask()
        batch = await asker.ask(BATCH)
    async with open_pool(SuggestionSettings(workers=1)) as pool:
        asker = Asker.at(pool, journal, HEAVY)
        await _grown(asker, SAMPLE)
        memory = max(child.memory_info().rss for child in psutil.Process().children(recursive=True))
    return {
        "ask_p50_ms": 1000 * percentile(small, 50),
        "ask_p99_ms": 1000 * percentile(small, 99),
        "ask_large_p50_ms": 1000 * max(large),
        **({"ask_large_growth": large[-1] / large[0]} if sizes == LARGE else {}),
        "batch_64_s": batch,
        "worker_mib": memory / 2**20,
        "replay_s": replayed,
    }


async def _median_at(asker: "Asker") -> float:
    """Seconds that one suggestion takes after the asker's journal has been replayed."""
    await asker.ask()
    middle = percentile(sorted(await _grown(asker, SAMPLE)), 50)
    say(f"{asker.suggested - SAMPLE - 1:,} trials: median {1000 * middle:.2f} ms")
    asker.leave()
    return middle


async def _journal(asker: "Asker", trials: int) -> Sequence[Asked | Told]:
    """That of the asker's experiment when so many trials have run one after the other."""
    while asker.suggested < trials:
        await _grown(asker, min(10_000, trials - asker.suggested))
        say(f"a journal of {asker.suggested:,} trials is made")
    asker.leave()
    return [*asker.journal, *asker.news]


async def _crowd(experiments: int, trials: int) -> dict[str, float]:
    async with open_pool() as pool:
        await Asker(pool, spec()).ask()
        async with asyncio.TaskGroup() as tasks:
            dice = random.Random(1)
            running = [
                tasks.create_task(_grown(Asker(pool, spec()), trials, random.Random(dice.random())))
                for _ in range(experiments)
            ]
    waits = sorted(wait for task in running for wait in task.result())
    return {
        "crowd_p50_ms": 1000 * percentile(waits, 50),
        "crowd_p99_ms": 1000 * percentile(waits, 99),
    }


@dataclass(slots=True)
class Asker:
    """One experiment: what its flow knows, and its whole journal."""

    pool: Pool
    spec: ExperimentSpec
    name: str = field(default_factory=lambda: uuid4().hex)
    journal: list[Asked | Told] = field(default_factory=list)
    news: list[Told] = field(default_factory=list)
    suggested: int = 0
    answered: int = 0

    @classmethod
    def at(cls, pool: Pool, journal: Sequence[Asked | Told], trials: int) -> "Asker":
        """One that has the first so many trials of a journal behind it."""
        return cls(pool, spec(), journal=list(journal[: 2 * trials]), suggested=trials)

    async def ask(self, count: int = 1) -> float:
        """Seconds until the suggestions are there; their results are known at once, for the next
        request."""
        question = Question(self.name, self.answered, tuple(self.news), count)
        began = time.perf_counter()
        suggested = await self.pool.ask(question, self.spec, self._recall)
        seconds = time.perf_counter() - began
        self.journal += self.news
        self.news.clear()
        self.answered += 1
        for assignment in suggested.assignments:
            self.suggested += 1
            self.journal.append(Asked(assignment))
            self.news.append(Told(self.suggested, result(assignment)))
        return seconds

    def leave(self) -> None:
        self.pool.forget(self.name)

    async def _recall(self) -> tuple[Origin, Sequence[Asked | Told]]:
        return Origin(self.spec, 1), self.journal


def result(assignment: Assignment) -> Result:
    """A bowl with a slope: something to learn."""
    numbers = [float(assignment[name]) for name in ("lr", "momentum", "decay", "layers")]
    lr, momentum, decay, layers = numbers
    return Result(((lr - 0.1) ** 2 + (momentum - 0.9) ** 2 + decay + 0.01 * (layers - 4) ** 2,))


async def _grown(asker: Asker, trials: int, dice: random.Random | None = None) -> list[float]:
    """The waits of so many requests, one after the other."""
    waits = []
    for _ in range(trials):
        waits.append(await asker.ask())
        if dice is not None:
            await asyncio.sleep(dice.uniform(*PAUSE))
    return waits
