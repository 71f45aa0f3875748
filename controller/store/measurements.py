"""Measurements: stored in batches, each point once, with the running summary of each curve; thinned
where there are too many; and read back as summaries and curves."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields
from datetime import datetime
from itertools import accumulate, chain
from typing import Any, NamedTuple

from controller.store import FencedError
from controller.store.courses import Courses
from controller.store.curve import AT, STEP, VALUE, Curve, CurveKey
from controller.store.postgres import Database
from controller.telemetry.catalogue import TRANSACTION
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.metrics import Point
from events.spec.objective import Observation

QUOTA = 100_000
"""Points of one curve that are kept, where no setting says otherwise."""
THINNED_AT_ONCE = 50_000
"""Rows that one statement looks at to thin a curve."""
SUMMED_AT_ONCE = 10_000
"""Points that one statement reads to sum up curves."""
MOST_KNOWN = 20_000
"""Attempts of a shard whose curves are remembered between two batches."""
Report = tuple[AttemptKey, Sequence[Point]]
"""What an attempt has reported of its metrics, in the order in which it came."""
_Part = tuple[CurveKey, Sequence[Point]]
Known = dict[AttemptKey, dict[str, Curve]]
"""All curves of some attempts, by metric."""
_SUMMED = tuple(one.name for one in fields(Curve))
"""Columns of `curve` beside its key."""


class _Obsolete(NamedTuple):
    """A stored point that need not be kept any more."""

    experiment: ExperimentId
    trial: TrialNumber
    attempt: int
    metric: str
    step: int


# Points of one curve are a slice of the columns: so what they share is sent once.
_INSERT = """
WITH fence AS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE),
stored AS (
    INSERT INTO measurement (experiment, trial, attempt, metric, step, at, value, arrival)
    SELECT s.experiment, s.trial, s.attempt, s.metric, p.*, nextval('arrival')
    FROM unnest($3::uuid[], $4::int[], $5::int[], $6::text[], $7::int[], $8::int[])
        AS s (experiment, trial, attempt, metric, first, last)
    CROSS JOIN LATERAL unnest(($9::int[])[s.first:s.last], ($10::timestamptz[])[s.first:s.last],
        ($11::float8[])[s.first:s.last]) AS p
    WHERE EXISTS (SELECT FROM fence)
    ON CONFLICT DO NOTHING),
summed AS (
    INSERT INTO curve AS c (experiment, trial, attempt, metric, count, last, latest, min, max,
        min_step, max_step, stride, kept, latest_at, latest_step)
    SELECT s.* FROM unnest($12::uuid[], $13::int[], $14::int[], $15::text[], $16::bigint[],
        $17::int[], $18::float8[], $19::float8[], $20::float8[], $21::int[], $22::int[],
        $23::int[], $24::bigint[], $25::timestamptz[], $26::int[]) AS s
    WHERE EXISTS (SELECT FROM fence)
    ON CONFLICT (experiment, trial, attempt, metric) DO UPDATE SET count = excluded.count,
        last = excluded.last, latest = excluded.latest, min = excluded.min, max = excluded.max,
        min_step = excluded.min_step, max_step = excluded.max_step, stride = excluded.stride,
        kept = excluded.kept, latest_at = excluded.latest_at, latest_step = excluded.latest_step),
dropped AS (
    DELETE FROM measurement m USING unnest($27::uuid[], $28::int[], $29::int[], $30::text[],
        $31::int[]) AS o (experiment, trial, attempt, metric, step)
    WHERE m.experiment = ANY($27) AND m.experiment = o.experiment AND m.trial = o.trial
        AND m.attempt = o.attempt AND m.metric = o.metric AND m.step = o.step
        AND EXISTS (SELECT FROM fence))
SELECT count(*) AS fence FROM fence
"""
_THIS = "m.experiment = $1 AND m.trial = $2 AND m.attempt = $3 AND m.metric = $4"
_LOCATE = f"""
SELECT coalesce(min(step) FILTER (WHERE value = $5), 0) AS min_step,
    coalesce(min(step) FILTER (WHERE value = $6), 0) AS max_step
FROM measurement m WHERE {_THIS}
"""
_THIN = f"""
WITH fence AS (SELECT FROM shard WHERE id = $9 AND epoch = $10 FOR SHARE),
looked AS (SELECT max(step) AS last FROM (
    SELECT step FROM measurement m WHERE {_THIS} AND step > $5 ORDER BY step LIMIT $6) AS page),
dropped AS (
    DELETE FROM measurement m USING fence
    WHERE {_THIS} AND step > $5 AND step <= (SELECT last FROM looked)
        AND (step - 1) % $7 <> 0 AND step <> ALL($8::int[]) RETURNING 1)
