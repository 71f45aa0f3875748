"""Ownership of shards: an epoch that fences off former owners, and a session lock that shows when
an owner died."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg

from controller.store import FencedError, StoreRefusedError, StoreUnavailableError
from controller.store.clock import DatabaseClock
from controller.store.ledger import FIRST_EMBEDDED_SHARD
from controller.store.postgres import CLOSE_SECONDS, Database, open_session
from controller.telemetry.catalogue import TRANSACTION
from events.ids import Shard

LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.0
_LOST = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Errors of a session whose server is gone."""

_HELD = """held AS MATERIALIZED (
    SELECT classid::bigint << 32 | objid::bigint AS key FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
_FREE = "(owner IS NULL OR expires_at < now() OR session NOT IN (SELECT key FROM held))"
_CLAIM = f"""
WITH {_HELD},
taken AS (
    UPDATE shard SET owner = $2, session = $3, epoch = epoch + 1,
        expires_at = now() + make_interval(secs => $4)
    WHERE id = ANY($1) AND (owner = $2 OR {_FREE}) RETURNING id, epoch),
logged AS (INSERT INTO ownership (shard, epoch, owner) SELECT id, epoch, $2 FROM taken)
SELECT id, epoch, clock_timestamp() AS at FROM taken
"""
_RENEW = """
WITH present AS (
    INSERT INTO controller (name, session, expires_at)
    SELECT $4, $5, now() + make_interval(secs => $3) WHERE $6
    ON CONFLICT (name) DO UPDATE SET session = excluded.session, expires_at = excluded.expires_at),
kept AS (
    UPDATE shard SET expires_at = now() + make_interval(secs => $3), session = $5
    FROM unnest($1::bigint[], $2::bigint[]) AS mine (id, epoch)
    WHERE shard.id = ANY($1) AND shard.id = mine.id AND shard.epoch = mine.epoch RETURNING shard.id)
SELECT id, clock_timestamp() AS at FROM kept
"""
_RELEASE = """
UPDATE shard SET owner = NULL, session = NULL, expires_at = NULL
FROM unnest($1::bigint[], $2::bigint[]) AS mine (id, epoch)
WHERE shard.id = ANY($1) AND shard.id = mine.id AND shard.epoch = mine.epoch
"""
_SURVEY = f"""
WITH {_HELD},
gone AS (DELETE FROM controller WHERE expires_at < now() - interval '1 hour')
SELECT (SELECT coalesce(array_agg(id ORDER BY id), '{{}}') FROM shard
     WHERE id < $1 AND {_FREE}) AS free,
    (SELECT coalesce(array_agg(name ORDER BY name), '{{}}') FROM controller
     WHERE expires_at >= now() AND session IN (SELECT key FROM held)) AS controllers
"""
_MAKE = """
INSERT INTO shard (id) SELECT generate_series(0, $1 - 1)
WHERE NOT EXISTS (SELECT FROM shard WHERE id < $2)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Survey:
    """The shards without an owner, and the names of the live controllers, in order."""

    free: list[Shard]
    controllers: list[str]


