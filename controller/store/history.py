"""An experiment as it was at an earlier moment: its facts are applied again, page by page."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from controller.core.evolve import begin, evolve
from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store.outbox import recorded
from controller.store.postgres import Database
from events.facts import ExperimentAdmitted
from events.ids import ExperimentId

PAGE = 1000
"""How many facts or rows are read at once."""


class Moment(NamedTuple):
    """The moment just after the `seq`-th fact of an experiment; `at` is its time."""

    seq: int
    at: datetime


class Step(NamedTuple):
    """A fact, and the experiment after it."""

    recorded: Recorded
    experiment: Experiment


class History:
    """The earlier states of the experiments in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at_time(self, experiment: ExperimentId, at: datetime) -> Moment | None:
        """The moment after the last fact that is dated `at` or earlier; None if there is none.

        Facts are dated by the clocks of those who observed them, so neighbours may be dated in
        another order.
        """
        row = await self._database.row(
            "SELECT max(seq) AS seq FROM fact WHERE experiment = $1 AND at <= $2", experiment, at
        )
        return Moment(row["seq"], at) if row and row["seq"] is not None else None

    async def at_event(self, experiment: ExperimentId, event: UUID | int) -> Moment | None:
        """The moment after the fact with this id or number; None if the experiment has no such
        fact."""
        column = "id" if isinstance(event, UUID) else "seq"
        row = await self._database.row(
            f"SELECT seq, at FROM fact WHERE experiment = $1 AND {column} = $2", experiment, event
        )
        return Moment(row["seq"], row["at"]) if row else None

    async def facts(self, experiment: ExperimentId) -> AsyncGenerator[Recorded]:
        """All facts of an experiment in order."""
        last = 0
        while True:
            rows = await self._database.fetch(
                "SELECT * FROM fact WHERE experiment = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                experiment,
                last,
                PAGE,
            )
            for row in rows:
                yield recorded(row)
            if len(rows) < PAGE:
                return
            last = rows[-1]["seq"]

    async def folded(self, experiment: ExperimentId) -> AsyncGenerator[Step]:
        """Every fact of an experiment in order, with the experiment after it."""
        known: Experiment | None = None
        async for one in self.facts(experiment):
            if isinstance(one.fact, ExperimentAdmitted):
                known = begin(experiment, one.fact)
            else:
                assert known is not None, "an experiment begins with its admission"
                known = evolve(known, one.fact)
            yield Step(one, known)
