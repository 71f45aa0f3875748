"""Experiments written into a real database by deciding on signals, as the controller does."""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from controller.core.decide import decide
from controller.core.evolve import begin
from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store.leases import Leases, open_leases
from controller.store.ledger import Batch, Ledger
from controller.store.measurements import Measurements
from controller.store.migrate import migrate
from controller.store.postgres import Database, open_database
from events.envelope import Envelope
from events.facts import Cause, ExperimentAdmitted
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.metrics import Point
from events.signals import (
    MetricsCollected,
    Signal,
    SuggestionsMade,
    TimePassed,
    TrialJudged,
    WorkloadEnded,
    WorkloadStarted,
)
from events.spec.document import load
from events.spec.space import Assignment
from tests.experiments import experiment_text

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SPACE = [
    {
        "name": "lr",
        "parameterType": "double",
        "feasibleSpace": {"min": 0.0001, "max": 0.1, "distribution": "logUniform"},
    },
    {"name": "layers", "parameterType": "int", "feasibleSpace": {"min": 1, "max": 5}},
    {"name": "opt", "parameterType": "categorical", "feasibleSpace": {"list": ["adam", "sgd"]}},
]


def text(
    name: str,
    *,
    trials: int = 20,
    parallel: int = 4,
    namespace: str = "default",
    **fields: Any,
) -> str:
    """An experiment's YAML, over SPACE unless `fields` say otherwise."""
    mine: dict[str, Any] = {
        "parameters": SPACE,
        "maxTrialCount": trials,
        "parallelTrialCount": parallel,
        "trialTemplate": {"command": ["python", "train.py"]},
    }
    return experiment_text(name, namespace=namespace, **{**mine, **fields})


class Author:
    """Decides on signals for one experiment and commits what follows; a second passes with each
    batch."""

    def __init__(
        self, database: Database, experiment: Experiment, shard: Shard, epoch: int
    ) -> None:
        self._ledger, self._measurements = Ledger(database), Measurements(database)
        self._shard, self._epoch = shard, epoch
        self.experiment = experiment
        self.at = START

    @property
    def id(self) -> ExperimentId:
        return self.experiment.identity.id

    async def hear(self, *signals: Signal) -> None:
        """Decide on all of `signals` and commit the facts together."""
        self.at += timedelta(seconds=1)
        before, recorded = self.experiment, list[Recorded]()
        for signal in signals:
            facts, after = decide(self.experiment, signal, self.at)
            envelopes = Envelope(uuid4(), None, self.id, self.at, signal).consequences(facts)
            first = self.experiment.progress.version + 1
            recorded += [
                Recorded.of(self.experiment.identity, seq, one)
                for seq, one in enumerate(envelopes, first)
            ]
            self.experiment = after
        await self._ledger.commit(
            self._shard, self._epoch, Batch(before, self.experiment, recorded)
        )

    async def suggest(self, *assignments: Assignment) -> None:
        """Answer as many requests of the search as these suggestions are enough for."""
        while assignments and self.experiment.progress.request is not None:
            request = self.experiment.progress.request
            now, assignments = assignments[: request.count], assignments[request.count :]
            told = self.experiment.progress.counts.concluded
            await self.hear(SuggestionsMade(request=request.number, assignments=now, told=told))

    async def start(self, *trials: int) -> None:
        live = self.experiment.progress.live
        await self.hear(
            *(WorkloadStarted(trial=n, attempt=live[n].attempt) for n in map(TrialNumber, trials))
        )

    async def report(self, trial: int, values: Sequence[float], metric: str = "loss") -> None:
        """Store the values as the trial's reports 1, 2, …"""
        number = TrialNumber(trial)
        attempt = self.experiment.progress.live[number].attempt
        points = [Point(metric, step, self.at, value) for step, value in enumerate(values, 1)]
        report = AttemptKey(self.id, number, attempt), points
        await self._measurements.store(self._shard, self._epoch, [report])

    async def report_all(self, finals: dict[int, float]) -> None:
        """Store one value of the loss for each trial."""
        live = self.experiment.progress.live
        numbers = {TrialNumber(trial): value for trial, value in finals.items()}
        reports = [
            (AttemptKey(self.id, n, live[n].attempt), [Point("loss", 1, self.at, value)])
            for n, value in numbers.items()
        ]
        await self._measurements.store(self._shard, self._epoch, reports)

    async def end(
        self, *trials: int, cause: Cause = Cause.COMPLETED, exit_code: int = 0, message: str = ""
    ) -> None:
        """The workloads of these trials end, and what they reported is in."""
        attempts = [(n, self.experiment.progress.live[n].attempt) for n in map(TrialNumber, trials)]
        seen = await self._measurements.summaries(self.id, attempts)
        signals: list[Signal] = []
        for number, attempt in attempts:
            end = {
                "trial": number,
                "attempt": attempt,
                "cause": cause,
                "exit_code": exit_code,
                "message": message,
            }
            signals.append(WorkloadEnded.model_validate(end))
            signals.append(
                MetricsCollected(trial=number, attempt=attempt, observation=seen[number])
            )
        await self.hear(*signals)

    async def judge(self, trial: int, message: str) -> None:
        attempt = self.experiment.progress.live[TrialNumber(trial)].attempt
        await self.hear(TrialJudged(trial=TrialNumber(trial), attempt=attempt, message=message))


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[tuple[Database, Leases]]:
    async with open_database(url) as database, open_leases(database, "author") as leases:
        await migrate(database)
        yield database, leases


