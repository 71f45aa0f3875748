"""Who owns a shard: rows with an epoch that fences, and a session lock that tells at once when an owner has died."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress

import asyncpg

from controller.store import FencedError, StoreAwayError
from controller.store.postgres import CLOSE_SECONDS, Database, open_session
from events.ids import Shard

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0

_FREE = """(owner IS NULL OR expires_at < now() OR NOT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND (classid::bigint << 32 | objid::bigint) = shard.session
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))"""
_CLAIM = f"""
UPDATE shard SET owner = $2, session = $3, epoch = epoch + 1, expires_at = now() + make_interval(secs => $4)
WHERE id = $1 AND (owner = $2 OR {_FREE})
RETURNING epoch
"""
_RENEW = """
UPDATE shard SET expires_at = now() + make_interval(secs => $3)
FROM unnest($1::bigint[], $2::bigint[]) AS mine (id, epoch)
WHERE shard.id = mine.id AND shard.epoch = mine.epoch
RETURNING shard.id
"""
_RELEASE = "UPDATE shard SET owner = NULL, session = NULL, expires_at = NULL WHERE id = $1 AND epoch = $2"
FENCE = "SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE"
"""The first thing in every transaction of a shard; no row = fenced."""


class Leases:
    """The shards that this process owns, renewed by `keep`."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._key = secrets.randbits(62)
        self._session: asyncpg.Connection | None = None
        self._epochs: dict[Shard, int] = {}

    async def claim(self, shard: Shard) -> int | None:
        """Take the shard if it is free; the new epoch, or None while somebody else owns it."""
        await self._hold_session()
        row = await self._database.row(_CLAIM, shard, self._owner, self._key, LEASE_SECONDS)
        if row is None:
            return None
        self._epochs[shard] = row["epoch"]
        return self._epochs[shard]

    async def is_free(self, shard: Shard) -> bool:
        """Could the shard be claimed now?"""
        row = await self._database.row(f"SELECT {_FREE} AS free FROM shard WHERE id = $1", shard)
        return row is None or bool(row["free"])

    async def release(self, shard: Shard) -> None:
        """Give the shard back; a database that is away learns it when the session ends."""
        epoch = self._epochs.pop(shard, None)
        if epoch is not None:
            with suppress(StoreAwayError):
                await self._database.execute(_RELEASE, shard, epoch)

    async def keep(self, shard: Shard) -> None:
        """Renew for ever; raises FencedError when the shard is somebody else's."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._hold_session()
            lost = await self._renew((shard,))
            if lost:
                raise FencedError(f"shard {shard} was taken over")

    async def _renew(self, shards: Iterable[Shard]) -> set[Shard]:
        mine = {shard: self._epochs[shard] for shard in shards}
        rows = await self._database.fetch(_RENEW, list(mine), list(mine.values()), LEASE_SECONDS)
        return set(mine) - {Shard(row["id"]) for row in rows}

    async def _hold_session(self) -> None:
        """Lock our key on a connection of its own; if that was lost, on a new one."""
        if self._session is not None and not self._session.is_closed():
            return
        session = await open_session(self._database.url)
        try:
            await session.execute("SELECT pg_advisory_lock($1)", self._key)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            session.terminate()
            raise StoreAwayError(str(error)) from error
        self._session = session

    async def close(self) -> None:
        if self._session is not None:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._session.close(timeout=CLOSE_SECONDS)


@asynccontextmanager
async def open_leases(database: Database, owner: str) -> AsyncGenerator[Leases]:
    leases = Leases(database, owner)
    try:
        yield leases
    finally:
        await leases.close()
