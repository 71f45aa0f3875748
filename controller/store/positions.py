"""The position in each topic up to which a shard's owner has processed its records."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from controller.store import FencedError
from controller.store.dead_letters import (
    DROPPED_AT_ONCE,
    MOST_BYTES,
    MOST_LETTERS,
    DeadLetter,
    letter_values,
)
from controller.store.postgres import Database
from controller.telemetry.catalogue import DEAD_LETTERS_DROPPED
from events.ids import Shard

_log = logging.getLogger(__name__)


class Move(NamedTuple):
    """A change of a position: from the one in Postgres to the one of the owner."""

    topic: str
    log: str
    before: int
    after: int


@dataclass(slots=True)
class Bookmark:
    """The position of a flow in its topic: the one in Postgres (`stored`), and the one that is
    reached (`done`)."""

    topic: str
    log: str
    stored: int
    done: int

    def move(self) -> Move | None:
        """The change that is still to be stored, if there is one."""
        return (
            Move(self.topic, self.log, self.stored, self.done) if self.done != self.stored else None
        )


_FIND = """
INSERT INTO position (shard, topic, log, next) SELECT $1, $3, $4, 0
    WHERE EXISTS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE)
ON CONFLICT (shard, topic) DO UPDATE SET log = excluded.log,
    next = CASE WHEN position.log = excluded.log THEN position.next ELSE 0 END
RETURNING next
"""
_ADVANCE = """
WITH fence AS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE),
moved AS (
    UPDATE position SET next = $6 WHERE shard = $1 AND topic = $3 AND log = $4 AND next = $5
        AND EXISTS (SELECT FROM fence) RETURNING 1),
kept AS (
    INSERT INTO dead_letter (id, shard, topic, place, key, headers, value, reason, cut)
    SELECT d.id, $1, $3, d.place, d.key, d.headers::jsonb, d.value, d.reason, d.cut
    FROM moved, unnest(
            $7::uuid[], $8::bigint[], $9::bytea[], $10::text[], $11::bytea[], $12::text[],
            $13::bigint[])
        AS d (id, place, key, headers, value, reason, cut)
    ON CONFLICT DO NOTHING)
SELECT count(*) AS moved FROM moved
"""
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


class Positions:
    """The positions of all shards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, shard: Shard, epoch: int, topic: str, log: str) -> Bookmark:
        """The position at which to continue in the log `log`: the start, if the stored one is of
        another log.

        Raises FencedError.
        """
        row = await self._database.row(_FIND, shard, epoch, topic, log)
        if row is None:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")
        return Bookmark(topic, log, row["next"], row["next"])

    async def advance(
        self, shard: Shard, epoch: int, move: Move, dead: Sequence[DeadLetter] = ()
    ) -> None:
        """Store the position, and with it the records that were put aside; the oldest of them go if
        the shard has too many. Raises FencedError."""
        row = await self._database.row(
            _ADVANCE, shard, epoch, *move, *letter_values(move.log, dead)
        )
        if row is None or not row["moved"]:
            raise FencedError(
                f"shard {shard}: somebody else reads {move.topic}, or epoch {epoch} is over"
            )
        if dead:
            await self._drop_oldest(shard)

    async def _drop_oldest(self, shard: Shard) -> None:
        row = await self._database.row(_DROP_OLDEST, shard)
        if row is not None and row["gone"]:
            DEAD_LETTERS_DROPPED.inc(row["gone"])
            _log.error(
                "shard %s has too many dead letters: the %s oldest are gone", shard, row["gone"]
            )
