"""The facts of an experiment, and of one of its trials."""

from collections.abc import Sequence

from controller.core.recorded import Recorded
from controller.store.history import PAGE
from controller.store.outbox import recorded
from controller.store.postgres import Database
from events.ids import ExperimentId, TrialNumber


class FactQueries:
    """What was decided on experiments, in the order of decision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, experiment: ExperimentId, start: int, limit: int = PAGE) -> list[Recorded]:
        """At most `limit` facts in order, from number `start` on."""
        rows = await self._database.fetch(
            "SELECT * FROM fact WHERE experiment = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
            experiment,
            start,
            limit,
        )
        return [recorded(row) for row in rows]

    async def of_trial(
        self, experiment: ExperimentId, number: TrialNumber, until: int
    ) -> Sequence[Recorded]:
        """The facts about one trial in order, at most PAGE: those among the first `until` facts of
        its experiment."""
        rows = await self._database.fetch(
            "SELECT * FROM fact WHERE experiment = $1 AND trial = $2 AND seq <= $3 ORDER BY "
            "seq LIMIT $4",
            experiment,
            number,
            until,
            PAGE,
        )
        return [recorded(row) for row in rows]
