"""Dead letters: records that could not be read or decided on, kept until a person redrives or drops
them."""

import logging
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from controller.store.postgres import Database
from controller.telemetry.catalogue import DEAD_LETTERS_DROPPED
from events import topics
from events.bus import Delivery, Record
from events.ids import Shard
from events.model import storable
from trialstream.records import damage, size

REASON_CHARACTERS = 2_000
KEPT_BYTES, KEPT_HEADER_BYTES, KEPT_KEY_BYTES = 900 * 1024, 64 * 1024, 1_024
"""How much of a record's value, headers and key is kept: all of what any program of ours sends."""
MOST_LETTERS, MOST_BYTES = 1_000, 64 * 1024 * 1024
"""Of one shard. The oldest go when there are more."""
DROPPED_AT_ONCE = 5_000
SHOWN_BYTES, SHOWN_HEADER_BYTES, SHOWN_KEY_BYTES = 500_000, 100_000, 1_000
"""How much of a record's value, headers and key is on the topic of dead letters."""
WHERE, WHY = "trialstream-from", "trialstream-reason"
"""Headers of a dead letter on its topic."""
_log = logging.getLogger(__name__)
_DROP_OLDEST = f"""
WITH newest AS (
    SELECT id, at, octet_length(key) + octet_length(headers::text) + octet_length(value) AS size
    FROM dead_letter WHERE shard = $1 ORDER BY at DESC, id DESC LIMIT {MOST_LETTERS}),
ranked AS (SELECT id, sum(size) OVER (ORDER BY at DESC, id DESC) AS bytes FROM newest),
gone AS (
    DELETE FROM dead_letter WHERE id = ANY(ARRAY(
        SELECT id FROM ranked WHERE bytes > {MOST_BYTES} UNION ALL (
            SELECT id FROM dead_letter WHERE shard = $1 ORDER BY at DESC, id DESC
            OFFSET {MOST_LETTERS} LIMIT {DROPPED_AT_ONCE})))
    RETURNING 1)
SELECT count(*) AS gone FROM gone
"""


class DeadLetter(NamedTuple):
    """A record that was put aside, and why."""

    delivery: Delivery
    reason: str


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter as Postgres has it; `position` is the record's place in its partition.

    `cut` is the size of the whole record, in bytes, if only the beginnings of its parts are kept.
    """

    id: UUID
    record: Record
    position: int
    reason: str
    at: datetime
    cut: int | None = None

    def shown(self) -> Record:
        """The record for the topic of dead letters: with headers that say where it was, and why it
        was put aside."""
        where = f"{self.record.topic}/{self.record.partition}/{self.position}"
        known = [(name, value) for name, value in self.record.headers if name not in (WHERE, WHY)]
        if sum(len(name) + len(value) for name, value in known) > SHOWN_HEADER_BYTES:
            known = []
        headers = (*known, (WHERE, where.encode()), (WHY, self.reason.encode()))
        key, value = self.record.key[:SHOWN_KEY_BYTES], self.record.value[:SHOWN_BYTES]
        return Record(topics.DEAD_LETTERS, self.record.partition, key, headers, value)


def letter_values(log: str, dead: Sequence[DeadLetter]) -> tuple[list[Any], ...]:
    """Columns for `unnest`: id, place, key, headers as JSON, value, reason, cut."""
    columns = [_columns(log, one) for one in dead]
    return tuple([one[place] for one in columns] for place in range(7))


def _columns(log: str, one: DeadLetter) -> tuple[Any, ...]:
    record, place = one.delivery.record, one.delivery.position
    headers, left = list[tuple[str, str]](), KEPT_HEADER_BYTES
    for name, value in record.headers:
        left -= len(name.encode(errors="replace")) + len(value)
        if left >= 0:
            headers.append((storable(name), b64encode(value).decode()))
    whole = left >= 0 and len(record.key) <= KEPT_KEY_BYTES and len(record.value) <= KEPT_BYTES
    return (
        uuid5(NAMESPACE_URL, f"{log}/{record.partition}/{place}"),
        place,
        record.key[:KEPT_KEY_BYTES],
        orjson.dumps(headers).decode(),
        record.value[:KEPT_BYTES],
        storable(one.reason)[:REASON_CHARACTERS],
        None if whole and damage(record) is None else size(record),
    )


class DeadLetters:
    """The dead letters of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unpublished(self, shard: Shard, limit: int) -> list[StoredDeadLetter]:
        """At most `limit` letters of the shard that are not yet on their topic, oldest first."""
        rows = await self._database.fetch(
            "SELECT * FROM dead_letter WHERE shard = $1 AND NOT published ORDER BY at, place "
            "LIMIT $2",
            shard,
            limit,
        )
        return [_stored(row) for row in rows]

    async def mark_published(self, ids: Sequence[UUID]) -> None:
        await self._database.execute(
            "UPDATE dead_letter SET published = true WHERE id = ANY($1)", list(ids)
        )

    async def oldest(self, limit: int) -> list[StoredDeadLetter]:
        """At most `limit` letters, oldest first."""
        return [
            _stored(row)
            for row in await self._database.fetch(
                "SELECT * FROM dead_letter ORDER BY at, id LIMIT $1", limit
            )
        ]

    async def find(self, prefix: str) -> list[UUID]:
        """The ids that begin with `prefix`, of the oldest letter first."""
        rows = await self._database.fetch(
            "SELECT id FROM dead_letter WHERE starts_with(id::text, $1) ORDER BY at, id", prefix
        )
        return [row["id"] for row in rows]

    async def read(self, ids: Sequence[UUID]) -> list[StoredDeadLetter]:
        """These letters, as far as they are still there, oldest first."""
        rows = await self._database.fetch(
            "SELECT * FROM dead_letter WHERE id = ANY($1) ORDER BY at, place, id", list(ids)
        )
        return [_stored(row) for row in rows]

    async def drop(self, ids: Sequence[UUID]) -> None:
        await self._database.execute("DELETE FROM dead_letter WHERE id = ANY($1)", list(ids))

    async def drop_oldest(self, shard: Shard) -> None:
        """Drop what the shard has too many of, a part at a time, so that its latest stay."""
        row = await self._database.row(_DROP_OLDEST, shard)
        while row is not None and row["gone"]:
            DEAD_LETTERS_DROPPED.inc(row["gone"])
            _log.error(
                "shard %s has too many dead letters: the %s oldest are gone", shard, row["gone"]
            )
            more = row["gone"] >= DROPPED_AT_ONCE
            row = await self._database.row(_DROP_OLDEST, shard) if more else None

    async def drop_all_oldest(self) -> None:
        """The same for every shard: whoever put letters aside may have died before."""
        for row in await self._database.fetch("SELECT DISTINCT shard FROM dead_letter"):
            await self.drop_oldest(Shard(row["shard"]))

    async def count(self) -> dict[str, int]:
        """How many letters there are, by topic."""
        rows = await self._database.fetch(
            "SELECT topic, count(*) AS count FROM dead_letter GROUP BY topic"
        )
        return {row["topic"]: row["count"] for row in rows}


def _stored(row: Any) -> StoredDeadLetter:
    headers = tuple((name, b64decode(value)) for name, value in row["headers"])
    record = Record(row["topic"], row["shard"], row["key"], headers, row["value"])
    return StoredDeadLetter(row["id"], record, row["place"], row["reason"], row["at"], row["cut"])