async def admitted(database: Database, leases: Leases, yaml: str) -> Author:
    """A new experiment that has asked for its first suggestions."""
    document = load(yaml.encode())
    fact = ExperimentAdmitted(
        name=document.name, namespace=document.namespace, spec=document.spec, seed=1
    )
    fresh = begin(ExperimentId(uuid4()), fact)
    ledger = Ledger(database)
    shard = await ledger.admit_alone(fresh, Envelope(uuid4(), None, fresh.identity.id, START, fact))
    assert shard is not None
    known = await ledger.find(document.namespace, document.name)
    assert known == (fresh, shard)
    epoch = await leases.claim(shard)
    assert epoch is not None
    author = Author(database, fresh, shard, epoch)
    await author.hear(TimePassed())
    return author


def assignment(number: int) -> dict[str, Any]:
    """An assignment of SPACE that depends on the trial's number."""
    spread = (number * 0.6180339887) % 1
    return {
        "lr": 10 ** (-4 + 3 * spread),
        "layers": 1 + number % 5,
        "opt": ("adam", "sgd")[number // 3 % 2],
    }


def loss(given: dict[str, Any]) -> float:
    """Best at lr = 0.003 with adam; the layers hardly matter."""
    distance = math.log10(given["lr"]) + 2.5
    return round(
        0.1 + distance**2 + (0.3 if given["opt"] == "sgd" else 0) + 0.01 * float(given["layers"]), 6
    )


async def finish(author: Author, trials: int, steps: int = 1) -> None:
    """Run that many trials of SPACE to a good end, as many at a time as the experiment allows."""
    parallel = author.experiment.spec.parallel
    for first in range(1, trials + 1, parallel):
        numbers = range(first, min(first + parallel, trials + 1))
        await author.suggest(*(assignment(number) for number in numbers))
        await author.start(*numbers)
        await _report_all(author, numbers, steps)
        await author.end(*numbers)


async def _report_all(author: Author, numbers: Sequence[int], steps: int) -> None:
    finals = {number: loss(assignment(number)) for number in numbers}
    if steps == 1:
        await author.report_all(finals)
        return
    for number, final in finals.items():
        await author.report(number, [final * (1 + 2 / step) for step in range(1, steps)] + [final])


SIZE = "<b>size</b>"
SEVERAL: dict[str, Any] = {
    "objective": None,
    "objectives": [
        {"type": "minimize", "objectiveMetricName": "loss"},
        {"type": "maximize", "objectiveMetricName": SIZE, "reference": -1},
    ],
    "outcomeConstraints": ["latency <= 5"],
}


async def trade(author: Author, outcomes: Sequence[tuple[float, float, float]]) -> None:
    """Run a trial to each of these outcomes (loss, size, latency) of an experiment of SEVERAL."""
    for number, values in enumerate(outcomes, 1):
        await author.suggest(assignment(number))
        await author.start(number)
        for metric, value in zip(("loss", SIZE, "latency"), values, strict=True):
            await author.report(number, [value], metric)
        await author.end(number)


async def digits(database: Database, leases: Leases) -> Author:
    """One trial of every kind, then good ones; some still live."""
    author = await admitted(database, leases, text("digits", trials=20, retry={"maxRetries": 1}))
    await author.suggest(*(assignment(number) for number in range(1, 5)))
    await author.start(1, 2, 3, 4)
    await author.report(1, [0.9, 0.7, 0.8])
    await author.end(1)
    await author.report(2, [2.5])
    await author.end(2, cause=Cause.ERROR, exit_code=1, message="ValueError: no")
    await author.start(2)
    await author.end(2, cause=Cause.ERROR, exit_code=3, message="ValueError: again")
    await author.report(3, [5.0, 4.0])
    await author.judge(3, "4 is worse than the median 0.7")
    await author.end(3, cause=Cause.CANCELLED)
    await author.report(4, [math.nan])
    await author.end(4)
    await author.suggest(*(assignment(number) for number in range(5, 9)))
    await author.start(5, 6, 7)
    await author.report(5, [0.5, 0.4])
    await author.report(6, [0.6])
    await author.end(6)
    return author
