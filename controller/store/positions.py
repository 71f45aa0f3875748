"""The position in each topic up to which a shard's owner has processed its records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from controller.store import FencedError
from controller.store.dead_letters import DeadLetter, DeadLetters, letter_values
from controller.store.postgres import Database
from events.ids import Shard


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


class Positions:
    """The positions of all shards."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dead_letters = DeadLetters(database)

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
            await self._dead_letters.drop_oldest(shard)
