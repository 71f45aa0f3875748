"""What a new owner reads of a shard depends on what is live, not on what is over."""

from controller.store.holding import load
from controller.store.ledger import Ledger
from controller.store.outbox import Outbox
from controller.store.postgres import Database, open_database
from tests.controller.histories import admitted, assignment, finish, opened, text


async def visited(database: Database, table: str) -> int:
    """Rows of the table that statements have looked at so far, by the one connection of the pool
    and by those that are closed."""
    await database.row("SELECT pg_stat_force_next_flush()")
    row = await database.row(
        "SELECT seq_tup_read + idx_tup_fetch AS count FROM pg_stat_user_tables WHERE relname = $1",
        table,
    )
    assert row is not None
    return int(row["count"])


async def test_a_take_over_does_not_visit_trials_that_are_over(fresh_database_url: str) -> None:
    async with opened(fresh_database_url) as (database, leases):
        author = await admitted(database, leases, text("old", trials=104, parallel=50))
        await finish(author, 100)
        await author.suggest(assignment(101), assignment(102), assignment(103), assignment(104))
    async with open_database(fresh_database_url, size=1) as database:
        before = await visited(database, "trial")
        holding = await load(Ledger(database), Outbox(database), author._shard, author._epoch)
        assert await visited(database, "trial") - before == 4
    assert holding.experiments == {author.id: author.experiment}
    assert holding.assignments == {(author.id, n): assignment(n) for n in range(101, 105)}
