"""What is kept of many points: the whole summary, a curve of a bounded number of points with its
extremes, and the order in which they came."""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store import measurements as store_of_measurements
from controller.store import migrate as migration
from controller.store import postgres
from controller.store.curve import Curve
from controller.store.measurements import Measurements
from controller.store.migrate import migrate, migrations
from controller.store.postgres import Database, open_database
from controller.store.queries.curves import CurveQueries, ReceivedPoints
from controller.views.overview import points_facts
from events.ids import AttemptKey, TrialNumber
from events.metrics import Point
from tests.controller.histories import START, Author, admitted, opened, text

QUOTA = 100
values = st.floats(allow_nan=True, allow_infinity=True, width=32)


def point(step: int, value: float) -> Point:
    return Point("loss", step, START + timedelta(seconds=step), value)


async def store(
    measurements: Measurements, author: Author, points: Sequence[Point], trial: int = 1
) -> None:
    key = AttemptKey(author.id, TrialNumber(trial), 1)
    await measurements.store(author._shard, author._epoch, [(key, points)])


@given(
    batches=st.lists(st.lists(values, min_size=1, max_size=9), max_size=30), again=st.integers(0, 9)
)
def test_a_curve_sums_up_what_came_once(batches: list[list[float]], again: int) -> None:
    """Each batch repeats the end of the one before it, as a reader that starts over does."""
    curve, told, kept = Curve(), list[float](), set[int]()
    for number, batch in enumerate(batches):
        if number % 5 == 4:
            curve.stride *= 2
            kept = {step for step in kept if (step - 1) % curve.stride == 0 or step in curve.marked}
        first = max(0, len(told) - again)
        told += batch
        points = [point(step, told[step - 1]) for step in range(first + 1, len(told) + 1)]
        fresh, obsolete = curve.take(points)
        kept = (kept - set(obsolete)) | {one.step for one in fresh}
    finite = [value for value in told if math.isfinite(value)]
    summary = curve.summary
    assert summary.count == len(told)
    assert (summary.min, summary.max) == (min(finite, default=None), max(finite, default=None))
    assert summary.latest == (told[-1] if told and math.isfinite(told[-1]) else None)
    wanted = {step for step in range(1, len(told) + 1) if (step - 1) % curve.stride == 0}
    assert kept == wanted | (curve.marked - {0})
    if finite:
        assert told[curve.min_step - 1] == summary.min
        assert told[curve.max_step - 1] == summary.max


async def test_points_that_were_left_out_are_counted(database_url: str) -> None:
    """By their steps, which count reports."""
    async with _author(database_url) as (database, author):
        measurements, queries = Measurements(database), CurveQueries(database)
        await store(measurements, author, [point(step, 1.0) for step in (1, 2, 3)])
        await store(measurements, author, [point(step, 1.0) for step in (1, 9, 12)], trial=2)
        last = START + timedelta(seconds=12)
        assert await queries.received(author.id) == ReceivedPoints(6, 15, last)
        (said,) = points_facts(ReceivedPoints(6, 1_500, None))
        assert said == ("Points", "6 received of 1,500 reported")


@asynccontextmanager
async def _author(url: str) -> AsyncGenerator[tuple[Database, Author]]:
    async with opened(url) as (database, leases):
        yield database, await admitted(database, leases, text(f"e{uuid4().hex[:12]}"))


def _told(count: int) -> list[float]:
    """A noisy curve with its least and greatest value in places that no stride keeps."""
    told = [math.sin(step) for step in range(1, count + 1)]
    told[777], told[1333] = -9.0, 9.0
    return told


async def _stored(database: Database, author: Author) -> list[tuple[int, float]]:
    rows = await database.fetch(
        "SELECT step, value FROM measurement WHERE experiment = $1 ORDER BY step", author.id
    )
    return [(row["step"], row["value"]) for row in rows]


