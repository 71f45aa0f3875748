"""What trials have reported: their last values, thinned curves, summaries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.store.measurements import Measurements
from controller.store.postgres import Database
from events.ids import ExperimentId, TrialNumber
from events.spec.objective import Observation


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The last value of a metric that a running trial has reported."""

    step: int
    at: datetime
    value: float


class CurveQueries:
    """What attempts of trials have reported."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._measurements = Measurements(database)

    _LAST = """
        SELECT live.trial, last.* FROM unnest($2::int[], $3::int[]) AS live (trial, attempt)
        CROSS JOIN LATERAL (
            SELECT step, at, value FROM measurement m
            WHERE m.experiment = $1 AND m.trial = live.trial AND m.attempt = live.attempt
                AND m.metric = $4
                AND ($5::timestamptz IS NULL OR m.at <= $5)
            ORDER BY step DESC LIMIT 1) AS last
    """

    async def last_values(
        self,
        experiment: ExperimentId,
        attempts: Mapping[TrialNumber, int],
        metric: str,
        until: datetime | None = None,
    ) -> dict[TrialNumber, LatestValue]:
        """The last value of `metric` that each of these attempts (trial → attempt) has reported.

        With `until` the last one that was reported by then. Costs one index lookup for each
        attempt.
        """
        rows = await self._database.fetch(
            self._LAST, experiment, list(attempts), list(attempts.values()), metric, until
        )
        return {row["trial"]: LatestValue(row["step"], row["at"], row["value"]) for row in rows}

    _CURVES = """
        SELECT shown.trial, m.step, m.value
        FROM unnest($2::int[], $3::int[]) AS shown (trial, attempt)
        CROSS JOIN LATERAL (
            SELECT step AS last FROM measurement m
            WHERE m.experiment = $1 AND m.trial = shown.trial AND m.attempt = shown.attempt
                AND m.metric = $4
            ORDER BY step DESC LIMIT 1) AS length
        CROSS JOIN LATERAL (
            SELECT generate_series(1, last, greatest(1, ceil(last::float8 / $5)::int)) AS step
            UNION SELECT last) AS wanted
        JOIN measurement m
            ON m.experiment = $1 AND m.trial = shown.trial AND m.attempt = shown.attempt
                AND m.metric = $4 AND m.step = wanted.step
        WHERE m.value > '-Infinity' AND m.value < 'Infinity' ORDER BY shown.trial, m.step
    """

    async def thinned(
        self,
        experiment: ExperimentId,
        attempts: Mapping[TrialNumber, int],
        metric: str,
        points: int,
    ) -> dict[TrialNumber, list[tuple[int, float]]]:
        """The points (step, value) of each of these attempts (trial → attempt), finite values only.

        Of a longer curve about `points` steps, evenly spread, with the first and the last one.
        """
        curves: dict[TrialNumber, list[tuple[int, float]]] = {}
        rows = await self._database.fetch(
            self._CURVES, experiment, list(attempts), list(attempts.values()), metric, points
        )
        for row in rows:
            curves.setdefault(row["trial"], []).append((row["step"], row["value"]))
        return curves

    async def reported(
        self,
        experiment: ExperimentId,
        number: TrialNumber,
        attempt: int,
        until: datetime | None = None,
    ) -> Observation:
        """The summary of what one attempt has reported so far, or until then."""
        found = await self._measurements.summaries(experiment, [(number, attempt)], until)
        return found[number]
