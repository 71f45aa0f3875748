"""The queries that people's commands rest on: bounded, in the promised order, and complete."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from controller.store import UnreadableExperimentError
from controller.store.embedded import embedded
from controller.store.history import PAGE
from controller.store.journal import Journals
from controller.store.ledger import Ledger
from controller.store.queries import Queries
from events.facts import TrialConcluded, TrialState
from events.ids import TrialNumber
from events.spec.objective import Direction
from tests.controller.histories import (
    SEVERAL,
    Author,
    admitted,
    digits,
    finish,
    opened,
    text,
    trade,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("queries")


@asynccontextmanager
async def _stage(
    data: Path, name: str, trials: int | None
) -> AsyncGenerator[tuple[Queries, Author]]:
    """An experiment with that many good trials, or (None) one with a trial of every kind."""
    async with embedded(data) as server, opened(server.url) as (database, leases):
        if trials is None:
            yield Queries(database), await digits(database, leases)
        else:
            author = await admitted(database, leases, text(name, trials=trials + 1, parallel=400))
            await finish(author, trials)
            yield Queries(database), author


async def test_a_trial_of_every_kind(data: Path) -> None:
    async with _stage(data, "digits", None) as (queries, author):
        await _live_values(queries, author)
        await _ranking(queries, author)
        await _curves(queries, author)
        await _facts_of_a_trial(queries, author)
        await _listed(queries)


async def _live_values(queries: Queries, author: Author) -> None:
    live = {number: trial.attempt for number, trial in author.experiment.progress.live.items()}
    last = await queries.curves.last_values(author.id, live, "loss")
    assert {number: (one.step, one.value) for number, one in last.items()} == {5: (2, 0.4)}
    assert await queries.curves.last_values(author.id, {}, "loss") == {}


async def _ranking(queries: Queries, author: Author) -> None:
    best = await queries.trials.ranking(author.id, Direction.MINIMIZE, 3)
    assert [row.number for row in best] == [6, 1, 3]
    assert [
        row.number for row in await queries.trials.ranking(author.id, Direction.MAXIMIZE, 3)
    ] == [3, 1, 6]
    stopped = await queries.trials.ranking(
        author.id, Direction.MINIMIZE, 3, [TrialState.EARLY_STOPPED]
    )
    assert [row.number for row in stopped] == [3]
    most = {TrialState.SUCCEEDED: 1, TrialState.EARLY_STOPPED: 9, TrialState.KILLED: 9}
    assert await queries.trials.latest(author.id, most) == {
        TrialState.SUCCEEDED: [6], TrialState.EARLY_STOPPED: [3], TrialState.KILLED: [],
    }  # fmt: skip


async def _curves(queries: Queries, author: Author) -> None:
    await author.report(7, [float(step) for step in range(1, 1001)])
    curves = await queries.curves.thinned(
        author.id, {TrialNumber(7): 1, TrialNumber(1): 1, TrialNumber(4): 1}, "loss", 100
    )
    assert curves[TrialNumber(1)] == [(1, 0.9), (2, 0.7), (3, 0.8)]
    assert TrialNumber(4) not in curves
    long = curves[TrialNumber(7)]
    assert len(long) <= 101
    assert (long[0], long[-1]) == ((1, 1.0), (1000, 1000.0))


async def _facts_of_a_trial(queries: Queries, author: Author) -> None:
    facts = await queries.facts.of_trial(
        author.id, TrialNumber(2), author.experiment.progress.version
    )
    assert [one.fact.type for one in facts][:3] == [
        "trial.proposed",
        "trial.scheduled",
        "trial.started",
    ]
    assert isinstance(facts[-1].fact, TrialConcluded)
    page = await queries.facts.page(author.id, 4, 2)
    assert [one.seq for one in page] == [4, 5]


async def _listed(queries: Queries) -> None:
    (row,) = await queries.experiments.newest("default", 1)
    assert (row.name, row.concluded, row.live, row.budget, row.best) == ("digits", 5, 3, 20, 0.6)
    assert await queries.experiments.newest("nowhere") == []
    assert ("default", "digits") in await queries.experiments.names()
    assert await queries.experiments.find("default", "nothing") is None


async def test_pages_hold_every_trial_once(data: Path) -> None:
    trials = PAGE + 500
    async with _stage(data, "paged", trials) as (queries, author):
        numbers = [row.number async for row in queries.trials.every(author.id)]
        assert numbers == list(range(1, trials + 1))
        assert [
            row.number async for row in queries.trials.every(author.id, [TrialState.FAILED])
        ] == []
        sample = await queries.trials.sample(author.id, trials, 100, [TrialNumber(1)])
        assert sample[0].number == 1
        assert 80 <= len(sample) <= 120
        assert len(await queries.trials.sample(author.id, trials, trials)) == trials


async def test_the_whole_front_comes_from_the_rows_and_the_journal_has_all_values(
    data: Path,
) -> None:
    """The state keeps 100 members; here 150 trials lie on one front."""
    outcomes = [(float(n), float(n), 0.0) for n in range(150)]
    async with embedded(data) as server, opened(server.url) as (database, leases):
        author = await admitted(database, leases, text("wide", trials=200, parallel=1, **SEVERAL))
        await trade(author, outcomes)
        whole = await Queries(database).trials.front(author.experiment.identity)
        journal = await Journals(database).read(author.id)
    assert len(author.experiment.progress.front) == 100
    assert [row.number for row in whole] == list(range(1, 151))
    assert [one.values + one.violations for one in journal.conclusions] == outcomes


@pytest.mark.parametrize(
    "change",
    [
        """spec = jsonb_set(spec, '{maxTrialCount}', '1099511627776')""",
        """spec = spec || '{"parallelTrialCount": 0, "maxTrialCount": "many"}'""",
        """spec = '[]', progress = '{"counts": 3}'""",
        """progress = '[]'""",
        """state = 'FromTheFuture'""",
    ],
)
async def test_an_experiment_that_was_badly_written_is_missing_alone(
    database_url: str, change: str
) -> None:
    """An older or a newer version wrote its row: all others are listed and loaded."""
    async with opened(database_url) as (database, leases):
        strange = await admitted(database, leases, text(f"s{uuid4().hex[:9]}", trials=7))
        good = await admitted(database, leases, text(f"g{uuid4().hex[:9]}", trials=7))
        sql = "SELECT spec, progress, state FROM experiment WHERE id = $1"
        before = await database.row(sql, strange.id)
        assert before is not None
        await database.execute(f"UPDATE experiment SET {change} WHERE id = $1", strange.id)
        try:
            listed = await Queries(database).experiments.newest()
            assert good.experiment.identity.name in {one.name for one in listed}
            assert [one.budget for one in listed if one.name == good.experiment.identity.name] == [
                7
            ]
            ledger = Ledger(database)
            assert await ledger.load(good._shard) == [good.experiment]
            if "state" not in change:
                with pytest.raises(UnreadableExperimentError, match="of a newer version"):
                    await ledger.find("default", strange.experiment.identity.name)
        finally:
            await database.execute(
                "UPDATE experiment SET spec = $2, progress = $3, state = $4 WHERE id = $1",
                strange.id, *before.values(),
            )  # fmt: skip
