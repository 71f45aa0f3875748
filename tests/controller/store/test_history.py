"""Folding the recorded facts: to any moment, in pages, and to exactly what is stored."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from controller.store.embedded import embedded
from controller.store.history import PAGE
from controller.store.leases import Leases
from controller.store.postgres import Database
from controller.store.queries import Queries
from events.facts import ExperimentState
from events.signals import ExtensionRequested, ResumeRequested, StopRequested, TimePassed
from tests.controller.histories import START, admitted, digits, finish, opened, text
from tests.folding import differences


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("history")


@asynccontextmanager
async def _database(data: Path) -> AsyncGenerator[tuple[Database, Leases]]:
    async with embedded(data) as server, opened(server.url) as (database, leases):
        yield database, leases


async def test_each_moment_is_what_was_known_then(data: Path) -> None:
    async with _database(data) as (database, leases):
        author = await admitted(database, leases, text("moments", trials=6, parallel=2))
        known = [author.experiment]
        for signal in (
            StopRequested(),
            ResumeRequested(),
            ExtensionRequested(max_trial_count=9),
            TimePassed(),
        ):
            await finish(author, 2) if len(known) == 1 else None
            await author.hear(signal)
            known.append(author.experiment)
        queries = Queries(database)
        found = await queries.experiments.find("default", "moments")
        assert found is not None
        for experiment in known:
            moment = await queries.experiments.moment(author.id, experiment.progress.version)
            assert moment is not None
            then = await queries.experiments.as_of(found, moment)
            assert then.experiment == experiment
            assert then.past
            assert (then.concluded_at is not None) == (
                experiment.progress.state is ExperimentState.STOPPED
            )


async def test_a_time_means_all_that_is_dated_no_later(data: Path) -> None:
    async with _database(data) as (database, leases):
        author = await digits(database, leases)
        queries = Queries(database)
        facts = await queries.facts.page(author.id, 1)
        for at in (START, START + timedelta(seconds=3), START + timedelta(seconds=3.5), author.at):
            moment = await queries.experiments.moment(author.id, at)
            assert moment is not None
            assert moment.seq == sum(one.envelope.at <= at for one in facts)
        assert (
            await queries.experiments.moment(author.id, START - timedelta(microseconds=1)) is None
        )


async def test_a_fact_is_named_by_its_id_or_number(data: Path) -> None:
    async with _database(data) as (database, leases):
        author = await admitted(database, leases, text("named"))
        other = await admitted(database, leases, text("other"))
        queries = Queries(database)
        second = (await queries.facts.page(author.id, 2, 1))[0]
        assert await queries.experiments.moment(author.id, second.envelope.id) == (
            2,
            second.envelope.at,
        )
        assert await queries.experiments.moment(author.id, 2) == (2, second.envelope.at)
        for absent in (uuid4(), 0, 3, 10**18 - 1):
            assert await queries.experiments.moment(author.id, absent) is None
        assert await queries.experiments.moment(other.id, second.envelope.id) is None


async def test_facts_of_a_newer_version_are_read(data: Path) -> None:
    async with _database(data) as (database, leases):
        author = await admitted(database, leases, text("newer"))
        later = (
            "UPDATE fact SET data = jsonb_set(data, '{spec,later}', '1') WHERE experiment = $1 "
            "AND seq = 1"
        )
        await database.execute(later, author.id)
        assert await differences(database, author.id) == []


async def test_more_facts_than_a_page(data: Path) -> None:
    async with _database(data) as (database, leases):
        trials = PAGE // 4
        author = await admitted(database, leases, text("pages", trials=trials, parallel=trials))
        await finish(author, trials)
        assert author.experiment.progress.version > PAGE
        assert await differences(database, author.id) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE trial SET value = value + 1 WHERE experiment = $1 AND number = 2",
            "its trial 2 should be"),
        ("UPDATE trial SET attempt = 7 WHERE experiment = $1 AND number = 1",
            "its trial 1 should be"),
        ("DELETE FROM trial WHERE experiment = $1 AND number = 1", "its trial 1 should be"),
        ("UPDATE experiment SET version = version + 1, progress = jsonb_set(progress, '{version}', "
            "'99') "
            "WHERE id = $1", "its progress should be"),
        ("UPDATE experiment SET state = 'Paused' WHERE id = $1", "its state should be"),
        ("UPDATE experiment SET concluded_at = now() WHERE id = $1", "its concluded should be"),
        ("UPDATE experiment SET spec = jsonb_set(spec, '{maxTrialCount}', '77') WHERE id = $1",
            "its identity should"),
        ("DELETE FROM fact WHERE experiment = $1 AND seq = 4", "the fact 4 is missing"),
        ("UPDATE fact SET data = jsonb_set(data, '{value}', '5') WHERE experiment = $1 AND type = "
            "'trial.concluded' "
            "AND trial = 1", "its trial 1 should be"),
    ],
)  # fmt: skip
async def test_what_the_facts_do_not_say_is_noticed(data: Path, change: str, told: str) -> None:
    async with _database(data) as (database, leases):
        author = await admitted(database, leases, text(f"e{uuid4().hex[:8]}", trials=8, parallel=2))
        await finish(author, 2)
        assert await differences(database, author.id) == []
        await database.execute(change, author.id)
        assert told in "\n".join(await differences(database, author.id))
