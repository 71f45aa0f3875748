"""What trials have reported: their last values, thinned curves, summaries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.store.measurements import Measurements
from controller.store.postgres import Database
from events.ids import ExperimentId, TrialNumber
from events.spec.objective import Observation

MOST_THINNED = 1_000


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The last value of a metric that a running trial has reported."""

    step: int
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class ThinnedCurve:
    """A curve of which not every point is kept."""

    trial: TrialNumber
    attempt: int
    metric: str
    count: int
    """Points reported."""
    kept: int
    stride: int
    """Of so many points one is kept, and beside these the extremes and the last."""


@dataclass(frozen=True, slots=True)
class ReceivedPoints:
    """How many points have come, of how many that were reported, and the time of the last one."""

    count: int
    reported: int
    last: datetime | None


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
        LEFT JOIN curve c ON c.experiment = $1 AND c.trial = shown.trial
            AND c.attempt = shown.attempt AND c.metric = $4
        CROSS JOIN LATERAL (
            SELECT step AS last, coalesce(c.stride, 1) AS stride FROM measurement m
            WHERE m.experiment = $1 AND m.trial = shown.trial AND m.attempt = shown.attempt
                AND m.metric = $4
            ORDER BY step DESC LIMIT 1) AS long
        CROSS JOIN LATERAL (
            SELECT generate_series(1, long.last, long.stride
                * greatest(1, ceil(long.last::float8 / long.stride / $5)::int)) AS step
            UNION SELECT long.last
            UNION SELECT e.step FROM unnest(ARRAY[c.min_step, c.max_step]) AS e (step)
                WHERE long.stride > 1) AS wanted
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

        Of a longer curve about `points` steps, evenly spread, with the first and the last one, and
        with its extremes where not every point of it is kept.
        """
        curves: dict[TrialNumber, list[tuple[int, float]]] = {}
        rows = await self._database.fetch(
            self._CURVES, experiment, list(attempts), list(attempts.values()), metric, points
        )
        for row in rows:
            curves.setdefault(row["trial"], []).append((row["step"], row["value"]))
        return curves

    _LAST_TIMES = """
        SELECT c.attempt, max(last.at) AS at FROM curve c
        CROSS JOIN LATERAL (
            SELECT at FROM measurement m
            WHERE m.experiment = $1 AND m.trial = $2 AND m.attempt = c.attempt
                AND m.metric = c.metric AND ($3::timestamptz IS NULL OR m.at <= $3)
            ORDER BY step DESC LIMIT 1) AS last
        WHERE c.experiment = $1 AND c.trial = $2 GROUP BY c.attempt
    """

    async def last_times(
        self, experiment: ExperimentId, number: TrialNumber, until: datetime | None = None
    ) -> dict[int, datetime]:
        """By attempt of one trial: the time of its last point, of any metric, or of the last by
        then."""
        rows = await self._database.fetch(self._LAST_TIMES, experiment, number, until)
        return {row["attempt"]: row["at"] for row in rows}

    async def received(self, experiment: ExperimentId) -> ReceivedPoints:
        """What all trials have reported. Reads a row for each of their curves."""
        row = await self._database.row(
            "SELECT coalesce(sum(count), 0)::bigint AS count, max(latest_at) AS last, "
            "coalesce(sum(greatest(count, last)), 0)::bigint AS reported "
            "FROM curve WHERE experiment = $1",
            experiment,
        )
        assert row is not None
        return ReceivedPoints(int(row["count"]), int(row["reported"]), row["last"])

    _THINNED_CURVES = """
        SELECT trial, attempt, metric, count, kept, stride FROM curve
        WHERE experiment = $1 AND stride > 1 AND ($2::int IS NULL OR trial = $2)
        ORDER BY trial, attempt, metric LIMIT $3
    """

    async def thinned_curves(
        self, experiment: ExperimentId, trial: TrialNumber | None = None, limit: int = MOST_THINNED
    ) -> list[ThinnedCurve]:
        """Curves, of one trial or of all, of which not every point is kept; at most `limit`."""
        rows = await self._database.fetch(self._THINNED_CURVES, experiment, trial, limit)
        return [ThinnedCurve(**row) for row in rows]

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