SELECT (SELECT count(*) FROM dropped) AS count, last FROM looked
"""
_THINNED = f"""
WITH fence AS (SELECT FROM shard WHERE id = $9 AND epoch = $10 FOR SHARE)
UPDATE curve m SET stride = $5, kept = $6, min_step = $7, max_step = $8 FROM fence
WHERE {_THIS} RETURNING 1
"""
# `older`: there are points of the attempt, but no curves yet. Of most, nothing is stored.
_CURVES = """
SELECT a.*, c.metric, c.count, c.last, c.latest, c.min, c.max, c.min_step, c.max_step, c.stride,
    c.kept, c.latest_at, c.latest_step, c.count IS NULL AND EXISTS (
        SELECT FROM measurement m WHERE m.experiment = a.experiment AND m.trial = a.trial
            AND m.attempt = a.attempt) AS older
FROM unnest($1::uuid[], $2::int[], $3::int[]) AS a (experiment, trial, attempt)
LEFT JOIN curve c ON c.experiment = ANY($1) AND c.trial = ANY($2) AND c.experiment = a.experiment
    AND c.trial = a.trial AND c.attempt = a.attempt
"""
_POINTS = """
SELECT metric, step, at, value FROM measurement
WHERE experiment = $1 AND trial = $2 AND attempt = $3 AND (metric, step) > ($4, $5)
ORDER BY metric, step LIMIT $6
"""


class Measurements:
    """The measurements of all trials, and of each curve about `quota` points at most."""

    def __init__(self, database: Database, quota: int = QUOTA) -> None:
        self._database = database
        self._quota = quota
        self.courses = Courses(database)
        self._known: dict[Shard, tuple[int, Known]] = {}
        """The curves as the owner under this epoch left them: nobody else writes them."""

    async def store(self, shard: Shard, epoch: int, reports: Sequence[Report]) -> None:
        """Store new points of `reports`. Raises FencedError if another process owns the shard,
        DataRefusedError if Postgres cannot hold one of them."""
        parts = [part for report in reports for part in _parts(*report)]
        known = await self._know(shard, epoch, {key.of for key, _ in parts})
        curves = {key: copy(known[key.of].get(key.metric) or Curve()) for key, _ in parts}
        kept, obsolete = list[_Part](), set[_Obsolete]()
        for key, points in parts:
            fresh, steps = curves[key].take(points)
            kept.append((key, fresh))
            obsolete.update(_Obsolete(*key, step) for step in steps)
        if obsolete and len(parts) > len(curves):
            kept = [
                (key, [one for one in points if (*key, one.step) not in obsolete])
                for key, points in kept
            ]
        await self._insert(shard, epoch, kept, curves, obsolete)
        for key, curve in curves.items():
            known[key.of][key.metric] = curve
            if curve.kept > self._quota:
                await self._thin(shard, epoch, key, curve)

    async def _insert(
        self,
        shard: Shard,
        epoch: int,
        parts: Sequence[_Part],
        curves: Mapping[CurveKey, Curve],
        obsolete: Collection[_Obsolete],
    ) -> None:
        summed = [
            (*key, *(getattr(curve, name) for name in _SUMMED)) for key, curve in curves.items()
        ]
        values = (
            *_slices(parts),
            *_columns(summed, len(CurveKey._fields + _SUMMED)),
            *_columns(obsolete, len(_Obsolete._fields)),
        )
        with TRANSACTION.labels("measurements").time():
            found = await self._database.row(_INSERT, shard, epoch, *values)
        if found is None or not found["fence"]:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")

    def begin(self, shard: Shard, epoch: int, attempt: AttemptKey) -> None:
        """The attempt is new: nothing of it can be stored, so nobody has to look."""
        at, known = self._known.setdefault(shard, (epoch, {}))
        if at == epoch:
            known.setdefault(attempt, {})

    def last_steps(self, shard: Shard, epoch: int, attempt: AttemptKey) -> Mapping[str, int]:
        """By metric, the last step of the attempt that is stored, as far as is remembered."""
        at, known = self._known.get(shard, (epoch, {}))
        curves = known.get(attempt, {}) if at == epoch else {}
        return {metric: curve.last for metric, curve in curves.items()}

    async def collected(
        self, shard: Shard, epoch: int, attempts: Collection[AttemptKey]
    ) -> dict[AttemptKey, Observation]:
        """What each of these attempts, which have reported everything, has reported.

        Their curves are remembered no longer."""
        known = await self._know(shard, epoch, attempts)
        return {key: _observation(known.pop(key)) for key in attempts}

    async def _know(self, shard: Shard, epoch: int, wanted: Collection[AttemptKey]) -> Known:
        """All curves that are remembered, and those of `wanted` among them."""
        at, known = self._known.get(shard, (epoch, {}))
        if at != epoch or len(known) > MOST_KNOWN:
            known = {}
        self._known[shard] = epoch, known
        if missing := [key for key in wanted if key not in known]:
            found, older = await self._read(missing)
            if older:  # their curves are written down together, or some would look like all
                await self._insert(shard, epoch, (), older, ())
            known.update(found)
        return known

    async def _read(self, attempts: Collection[AttemptKey]) -> tuple[Known, dict[CurveKey, Curve]]:
        """The curves of these attempts, and those among them that had to be summed up."""
        found: Known = {key: {} for key in attempts}
        older = dict[CurveKey, Curve]()
        values = ([key.experiment for key in found], [key.trial for key in found])
        for row in await self._database.fetch(_CURVES, *values, [key.attempt for key in found]):
            if row["older"]:
                key = AttemptKey(ExperimentId(row["experiment"]), row["trial"], row["attempt"])
                found[key] = await self._sum_up(key)
                of = key.experiment, key.trial, key.attempt
                older |= {CurveKey(*of, metric): curve for metric, curve in found[key].items()}
            elif row["count"] is not None:
                place, curve = _curve(row)
                found[place.of][place.metric] = curve
        return found, older

    async def _thin(self, shard: Shard, epoch: int, key: CurveKey, curve: Curve) -> None:
        """Keep about half of the quota of a curve, some rows at a time.

        Only then it is written down, so what is cut short is done again.
        """
        if curve.min is not None and not (curve.min_step and curve.max_step):
            row = await self._database.row(_LOCATE, *key, curve.min, curve.max)
            assert row is not None
            curve.min_step, curve.max_step = row["min_step"], row["max_step"]
        stride = 2 * curve.stride
        while curve.last // stride > self._quota:
            stride *= 2
        kept, last = curve.kept, 0
        while last is not None:
            row = await self._database.row(
                _THIN, *key, last, THINNED_AT_ONCE, stride, list(curve.marked), shard, epoch
            )
            assert row is not None
            kept, last = kept - row["count"], row["last"]
        fenced = await self._database.row(
            _THINNED, *key, stride, kept, curve.min_step, curve.max_step, shard, epoch
        )
        if fenced is None:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")
        curve.stride, curve.kept = stride, kept

    async def summaries(
        self,
        experiment: ExperimentId,
        attempts: Sequence[tuple[TrialNumber, int]],
        until: datetime | None = None,
    ) -> dict[TrialNumber, Observation]:
        """What each of these (trial, attempt) has reported, or had `until` then, by what is kept;
        empty if it reported nothing."""
        keys = [AttemptKey(experiment, *one) for one in attempts]
        if until is None:
            known, _ = await self._read(keys)
        else:
            known = {key: await self._sum_up(key, until) for key in keys}
        return {key.trial: _observation(curves) for key, curves in known.items()}

    async def _sum_up(self, key: AttemptKey, until: datetime | None = None) -> dict[str, Curve]:
        """The curves of what was reported before curves were kept, or `until` then: from all points
        that are kept, some at a time."""
        curves, of = dict[str, Curve](), (key.experiment, key.trial, key.attempt)
        metric, step, more = "", 0, True
        while more:
            rows = await self._database.fetch(_POINTS, *of, metric, step, SUMMED_AT_ONCE)
            points = [Point(*row) for row in rows if until is None or row["at"] <= until]
            for part, those in _parts(key, points):
                curves.setdefault(part.metric, Curve()).take(those)
            if more := len(rows) == SUMMED_AT_ONCE:
                metric, step = rows[-1]["metric"], rows[-1]["step"]
        return curves


def _parts(attempt: AttemptKey, points: Sequence[Point]) -> Iterable[_Part]:
    """The points by metric, each in their order."""
    metrics: dict[str, list[Point]] = {}
    for point in points:
        metrics.setdefault(point.metric, []).append(point)
    key = attempt.experiment, attempt.trial, attempt.attempt
    return [(CurveKey(*key, metric), those) for metric, those in metrics.items()]


def _slices(parts: Sequence[_Part]) -> Iterator[list[Any]]:
    """The keys of parts, from where to where their points lie in the columns, and the columns."""
    ends = list(accumulate(len(points) for _, points in parts))
    yield from _columns([key for key, _ in parts], len(CurveKey._fields))
    yield [end - len(points) + 1 for (_, points), end in zip(parts, ends, strict=True)]
    yield ends
    all_points = list(chain.from_iterable(points for _, points in parts))
    for column in (STEP, AT, VALUE):
        yield list(map(column, all_points))


def _columns(rows: Collection[tuple[Any, ...]], width: int) -> Iterator[list[Any]]:
    """The columns of rows, for `unnest`; empty ones of no rows."""
    return map(list, zip(*rows, strict=True)) if rows else iter([[] for _ in range(width)])


def _observation(curves: Mapping[str, Curve]) -> Observation:
    return {metric: curve.summary for metric, curve in curves.items()}


def _curve(row: Any) -> tuple[CurveKey, Curve]:
    key = CurveKey(ExperimentId(row["experiment"]), row["trial"], row["attempt"], row["metric"])
    return key, Curve(**{name: row[name] for name in _SUMMED})
