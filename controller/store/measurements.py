"""Measurements: stored in batches, each point once, and read back as summaries and curves."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from controller.store import FencedError
from controller.store.postgres import Database
from controller.telemetry.catalogue import TRANSACTION
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.objective import Observation, Summary
from events.spec.outcomes import feasible


class MeasurementRow(NamedTuple):
    """One point of one attempt."""

    experiment: ExperimentId
    trial: TrialNumber
    attempt: int
    metric: str
    step: int
    at: datetime
    value: float


class CurvePoint(NamedTuple):
    """A point of a trial's curve, and the state of the trial."""

    trial: TrialNumber
    state: str
    feasible: bool
    step: int
    value: float


_INSERT = """
WITH fence AS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE),
stored AS (
    INSERT INTO measurement (experiment, trial, attempt, metric, step, at, value)
    SELECT p.* FROM unnest($3::uuid[], $4::int[], $5::int[], $6::text[], $7::int[],
        $8::timestamptz[], $9::float8[]) AS p
    WHERE EXISTS (SELECT FROM fence)
    ON CONFLICT DO NOTHING)
SELECT count(*) AS fence FROM fence
"""
_FINITE = "m.value > '-Infinity' AND m.value < 'Infinity'"
_SUMMARIES = f"""
SELECT a.trial, m.metric, count(*) AS count,
    min(m.value) FILTER (WHERE {_FINITE}) AS min, max(m.value) FILTER (WHERE {_FINITE}) AS max,
    (array_agg(m.value ORDER BY m.step DESC))[1] AS latest
FROM unnest($2::int[], $3::int[]) AS a (trial, attempt)
JOIN measurement m
    ON m.experiment = $1 AND m.trial = ANY($2) AND m.trial = a.trial AND m.attempt = a.attempt
    AND ($4::timestamptz IS NULL OR m.at <= $4)
GROUP BY a.trial, m.metric
"""


class Measurements:
    """The measurements of all trials."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, shard: Shard, epoch: int, rows: Sequence[MeasurementRow]) -> None:
        """Store new ones of `rows`. Raises FencedError if another process owns the shard."""
        columns = (
            [list(column) for column in zip(*rows, strict=True)]
            if rows
            else [[] for _ in MeasurementRow._fields]
        )
        with TRANSACTION.labels("measurements").time():
            found = await self._database.row(_INSERT, shard, epoch, *columns)
        if found is None or not found["fence"]:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")

    async def summaries(
        self,
        experiment: ExperimentId,
        attempts: Sequence[tuple[TrialNumber, int]],
        until: datetime | None = None,
    ) -> dict[TrialNumber, Observation]:
        """What each of these (trial, attempt) has reported, or had `until` then; empty if it
        reported nothing."""
        trials, numbers = [trial for trial, _ in attempts], [attempt for _, attempt in attempts]
        found: dict[TrialNumber, dict[str, Summary]] = {trial: {} for trial in trials}
        for row in await self._database.fetch(_SUMMARIES, experiment, trials, numbers, until):
            latest = row["latest"] if abs(row["latest"]) < float("inf") else None
            found[row["trial"]][row["metric"]] = Summary(
                min=row["min"], max=row["max"], latest=latest, count=row["count"]
            )
        return dict(found)

    async def curves(self, experiment: ExperimentId, metric: str) -> list[CurvePoint]:
        """The points of the last attempt of each trial, trial by trial, finite values only."""
        rows = await self._database.fetch(
            f"""SELECT t.number, t.state, t.violations, m.step, m.value FROM trial t
            JOIN measurement m
                ON m.experiment = t.experiment AND m.trial = t.number AND m.attempt = t.attempt
            WHERE t.experiment = $1 AND m.metric = $2 AND {_FINITE}
            ORDER BY t.ordinal NULLS LAST, t.number, m.step""",
            experiment,
            metric,
        )
        return [
            CurvePoint(
                row["number"],
                row["state"],
                feasible(row["violations"] or ()),
                row["step"],
                row["value"],
            )
            for row in rows
        ]