async def test_a_long_curve_is_thinned_and_its_summary_is_whole(database_url: str) -> None:
    told = _told(5_001)
    async with _author(database_url) as (database, author):
        measurements = Measurements(database, QUOTA)
        points = [point(step, value) for step, value in enumerate(told, 1)]
        for first in range(0, len(points), 37):
            await store(measurements, author, points[first : first + 37])
        stored = dict(await _stored(database, author))
        seen = await measurements.summaries(author.id, [(TrialNumber(1), 1)])
        summary = seen[TrialNumber(1)]["loss"]
        assert summary.count == 5_001
        assert (summary.min, summary.max, summary.latest) == (-9.0, 9.0, told[-1])
        assert QUOTA / 3 < len(stored) <= QUOTA + 3
        assert {1: told[0], 778: -9.0, 1334: 9.0, 5_001: told[-1]}.items() <= stored.items()
        steps = sorted(stored.keys() - {778, 1334, 5_001})
        assert len({after - before for before, after in pairwise(steps)}) == 1, "evenly spread"
        row = await database.row("SELECT stride, kept FROM curve WHERE experiment = $1", author.id)
        assert row is not None
        assert row["stride"] == steps[1] - steps[0]
        assert row["kept"] == len(stored)


async def test_thinning_costs_by_points_however_far_apart_they_are(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a curve that says that its last point is the last that there can be."""
    monkeypatch.setattr(store_of_measurements, "THINNED_AT_ONCE", 50)
    async with _author(database_url) as (database, author):
        measurements, statements, row = Measurements(database, QUOTA), list[str](), database.row
        await store(measurements, author, [point(step, 1.0) for step in range(1, QUOTA + 1)])

        async def counting(sql: str, *values: Any) -> Any:
            statements.append(sql)
            assert len(statements) < 20, "there are two pages of points"
            return await row(sql, *values)

        monkeypatch.setattr(database, "row", counting)
        await store(measurements, author, [point(2**31 - 1, 2.0)._replace(at=START)])
        steps = {step for step, _ in await _stored(database, author)}
        assert {1, QUOTA, 2**31 - 1} <= steps, "the ends, the latest and the greatest"
        assert len(steps) < QUOTA / 2


async def test_of_an_attempt_that_begins_nothing_is_looked_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _author(database_url) as (database, author):
        measurements, read = Measurements(database, QUOTA), []
        monkeypatch.setattr(measurements, "_read", lambda missing: read.append(missing))
        key = AttemptKey(author.id, TrialNumber(1), 1)
        for step in (1, 2):  # told once more, it forgets nothing
            measurements.begin(author._shard, author._epoch, key)
            await store(measurements, author, [point(step, step / 2)])
        seen = await measurements.collected(author._shard, author._epoch, [key])
        assert (seen[key]["loss"].count, seen[key]["loss"].latest) == (2, 1.0)
        assert read == []


async def test_who_reads_the_curve_again_changes_nothing(database_url: str) -> None:
    told = _told(2_000)
    async with _author(database_url) as (database, author):
        points = [point(step, value) for step, value in enumerate(told, 1)]
        for _ in range(2):  # the second time by a controller that remembers nothing
            measurements = Measurements(database, QUOTA)
            for first in range(0, len(points), 100):
                await store(measurements, author, points[first : first + 100])
            found = (
                await _stored(database, author),
                await measurements.summaries(author.id, [(TrialNumber(1), 1)]),
            )
        assert found[1][TrialNumber(1)]["loss"].count == 2_000
        assert len(found[0]) <= QUOTA + 3


async def test_what_was_reported_before_curves_were_kept_counts(database_url: str) -> None:
    """Points without a row in `curve` are summed up, go on, and are thinned in steps."""
    told = _told(3_000)
    async with _author(database_url) as (database, author):
        points = [point(step, value) for step, value in enumerate(told, 1)]
        await store(Measurements(database), author, points[:-1])
        before = await Measurements(database).summaries(author.id, [(TrialNumber(1), 1)])
        await database.execute("DELETE FROM curve WHERE experiment = $1", author.id)
        measurements = Measurements(database, QUOTA)
        assert await measurements.summaries(author.id, [(TrialNumber(1), 1)]) == before
        await store(measurements, author, points[-1:])
        seen = await measurements.summaries(author.id, [(TrialNumber(1), 1)])
        summary = seen[TrialNumber(1)]["loss"]
        assert summary.count == 3_000
        assert (summary.min, summary.max, summary.latest) == (-9.0, 9.0, told[-1])
        stored = dict(await _stored(database, author))
        assert len(stored) <= QUOTA + 3
        assert {778: -9.0, 1334: 9.0, 3_000: told[-1]}.items() <= stored.items()


async def test_what_was_reported_before_curves_were_kept_may_be_very_much(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two metrics, with the extremes in the middle; no statement reads more than some of it."""
    count, least, greatest = 3_000, 1_234, 2_345
    monkeypatch.setattr("controller.store.measurements.SUMMED_AT_ONCE", 1_000)
    async with _author(database_url) as (database, author):
        trial = TrialNumber(1)
        key = AttemptKey(author.id, trial, 1)
        await database.execute(
            "INSERT INTO measurement SELECT $1, 1, 1, metric, step, $2, "
            "CASE step WHEN $4 THEN -1.0 WHEN $5 THEN 2.0 WHEN 1 THEN 'NaN' ELSE random() END "
            "FROM unnest('{accuracy,loss}'::text[]) AS metric, generate_series(1, $3::int) AS step",
            *(author.id, START, count, least, greatest),
        )
        read, fetch = list[int](), database.fetch

        async def watched(*words: Any) -> list[Any]:
            rows = await fetch(*words)
            read.append(len(rows))
            return rows

        monkeypatch.setattr(database, "fetch", watched)
        measurements = Measurements(database)
        seen = (await measurements.summaries(author.id, [(trial, 1)]))[trial]
        earlier = await measurements.summaries(author.id, [(trial, 1)], START)
        found = await measurements.collected(author._shard, author._epoch, [key])
        monkeypatch.undo()
        assert max(read) == 1_000
        assert seen == earlier[trial] == found[key]
        assert {name: (one.count, one.min, one.max) for name, one in seen.items()} == dict.fromkeys(
            ("accuracy", "loss"), (count, -1.0, 2.0)
        )
        rows = await database.fetch(
            "SELECT DISTINCT min_step, max_step, last, latest_step, kept FROM curve "
            "WHERE experiment = $1",
            author.id,
        )
        assert [tuple(row) for row in rows] == [(least, greatest, count, count, count)]


async def test_no_metric_from_before_is_forgotten_when_another_goes_on(database_url: str) -> None:
    async with _author(database_url) as (database, author):
        shard, epoch, key = author._shard, author._epoch, AttemptKey(author.id, TrialNumber(1), 1)
        other = point(1, 0.25)._replace(metric="accuracy")
        await store(Measurements(database), author, [point(1, 0.5), other])
        await database.execute("DELETE FROM curve WHERE experiment = $1", author.id)
        await store(Measurements(database), author, [point(2, 0.4)])
        found = await Measurements(database).collected(shard, epoch, [key])
        assert {name: one.count for name, one in found[key].items()} == {"loss": 2, "accuracy": 1}


async def test_a_thinned_curve_is_drawn_from_its_first_to_its_last_point(database_url: str) -> None:
    told = _told(4_999)
    async with _author(database_url) as (database, author):
        measurements = Measurements(database, QUOTA)
        points = [point(step, value) for step, value in enumerate(told, 1)]
        for first in range(0, len(points), 500):
            await store(measurements, author, points[first : first + 500])
        drawn = await CurveQueries(database).thinned(author.id, {TrialNumber(1): 1}, "loss", 20)
        curve = drawn[TrialNumber(1)]
        assert 15 <= len(curve) <= 30
        assert curve[0] == (1, told[0])
        assert curve[-1] == (4_999, told[-1])
        assert {(778, -9.0), (1334, 9.0)} <= set(curve)


async def test_points_keep_the_order_in_which_they_came(database_url: str) -> None:
    async with _author(database_url) as (database, author):
        measurements = Measurements(database)
        order = [(2, 1), (1, 1), (2, 2), (3, 1), (1, 2)]
        for trial, step in order:
            await store(measurements, author, [point(step, 0.5)], trial)
        rows = await database.fetch(
            "SELECT trial, step FROM measurement WHERE experiment = $1 ORDER BY arrival", author.id
        )
        assert [(row["trial"], row["step"]) for row in rows] == order


async def test_a_migration_may_take_longer_than_a_statement(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = (9_000, "9000_slow.sql", "SELECT pg_sleep(1.5)")
    impatient = {**postgres._SETTINGS, "statement_timeout": "300ms", "lock_timeout": "300ms"}
    monkeypatch.setattr(postgres, "_SETTINGS", impatient)
    monkeypatch.setattr(postgres, "COMMAND_SECONDS", 0.5)
    monkeypatch.setattr(migration, "migrations", lambda: [*migrations(), slow])
    async with open_database(database_url) as database:
        try:
            await migrate(database)
            assert await database.fetch("SELECT FROM migration WHERE number = 9000")
        finally:
            await database.execute("DELETE FROM migration WHERE number = 9000")


def at(step: int, time: str, value: float, metric: str = "error") -> Point:
    return Point(metric, step, datetime.fromisoformat(time), value)


KATIBS = [
    at(1, "2020-04-13T14:47:38+08:00", 0.03),
    at(2, "2020-04-13T14:47:39+08:00", 0.02),
    at(3, "2020-04-13T14:47:40+08:00", 0.01),
    at(4, "2020-04-13T14:47:41+08:00", 0.05),
    at(5, "2020-04-13T14:47:41+08:00", 0.06),
    at(6, "2020-04-13T14:47:41+08:00", 0.07),
    at(7, "2020-04-12T14:47:42+08:00", 0.1),
]
"""Katib's own example: the last line is a day older than the one before it."""


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_latest_value_is_that_of_the_latest_time(size: int) -> None:
    curve = Curve()
    for first in range(0, len(KATIBS), size):
        curve.take(KATIBS[first : first + size])
    summary = curve.summary
    assert (summary.latest, summary.max, summary.min, summary.count) == (0.07, 0.1, 0.01, 7)
    curve.take([at(8, "2020-04-13T14:47:41+08:00", math.nan)])
    assert curve.summary.latest is None, "of equal times the later report, whatever it is"


async def test_the_latest_value_is_the_same_wherever_it_is_looked_up(database_url: str) -> None:
    """By who goes on after a restart, by who sums up points alone, and at an earlier time; a
    thinned curve keeps its point."""
    trial = TrialNumber(1)
    async with _author(database_url) as (database, author):
        for one in KATIBS:
            await store(Measurements(database), author, [one])
        both = Measurements(database)
        assert (await both.summaries(author.id, [(trial, 1)]))[trial]["error"].latest == 0.07
        until = datetime.fromisoformat("2020-04-13T14:47:39+08:00")
        earlier = await both.summaries(author.id, [(trial, 1)], until)
        assert earlier[trial]["error"].latest == 0.02
        await database.execute("DELETE FROM curve WHERE experiment = $1", author.id)
        assert (await both.summaries(author.id, [(trial, 1)]))[trial]["error"].latest == 0.07
        told = [point(step, 1.0)._replace(at=KATIBS[-1].at) for step in range(1, 5_000)]
        told[1] = point(2, 0.5)
        measurements = Measurements(database, QUOTA)
        for first in range(0, len(told), 100):
            await store(measurements, author, told[first : first + 100])
        stored = dict(await _stored(database, author))
        assert len(stored) <= QUOTA + 10
        assert stored[2] == 0.5
        rest = told[1]._replace(step=5_000, value=2.0)
        await store(Measurements(database, QUOTA), author, [rest])
        seen = await both.summaries(author.id, [(trial, 1)])
        assert seen[trial]["loss"].latest == 2.0
