"""The trials of an experiment: one, pages, rankings, the front, samples."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.core.best import RANKED, complete
from controller.core.experiment import Identity
from controller.core.pareto import front
from controller.store.history import PAGE
from controller.store.journal import objective_values
from controller.store.postgres import Database
from events.facts import Cause, TrialState
from events.ids import ExperimentId, TrialNumber
from events.spec.objective import Direction, Observation, Summary
from events.spec.outcomes import feasible
from events.spec.space import Assignment

HASHES = 2**32
"""How many values the hash of `sample` has. Not every n-th trial: a search may repeat itself in
cycles of n."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """Everything about one trial but its curves."""

    number: TrialNumber
    state: TrialState
    attempt: int
    assignment: Assignment
    ordinal: int | None
    cause: Cause | None
    exit_code: int | None
    message: str
    observation: Observation
    value: float | None
    values: tuple[float | None, ...]
    """One for each objective; None where the trial has no value."""
    violations: tuple[float | None, ...]
    """By how much it misses each outcome constraint; 0 where it keeps one, None where that is not
    known."""
    proposed_at: datetime
    started_at: datetime | None
    concluded_at: datetime | None

    @property
    def ranked(self) -> bool:
        """Whether this trial can be the best: it has all values and keeps every constraint."""
        return self.state in RANKED and complete(self.values) and feasible(self.violations)

    @property
    def known(self) -> Sequence[float]:
        """The values of the objectives, of a trial that has all of them."""
        assert complete(self.values)
        return self.values

    def at(self, objective: int) -> float | None:
        """The value of one objective, if there is one."""
        return self.values[objective] if objective < len(self.values) else None

    @property
    def infeasible(self) -> bool:
        """Whether this trial could be the best if it did not miss an outcome constraint."""
        return self.state in RANKED and complete(self.values) and any(self.violations)


class TrialQueries:
    """The trials of experiments, as rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, experiment: ExperimentId, number: TrialNumber) -> TrialRow | None:
        row = await self._database.row(
            "SELECT * FROM trial WHERE experiment = $1 AND number = $2", experiment, number
        )
        return _trial(row) if row else None

    _BY_NUMBER = """
        SELECT * FROM trial
        WHERE experiment = $1 AND number > $2 AND (cardinality($3::text[]) = 0 OR state = ANY($3))
        ORDER BY number LIMIT $4
    """

    async def every(
        self, experiment: ExperimentId, states: Collection[TrialState] = ()
    ) -> AsyncGenerator[TrialRow]:
        """All trials by number, read page by page; with `states` only those in one of them."""
        last = 0
        while True:
            rows = await self._database.fetch(self._BY_NUMBER, experiment, last, list(states), PAGE)
            for row in rows:
                yield _trial(row)
            if len(rows) < PAGE:
                return
            last = rows[-1]["number"]

    async def first(
        self, experiment: ExperimentId, limit: int, states: Collection[TrialState] = ()
    ) -> list[TrialRow]:
        """The `limit` trials with the lowest numbers; with `states` only those in one of them."""
        return [
            _trial(row)
            for row in await self._database.fetch(
                self._BY_NUMBER, experiment, 0, list(states), limit
            )
        ]

    _LATEST = """
        SELECT s.state, t.number FROM unnest($2::text[], $3::int[]) AS s (state, most)
        CROSS JOIN LATERAL (SELECT number FROM trial WHERE experiment = $1 AND state = s.state
            ORDER BY number DESC LIMIT s.most) AS t
    """

    async def latest(
        self, experiment: ExperimentId, most: Mapping[TrialState, int]
    ) -> dict[TrialState, list[TrialNumber]]:
        """Of each of these states the trials with the highest numbers, at most so many."""
        found: dict[TrialState, list[TrialNumber]] = {state: [] for state in most}
        values = (list(most), list(most.values()))
        for row in await self._database.fetch(self._LATEST, experiment, *values):
            found[TrialState(row["state"])].append(TrialNumber(row["number"]))
        return found

    _RANKING = """
        SELECT * FROM trial
        WHERE experiment = $1 AND (cardinality($2::text[]) = 0 OR state = ANY($2))
        ORDER BY state = ANY($3::text[]) AND value IS NOT NULL
                AND (violations IS NULL OR (0 = ALL(violations)) IS TRUE) DESC,
            (coalesce(objective_values, ARRAY[value]))[$6] * $4 NULLS LAST, number LIMIT $5
    """

    async def ranking(
        self,
        experiment: ExperimentId,
        direction: Direction,
        limit: int,
        states: Collection[TrialState] = (),
        objective: int = 0,
    ) -> list[TrialRow]:
        """The best `limit` trials by the `objective`-th value, best first; those that cannot be the
        best come last."""
        sign = 1.0 if direction is Direction.MINIMIZE else -1.0
        rows = await self._database.fetch(
            self._RANKING, experiment, list(states), list(RANKED), sign, limit, objective + 1
        )
        return [_trial(row) for row in rows]

    _OUTCOMES = """
        SELECT number, objective_values FROM trial WHERE experiment = $1 AND state = ANY($2::text[])
            AND array_position(objective_values, NULL) IS NULL
            AND (violations IS NULL OR (0 = ALL(violations)) IS TRUE)
        ORDER BY ordinal
    """

    async def front(self, identity: Identity) -> list[TrialRow]:
        """All trials of the Pareto front, the best of the first objective first.

        Reads the values of all trials.
        """
        rows = await self._database.fetch(self._OUTCOMES, identity.id, list(RANKED))
        points = ((row["number"], identity.spec.losses(row["objective_values"])) for row in rows)
        return await self.numbered(identity.id, [number for number, _ in front(points)])

    _NUMBERED = "SELECT * FROM trial WHERE experiment = $1 AND number = ANY($2)"

    async def numbered(
        self, experiment: ExperimentId, numbers: Sequence[TrialNumber]
    ) -> list[TrialRow]:
        """The trials with these numbers, in the order of `numbers`."""
        found = {
            row["number"]: _trial(row)
            for row in await self._database.fetch(self._NUMBERED, experiment, list(numbers))
        }
        return [found[number] for number in numbers if number in found]

    _SAMPLE = """
        SELECT * FROM trial
        WHERE experiment = $1
            AND ((number * 2654435761::bigint) & 4294967295 < $2::bigint OR number = ANY($3::int[]))
        ORDER BY number LIMIT $4
    """

    async def sample(
        self,
        experiment: ExperimentId,
        proposed: int,
        limit: int,
        wanted: Collection[TrialNumber] = (),
    ) -> list[TrialRow]:
        """About `limit` of the `proposed` trials, drawn by a hash of their numbers, and all
        `wanted` ones."""
        share = min(HASHES, HASHES * limit // max(1, proposed))
        rows = await self._database.fetch(
            self._SAMPLE, experiment, share, list(wanted), 2 * limit + len(wanted)
        )
        return [_trial(row) for row in rows]


def _trial(row: Any) -> TrialRow:
    return TrialRow(
        number=TrialNumber(row["number"]),
        state=TrialState(row["state"]),
        attempt=row["attempt"],
        assignment=row["assignment"],
        ordinal=row["ordinal"],
        cause=Cause(row["cause"]) if row["cause"] else None,
        exit_code=row["exit_code"],
        message=row["message"] or "",
        observation={name: Summary(**one) for name, one in (row["observation"] or {}).items()},
        value=row["value"],
        values=objective_values(row),
        violations=tuple(row["violations"] or ()),
        proposed_at=row["proposed_at"],
        started_at=row["started_at"],
        concluded_at=row["concluded_at"],
    )
