"""A queue on disk of what was read and is not delivered yet, with a limit, and with how far was
read."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import orjson

from events.bus import Record

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, headers BLOB NOT NULL,
    value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), data BLOB NOT NULL);
"""


class Spool:
    """A queue of records. What `add` has returned from survives the death of the process, not that
    of the machine."""

    def __init__(self, folder: Path, topic: str, partition: int, key: bytes, limit: int) -> None:
        """`limit`: bytes of records; beyond it there is no room. Raises OSError if the folder
        cannot be used."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._place = topic, partition, key
        self._limit = limit
        self._file = sqlite3.connect(folder / "spool.sqlite", isolation_level=None)
        self._file.executescript(_SCHEMA)
        (size,) = self._file.execute(
            "SELECT coalesce(sum(length(value)), 0) FROM record"
        ).fetchone()
        self._size: int = size

    @property
    def has_room(self) -> bool:
        return self._size < self._limit

    def state(self) -> bytes | None:
        """How far was read when the last record was added."""
        row = self._file.execute("SELECT data FROM state").fetchone()
        return row[0] if row else None

    def add(self, records: Sequence[Record], state: bytes) -> None:
        """Keep records, and with them how far was read."""
        with self._file:
            self._file.execute("BEGIN")
            self._file.executemany(
                "INSERT INTO record (headers, value) VALUES (?, ?)",
                [(_packed(record.headers), record.value) for record in records],
            )
            self._file.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state,))
        self._size += sum(len(record.value) for record in records)

    def oldest(self, limit: int) -> list[tuple[int, Record]]:
        """The oldest records, in order."""
        topic, partition, key = self._place
        rows = self._file.execute(
            "SELECT id, headers, value FROM record ORDER BY id LIMIT ?", (limit,)
        )
        return [
            (number, Record(topic, partition, key, _unpacked(headers), value))
            for number, headers, value in rows
        ]

    def drop(self, last: int) -> None:
        """Forget the records up to the one with this number: they are delivered."""
        (size,) = self._file.execute(
            "SELECT coalesce(sum(length(value)), 0) FROM record WHERE id <= ?", (last,)
        ).fetchone()
        self._file.execute("DELETE FROM record WHERE id <= ?", (last,))
        self._size -= size

    def close(self) -> None:
        self._file.close()


def _packed(headers: Sequence[tuple[str, bytes]]) -> bytes:
    return orjson.dumps([(name, value.decode("latin-1")) for name, value in headers])


def _unpacked(headers: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode("latin-1")) for name, value in orjson.loads(headers))
