"""Courses: what the early-stopping rule has to know of each attempt, in one row, so that a rule is
restored without reading all points."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from controller.store import FencedError
from controller.store.postgres import Database
from events.facts import TrialState
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.outcomes import feasible

POINTS_AT_ONCE = 5_000


class Course(NamedTuple):
    """The reports of an attempt up to a step, as the rule has left them."""

    experiment: ExperimentId
    trial: TrialNumber
    attempt: int
    last: int
    state: bytes


class KnownTrial(NamedTuple):
    """A trial that has succeeded, or has no conclusion yet."""

    number: TrialNumber
    attempt: int
    succeeded: bool
    feasible: bool


_KEEP = """
WITH fence AS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE),
kept AS (
    INSERT INTO course (experiment, trial, attempt, last, state)
    SELECT c.* FROM unnest($3::uuid[], $4::int[], $5::int[], $6::int[], $7::bytea[]) AS c
    WHERE EXISTS (SELECT FROM fence)
    ON CONFLICT (experiment, trial, attempt) DO UPDATE
        SET last = excluded.last, state = excluded.state)
SELECT count(*) AS fence FROM fence
"""
_TRIALS = """
SELECT number, attempt, state, violations FROM trial
WHERE experiment = $1 AND (state = $2 OR ordinal IS NULL) ORDER BY ordinal NULLS LAST, number
"""
_FIND = """
SELECT c.* FROM course c JOIN unnest($2::int[], $3::int[]) AS t (trial, attempt)
    USING (trial, attempt) WHERE c.experiment = $1 AND c.trial = ANY($2)
"""
_POINTS = """
SELECT step, value FROM measurement
WHERE experiment = $1 AND trial = $2 AND attempt = $3 AND metric = $4 AND step > $5
ORDER BY step LIMIT $6
"""


class Courses:
    """The courses of all attempts that a rule has judged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, shard: Shard, epoch: int, courses: Sequence[Course]) -> None:
        """Keep courses in place of earlier ones. Raises FencedError."""
        columns = map(list, zip(*courses, strict=True))
        found = await self._database.row(_KEEP, shard, epoch, *columns)
        if found is None or not found["fence"]:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")

    async def trials(self, experiment: ExperimentId) -> list[KnownTrial]:
        """The trials that have succeeded, in the order of their conclusions, then the live ones."""
        rows = await self._database.fetch(_TRIALS, experiment, TrialState.SUCCEEDED)
        return [
            KnownTrial(
                TrialNumber(row["number"]),
                row["attempt"],
                row["state"] == TrialState.SUCCEEDED,
                feasible(row["violations"] or ()),
            )
            for row in rows
        ]

    async def find(
        self, experiment: ExperimentId, trials: Sequence[KnownTrial]
    ) -> dict[TrialNumber, Course]:
        """The courses of the last attempts of these trials, of those that have one."""
        numbers, attempts = [one.number for one in trials], [one.attempt for one in trials]
        rows = await self._database.fetch(_FIND, experiment, numbers, attempts)
        return {row["trial"]: Course(*(row[name] for name in Course._fields)) for row in rows}

    async def points(
        self, experiment: ExperimentId, trial: KnownTrial, metric: str, last: int
    ) -> AsyncGenerator[list[tuple[int, float]]]:
        """The points (step, value) after the step `last` that are kept, page by page."""
        while True:
            rows = await self._database.fetch(
                _POINTS, experiment, trial.number, trial.attempt, metric, last, POINTS_AT_ONCE
            )
            yield [(row["step"], row["value"]) for row in rows]
            if len(rows) < POINTS_AT_ONCE:
                return
            last = rows[-1]["step"]
