"""The connection pool: every wait has a limit, and the driver's errors become the store's own."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import orjson

from controller.store import DataRefusedError, StoreRefusedError, StoreUnavailableError
from controller.telemetry.catalogue import DATABASE_ERRORS

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 15.0
ACQUIRE_SECONDS = 10.0
CLOSE_SECONDS = 3.0
OLDEST_SERVER = 14

_SETTINGS = {
    "application_name": "trialstream",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "20s",
    "timezone": "UTC",
    "search_path": "public",
    "jit": "off",
    # Our statements look up few rows by key. A plan that is kept from when the tables were small
    # would read them whole, and cost more with every trial.
    "enable_seqscan": "off",
}
Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy

# Errors that pass by themselves: no connection, disk or memory or connections used up, a server
# that starts or stops, timeouts of locks and statements, deadlock, serialisation.
_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_FINAL = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,
)
# What a statement says cannot be stored: SQLSTATE classes 22, 23 and 54, or asyncpg cannot encode
# it.
_REFUSED_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class Database:
    """A pool that hands out connections for one unit of work at a time."""

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self._pool = pool
        self.url = url

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """One connection, for one task.

        Raises StoreUnavailableError if the database becomes unavailable meanwhile.
        """
        with _Translated():
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        try:
            with _Translated():
                yield connection
        finally:
            await self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """One connection in one transaction, committed when the block ends well."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows

    async def row(self, sql: str, *values: Any) -> asyncpg.Record | None:
        rows = await self.fetch(sql, *values)
        return rows[0] if rows else None

    async def execute(self, sql: str, *values: Any) -> None:
        async with self.connection() as connection:
            await connection.execute(sql, *values)

    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many are idle."""
        idle = self._pool.get_idle_size()
        return self._pool.get_size() - idle, idle

    async def expire(self) -> None:
        """Throw away every pooled connection, as after a restart of the server."""
        await self._pool.expire_connections()

    async def _give_back(self, connection: Connection) -> None:
        try:
            await self._pool.release(connection, timeout=CLOSE_SECONDS)
        except _PASSING:
            with suppress(asyncpg.InterfaceError):  # it may have been given back after all
                connection.terminate()


class _Translated:
    """Turn asyncpg's errors into the store's own."""

    def __enter__(self) -> None: ...

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, asyncio.CancelledError) or error is None:
            return
        if isinstance(error, _FINAL):
            DATABASE_ERRORS.labels("refused").inc()
            raise StoreRefusedError(f"the database refuses: {error}") from error
        if isinstance(error, _REFUSED_DATA):
            DATABASE_ERRORS.labels("data").inc()
            raise DataRefusedError(f"the database cannot hold it: {error}") from error
        if isinstance(error, _PASSING):
            DATABASE_ERRORS.labels("away").inc()
            raise StoreUnavailableError(
                f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            ) from error


@contextmanager
def writing() -> Generator[None]:
    """Make the values of a statement: one that cannot be written as JSON raises
    DataRefusedError."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise DataRefusedError(f"the database cannot hold it: {error}") from error


@asynccontextmanager
async def open_database(url: str, *, size: int = 6) -> AsyncGenerator[Database]:
    """A pool of up to `size` connections.

    Raises StoreUnavailableError or StoreRefusedError if none can be made.
    """
    with _Translated():
        try:
            pool = await asyncpg.create_pool(
                url, min_size=0, max_size=size, **_options(url), init=_prepare, reset=_as_it_is
            )
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise StoreRefusedError(
                f"--database: {error}; give postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            ) from error
    try:
        yield Database(pool, url)
    finally:
        await _close(pool)


async def open_session(url: str) -> asyncpg.Connection:
    """A connection outside the pool. What it locks stays locked as long as it lives."""
    with _Translated():
        return await asyncpg.connect(url, **_options(url))


def _options(url: str) -> dict[str, Any]:
    asked = {name for name, _ in parse_qsl(urlsplit(url).query)}
    authority = "sslrootcert" in asked or "PGSSLROOTCERT" in os.environ
    mode = "sslmode" in asked or "PGSSLMODE" in os.environ
    return {
        # Who names a certificate authority wants the server's certificate and name checked by it.
        "ssl": "verify-full" if authority and not mode else None,
        "timeout": CONNECT_SECONDS,
        "command_timeout": COMMAND_SECONDS,
        "server_settings": _SETTINGS,
    }


async def _prepare(connection: asyncpg.Connection) -> None:
    major = connection.get_server_version().major
    if major < OLDEST_SERVER:
        raise StoreRefusedError(
            f"the database is PostgreSQL {major}; {OLDEST_SERVER} or newer is needed"
        )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )


async def _as_it_is(connection: Connection) -> None:
    """Skip the usual reset, which is a round trip: nothing of ours outlives a transaction."""


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except (TimeoutError, *_PASSING):
        pool.terminate()
