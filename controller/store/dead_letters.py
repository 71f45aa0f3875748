"""Dead letters: records that could not be read or decided on, kept until a person redrives or drops
them."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from controller.store.postgres import Database
from events import topics
from events.bus import Delivery, Record
from events.ids import Shard

REASON_CHARACTERS = 2_000
SHOWN_BYTES, SHOWN_HEADER_BYTES, SHOWN_KEY_BYTES = 500_000, 100_000, 1_000
"""How much of a record's value, headers and key is on the topic of dead letters. Postgres has all
of it."""
WHERE, WHY = "trialstream-from", "trialstream-reason"
"""Headers of a dead letter on its topic."""


class DeadLetter(NamedTuple):
    """A record that was put aside, and why."""

    delivery: Delivery
    reason: str


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter as Postgres has it; `position` is the record's place in its partition."""

    id: UUID
    record: Record
    position: int
    reason: str
    at: datetime

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
    """Columns for `unnest`: id, place, key, headers as JSON, value, reason."""
    records = [one.delivery.record for one in dead]
    return (
        [
            uuid5(NAMESPACE_URL, f"{log}/{one.delivery.record.partition}/{one.delivery.position}")
            for one in dead
        ],
        [one.delivery.position for one in dead],
        [record.key for record in records],
        [
            orjson.dumps(
                [(storable(name), b64encode(value).decode()) for name, value in record.headers]
            ).decode()
            for record in records
        ],
        [record.value for record in records],
        [storable(one.reason)[:REASON_CHARACTERS] for one in dead],
    )


def storable(text: str) -> str:
    """The text without what Postgres cannot hold: NUL and lone surrogates."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


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

    async def find(self, prefix: str) -> list[StoredDeadLetter]:
        """The letters whose id begins with `prefix`."""
        rows = await self._database.fetch(
            "SELECT * FROM dead_letter WHERE starts_with(id::text, $1) ORDER BY at", prefix
        )
        return [_stored(row) for row in rows]

    async def drop(self, ids: Sequence[UUID]) -> None:
        await self._database.execute("DELETE FROM dead_letter WHERE id = ANY($1)", list(ids))

    async def count(self) -> dict[str, int]:
        """How many letters there are, by topic."""
        rows = await self._database.fetch(
            "SELECT topic, count(*) AS count FROM dead_letter GROUP BY topic"
        )
        return {row["topic"]: row["count"] for row in rows}


def _stored(row: Any) -> StoredDeadLetter:
    headers = tuple((name, b64decode(value)) for name, value in row["headers"])
    record = Record(row["topic"], row["shard"], row["key"], headers, row["value"])
    return StoredDeadLetter(row["id"], record, row["place"], row["reason"], row["at"])