class Leases:
    """The shards that this process owns."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self.owner = owner
        self.epochs: dict[Shard, int] = {}
        self._key = secrets.randbits(62)
        self._session: asyncpg.Connection | None = None
        self._good_until = 0.0
        self.clock = DatabaseClock()
        """Heard whenever leases are taken or renewed."""

    @property
    def overdue(self) -> bool:
        """Whether our leases may have run out, so that others may own our shards."""
        return bool(self.epochs) and time.monotonic() > self._good_until

    async def make_shards(self, count: int) -> None:
        """Make `count` shards if there are none.

        Raises StoreRefusedError if there is another number of them.
        """
        await self._database.execute(_MAKE, count, FIRST_EMBEDDED_SHARD)
        row = await self._database.row(
            "SELECT count(*) AS count FROM shard WHERE id < $1", FIRST_EMBEDDED_SHARD
        )
        if row is None or row["count"] != count:
            known = row["count"] if row else 0
            raise StoreRefusedError(
                f"the database has {known} shards, but the topics have {count} partitions; the "
                "number "
                f"is fixed for ever: use topics with {known} partitions (another prefix), or "
                "another database"
            )

    async def claim(self, shard: Shard) -> int | None:
        """Take the shard if it is free.

        Returns the new epoch, or None if another process owns the shard.
        """
        return (await self.claim_all([shard])).get(shard)

    async def claim_all(self, shards: Collection[Shard]) -> dict[Shard, int]:
        """Take those of the shards that are free. Returns their new epochs."""
        await self._hold_session()
        began = time.monotonic()
        rows = await self._database.fetch(
            _CLAIM, list(shards), self.owner, self._key, LEASE_SECONDS
        )
        self._hear(rows, began)
        taken = {Shard(row["id"]): row["epoch"] for row in rows}
        if not self.epochs:
            self._good_until = began + LEASE_SECONDS
        self.epochs |= taken
        return taken

    async def is_free(self, shard: Shard) -> bool:
        """Whether the shard could be claimed now."""
        row = await self._database.row(
            f"WITH {_HELD} SELECT {_FREE} AS free FROM shard WHERE id = $1", shard
        )
        return row is None or bool(row["free"])

    async def survey(self) -> Survey:
        """Look which shards are free, and which controllers live."""
        row = await self._database.row(_SURVEY, FIRST_EMBEDDED_SHARD)
        assert row is not None
        return Survey([Shard(one) for one in row["free"]], list(row["controllers"]))

    async def release(self, *shards: Shard) -> None:
        """Give up shards. A database that is unavailable notices it when our session ends."""
        mine = {shard: self.epochs.pop(shard) for shard in shards if shard in self.epochs}
        if mine:
            with suppress(StoreUnavailableError):
                await self._database.execute(_RELEASE, list(mine), list(mine.values()))

    async def withdraw(self) -> None:
        """Leave the list of controllers, so that the others take more shards."""
        await self._database.execute("DELETE FROM controller WHERE name = $1", self.owner)

    async def keep(self, shard: Shard) -> None:
        """Renew until cancelled. Raises FencedError when another process owns the shard."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if shard in await self.renew(wants_more=False):
                raise FencedError(f"shard {shard} was taken over")

    async def renew(self, *, wants_more: bool) -> set[Shard]:
        """Renew all leases with one statement. Returns the shards that were lost.

        With `wants_more` we are in the list of controllers that share all shards.
        """
        await self._hold_session()
        began = time.monotonic()
        mine = dict(self.epochs)
        with TRANSACTION.labels("leases").time():
            rows = await self._database.fetch(
                _RENEW,
                list(mine),
                list(mine.values()),
                LEASE_SECONDS,
                self.owner,
                self._key,
                wants_more,
            )
        self._hear(rows, began)
        self._good_until = began + LEASE_SECONDS
        lost = set(mine) - {Shard(row["id"]) for row in rows}
        return {shard for shard in lost if self.epochs.get(shard) == mine[shard]}

    def _hear(self, rows: Sequence[Any], began: float) -> None:
        if rows:
            self.clock.hear(rows[0]["at"], began)

    def forget(self, *shards: Shard) -> None:
        """Drop shards that another process owns."""
        for shard in shards:
            self.epochs.pop(shard, None)

    async def _hold_session(self) -> None:
        """Lock our key on a connection of its own, on a new one if that was lost."""
        if self._session is not None and not self._session.is_closed():
            return
        session = await open_session(self._database.url)
        try:
            await session.execute("SELECT pg_advisory_lock($1)", self._key)
        except _LOST as error:
            session.terminate()
            raise StoreUnavailableError(str(error)) from error
        self._session = session

    async def close(self) -> None:
        if self._session is not None:
            with suppress(*_LOST):
                await self._session.close(timeout=CLOSE_SECONDS)


@asynccontextmanager
async def open_leases(database: Database, owner: str) -> AsyncGenerator[Leases]:
    leases = Leases(database, owner)
    try:
        yield leases
    finally:
        await leases.close()
