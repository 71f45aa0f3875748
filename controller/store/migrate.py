"""Bring a database to the schema of this version: plain SQL files, each applied once, in order."""

from importlib.resources import files

from controller.store import StoreRefusedError
from controller.store.postgres import Database

LOCK = 0x7472_6961_6C73  # "trials": only one process migrates at a time

LONGEST_SECONDS = 24 * 3600.0
"""A migration of a large database takes its time, and so does waiting for another process's."""
# The whole of a table is read as it lies, not by an index.
_PATIENT = (
    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL enable_seqscan = on"
)


def migrations() -> list[tuple[int, str, str]]:
    """All migrations of this version: number, name, SQL; in order."""
    found = (
        entry
        for entry in files("controller.store").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    )
    return sorted((int(entry.name[:4]), entry.name, entry.read_text()) for entry in found)


async def migrate(database: Database) -> None:
    """Apply what is missing. Raises StoreRefusedError if a newer version made the database."""
    async with database.transaction() as connection:
        await connection.execute(_PATIENT)
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK, timeout=LONGEST_SECONDS)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration "
            "(number integer PRIMARY KEY, name text, applied_at timestamptz DEFAULT now())"
        )
        applied = {row["number"] for row in await connection.fetch("SELECT number FROM migration")}
        known = migrations()
        if applied - {number for number, _, _ in known}:
            raise StoreRefusedError(
                "the database was made by a newer version of trialstream; upgrade trialstream"
            )
        for number, name, sql in known:
            if number not in applied:
                await connection.execute(sql, timeout=LONGEST_SECONDS)
                await connection.execute(
                    "INSERT INTO migration (number, name) VALUES ($1, $2)", number, name
                )
