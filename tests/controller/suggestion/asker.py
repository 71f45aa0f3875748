"""What a flow does with a search, without the flow: it asks, tells, and keeps the journal."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import psutil

from algorithms.search.journal import Asked, Told
from algorithms.search.live import Origin, Question
from algorithms.search.outcome import Outcome
from controller.suggestion.pool import Pool
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment, Scalar
from tests.algorithms.spaces import MIXED, experiment

SEED = 9


def spec(algorithm: str, **settings: Scalar) -> ExperimentSpec:
    return experiment(MIXED, algorithm, settings, 200, parallel=2)


def outcome(trial: int) -> Outcome:
    """Some fail, the others have some loss."""
    return Outcome() if trial % 6 == 0 else Outcome((trial * 7919 % 101 / 10,))


@dataclass(slots=True)
class Asker:
    """One life of one search; its trials end one after the other, as soon as they are suggested."""

    pool: Pool
    spec: ExperimentSpec
    name: str = field(default_factory=lambda: uuid4().hex)
    journal: list[Asked | Told] = field(default_factory=list)
    news: list[Told] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    answered: int = 0
    recalled: int = 0

    async def ask(self, count: int = 1) -> list[Assignment]:
        question = Question(self.name, self.answered, tuple(self.news), count)
        suggested = await self.pool.ask(question, self.spec, self.recall)
        self.answered += 1
        self.journal += self.news
        self.journal += map(Asked, suggested.assignments)
        numbers = range(
            len(self.assignments) + 1, len(self.assignments) + len(suggested.assignments) + 1
        )
        self.news = [Told(number, outcome(number)) for number in numbers]
        self.assignments += suggested.assignments
        return suggested.assignments

    async def go_on(self) -> None:
        """Ask until it fails."""
        while True:
            await self.ask()

    async def recall(self) -> tuple[Origin, Sequence[Asked | Told]]:
        self.recalled += 1
        return Origin(self.spec, SEED), self.journal


def servers() -> list[psutil.Process]:
    """The forkservers of this process."""
    return [
        one
        for one in psutil.Process().children()
        if "controller.suggestion.forkserver" in one.cmdline()
    ]


def workers() -> list[psutil.Process]:
    return [worker for server in servers() for worker in server.children()]


def kill(process: psutil.Process) -> None:
    """SIGKILL, unless it is gone already."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
