"""What the store promises: decisions whole or not at all, only by the owner, conclusions for ever,
points once."""

import asyncio
import math
from dataclasses import replace
from uuid import uuid4

import pytest

from controller.core.recorded import Effect
from controller.store import (
    DataRefusedError,
    FencedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from controller.store.journal import Journals
from controller.store.leases import open_leases
from controller.store.ledger import Batch, Ledger
from controller.store.marks import Mark
from controller.store.measurements import Measurements
from controller.store.migrate import migrate, migrations
from controller.store.outbox import Mailbox, Outbox
from controller.store.postgres import Database, open_database
from controller.store.upkeep import Upkeep
from events.clock import now
from events.facts import Cause, TrialState
from events.ids import AttemptKey, Shard, TrialNumber
from events.metrics import Point
from events.signals import ExtensionRequested, SuggestionsMade, WorkloadStarted
from tests.controller.histories import Author, admitted, finish, opened, text


def a_name() -> str:
    return f"e{uuid4().hex[:12]}"


async def rows(database: Database, author: Author) -> tuple[int, int, int, int]:
    """How many facts, trials, effects there are, and the version."""
    row = await database.row(
        """SELECT (SELECT count(*) FROM fact WHERE experiment = e.id) AS facts,
        (SELECT count(*) FROM trial WHERE experiment = e.id) AS trials,
        (SELECT count(*) FROM outbox WHERE experiment = e.id) AS effects, version FROM experiment e
            WHERE id = $1""",
        author.id,
    )
    assert row is not None
    return row["facts"], row["trials"], row["effects"], row["version"]


async def test_a_stale_owner_commits_nothing(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        before = await rows(database, author)
        await leases.claim(author._shard)  # the same owner anew: the epoch has moved on
        with pytest.raises(FencedError):
            await author.suggest({"lr": 0.01, "layers": 1, "opt": "adam"})
        report = AttemptKey(author.id, TrialNumber(1), 1), [Point("loss", 1, now(), 1.0)]
        with pytest.raises(FencedError):
            await Measurements(database).store(author._shard, author._epoch, [report])
        assert await rows(database, author) == before


async def test_a_decision_on_an_old_state_is_refused_whole(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        old = author.experiment
        await author.suggest({"lr": 0.01, "layers": 1, "opt": "adam"})
        before = await rows(database, author)
        author.experiment = old
        with pytest.raises(FencedError):
            await author.hear(SuggestionsMade(request=1, assignments=({"lr": 0.1},)))
        assert await rows(database, author) == before


async def test_what_is_loaded_is_what_was_committed(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        await finish(author, 9)
        await author.hear(ExtensionRequested(max_trial_count=30))
        identity = author.experiment.identity
        found = await Ledger(database).find(identity.namespace, identity.name)
        assert found == (author.experiment, author._shard)
        assert found[0].spec.max_trial_count == 30


async def test_a_conclusion_never_changes(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        await finish(author, 2)
        with pytest.raises(DataRefusedError, match="it may not become Failed"):
            await database.execute(
                "UPDATE trial SET state = 'Failed' WHERE experiment = $1", author.id
            )


async def test_one_name_is_one_experiment(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        name = a_name()
        await admitted(database, leases, text(name))
        with pytest.raises(AssertionError):
            await admitted(database, leases, text(name))


async def test_a_shard_has_one_owner_until_its_session_ends(database_url: str) -> None:
    async with opened(database_url) as (database, first):
        author = await admitted(database, first, text(a_name()))
        shard = author._shard
        async with open_leases(database, "second") as second:
            assert await second.claim(shard) is None
            assert not await second.is_free(shard)
            await first.close()
            assert await second.is_free(shard), "the owner's session is gone"
            epoch = await second.claim(shard)
            assert epoch == author._epoch + 1
            assert await first.claim(shard) is None
            await second.release(shard)
            assert await second.is_free(shard)


async def test_a_lease_that_was_not_renewed_may_be_taken(database_url: str) -> None:
    async with opened(database_url) as (database, first):
        author = await admitted(database, first, text(a_name()))
        async with open_leases(database, "second") as second:
            assert await second.claim(author._shard) is None
            await database.execute(
                "UPDATE shard SET expires_at = now() WHERE id = $1", author._shard
            )
            assert await second.claim(author._shard) is not None
            with pytest.raises(FencedError):
                await asyncio.wait_for(first.keep(author._shard), 10)


async def test_a_point_is_stored_once_and_summed_up_without_what_is_not_finite(
    database_url: str,
) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        values = [3.0, math.nan, -math.inf, 1.0, math.inf, 2.0, math.nan]
        points = [Point("loss", n, now(), value) for n, value in enumerate(values, 1)]
        again = points[0]._replace(value=9.0)
        key, measurements = AttemptKey(author.id, TrialNumber(1), 1), Measurements(database)
        for batch in (points[:4], points, points[2:], [again]):
            await measurements.store(author._shard, author._epoch, [(key, batch)])
        seen = await measurements.summaries(author.id, [(TrialNumber(1), 1), (TrialNumber(2), 1)])
        summary = seen[TrialNumber(1)]["loss"]
        assert (summary.min, summary.max, summary.latest, summary.count) == (1.0, 3.0, None, 7)
        assert seen[TrialNumber(2)] == {}


async def test_the_journal_has_all_suggestions_and_conclusions_in_order(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name(), parallel=3))
        await author.suggest(*({"lr": 0.001 * n, "layers": n, "opt": "sgd"} for n in (1, 2, 3)))
        await author.start(1, 2, 3)
        await author.report_all({1: 0.1, 2: 0.2, 3: 0.3})
        await author.end(3)
        await author.end(1, cause=Cause.ERROR, exit_code=1)
        await author.suggest({"lr": 0.009, "layers": 4, "opt": "adam"})
        journal = await Journals(database).read(author.id)
        assert [(one.assignment["layers"], one.told) for one in journal.suggestions] == [
            (1, 0),
            (2, 0),
            (3, 0),
            (4, 2),
        ]
        told = [(one.trial, one.state, one.values) for one in journal.conclusions]
        assert told == [(3, TrialState.SUCCEEDED, (0.3,)), (1, TrialState.FAILED, (0.1,))]


async def test_effects_stay_until_they_are_done(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name(), parallel=2))
        await author.suggest(*({"lr": 0.01, "layers": n, "opt": "sgd"} for n in (1, 2)))
        outbox = Outbox(database)
        due = await outbox.pending(author._shard)
        assert [one.recorded.seq for one in due] == sorted(one.recorded.seq for one in due)
        starts = [one for one in due if one.effect is Effect.START]
        assert [getattr(one.recorded.fact, "trial", None) for one in starts] == [1, 2]
        await outbox.done(Effect.START, [(author.id, starts[0].recorded.seq)])
        left = await outbox.pending(author._shard)
        assert [one for one in due if one != starts[0]] == left


async def test_a_letter_waits_until_it_is_decided_on(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        mailbox, ledger, letter = Mailbox(database), Ledger(database), uuid4()
        for _ in range(2):
            await mailbox.add(letter, author.id, now(), ExtensionRequested(max_trial_count=50))
        assert [one.id for one in await mailbox.requests(author._shard)] == [letter]
        state, mark = author.experiment, Mark(letter, b"asked")
        await ledger.commit(author._shard, author._epoch, Batch(state, state, [], [mark]))
        assert await mailbox.requests(author._shard) == []
        await mailbox.add(letter, author.id, now(), ExtensionRequested(max_trial_count=50))
        assert await ledger.seen(author.id, [letter, uuid4()]) == {letter: mark}
        assert await mailbox.requests(author._shard) == []


async def test_started_and_concluded_in_one_batch_keeps_both_times(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        await author.suggest({"lr": 0.01, "layers": 1, "opt": "sgd"})
        await author.hear(WorkloadStarted(trial=TrialNumber(1), attempt=1))
        await author.report_all({1: 0.5})
        await author.end(1)
        row = await database.row("SELECT * FROM trial WHERE experiment = $1", author.id)
        assert row is not None
        assert row["proposed_at"] < row["started_at"] < row["concluded_at"]


async def test_deleted_is_forgotten(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        await finish(author, 3)
        await Ledger(database).delete(author.id)
        await Upkeep(database, None, 30).clear(author.id)
        for table in ("fact", "trial", "outbox", "inbox", "mailbox", "measurement", "curve"):
            assert (
                await database.fetch(f"SELECT FROM {table} WHERE experiment = $1", author.id) == []
            )
        assert await database.fetch("SELECT FROM shard WHERE id = $1", author._shard) == []


async def test_migrations_run_once_and_a_newer_database_is_refused(database_url: str) -> None:
    async with open_database(database_url) as database:
        await asyncio.gather(*(migrate(database) for _ in range(4)))
        applied = await database.fetch("SELECT number FROM migration ORDER BY number")
        assert [row["number"] for row in applied] == [number for number, _, _ in migrations()]
        await database.execute("INSERT INTO migration (number, name) VALUES (9999, 'future')")
        with pytest.raises(StoreRefusedError, match="upgrade trialstream"):
            await migrate(database)
        await database.execute("DELETE FROM migration WHERE number = 9999")


async def test_no_database_is_said_in_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = tmp_path_factory.mktemp("nowhere")
    async with open_database(f"postgresql://x@/x?host={nowhere}") as database:
        with pytest.raises(StoreUnavailableError):
            await database.row("SELECT 1")


async def test_the_state_is_part_of_the_promise(database_url: str) -> None:
    """A batch that claims another version than Postgres has is refused, whoever owns the shard."""

    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        wrong = replace(author.experiment, progress=replace(author.experiment.progress, version=99))
        with pytest.raises(FencedError, match="moved on"):
            await Ledger(database).commit(
                Shard(author._shard), author._epoch, Batch(wrong, wrong, [])
            )


async def test_what_is_over_is_found_by_its_shard_alone(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        over = await admitted(database, leases, text(a_name(), trials=2, parallel=2))
        await finish(over, 2)
        live = await admitted(database, leases, text(a_name()))
        ledger, both = Ledger(database), [over.id, live.id]
        assert [one.identity.id for one in await ledger.done(over._shard, both)] == [over.id]
        assert await ledger.done(live._shard, both) == []
