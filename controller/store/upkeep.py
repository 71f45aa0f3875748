"""Upkeep: removes what is left of deleted experiments, and what is older than it is kept, some rows
at a time, whoever else works on the database."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from controller.store import StoreRefusedError, StoreUnavailableError
from controller.store.dead_letters import DeadLetters
from controller.store.postgres import Database
from events.ids import ExperimentId

ROWS_AT_ONCE = 5_000
PAUSE_SECONDS = 0.02
"""Between two deletions, for whoever else wants the disk."""
SETTLED_SECONDS = 60
"""What was under way when an experiment was deleted has ended after so long."""
LOOK_SECONDS = 5.0
PRUNE_EVERY = 720
"""Looks for deleted experiments between two for what is too old."""
_log = logging.getLogger(__name__)

_TABLES = {
    "measurement": ("trial", "attempt", "metric", "step"),
    "course": ("trial", "attempt"),
    "curve": ("trial", "attempt", "metric"),
    "trial": ("number",),
    "fact": ("seq",),
    "inbox": ("id",),
}
"""All that hangs on an experiment, and its key beside the experiment's id."""
_SETTLED = f"at < now() - make_interval(secs => {SETTLED_SECONDS})"
_NEXT = f"""
SELECT experiment FROM deleted WHERE rest AND (experiment <> ALL($1) OR {_SETTLED})
ORDER BY at LIMIT 1
"""
_CLEARED = f"""
UPDATE deleted SET rest = false WHERE experiment = $1 AND {_SETTLED} RETURNING 1
"""
_OLD_POINTS = """
SELECT id FROM experiment
WHERE concluded_at < now() - make_interval(days => $1) AND NOT points_gone
ORDER BY concluded_at LIMIT 1
"""
_OLD_IDS = {
    "inbox": "at < now() - make_interval(days => $1)",
    "deleted": "NOT rest AND at < now() - make_interval(days => $1)",
    "ownership": "taken_at < now() - make_interval(days => $1) "
    "AND epoch < (SELECT epoch FROM shard s WHERE s.id = ownership.shard)",
}


class Upkeep:
    """Removes what nobody needs any more. What is cut short goes on where it was."""

    def __init__(self, database: Database, points_days: int | None, ids_days: int) -> None:
        """Points are kept so many days after the conclusion of their experiment (None = for ever);
        ids of requests, of deleted experiments and of owners so many days."""
        self._database = database
        self._dead_letters = DeadLetters(database)
        self._points_days, self._ids_days = points_days, ids_days
        self._unsettled: set[ExperimentId] = set()
        """Those that were cleared, and will be once more."""

    async def run(self) -> None:
        """Look again and again, until cancelled; an outage is waited out."""
        turn = 0
        while True:
            with suppress(StoreUnavailableError, StoreRefusedError):
                await self._clear_deleted()
                if turn % PRUNE_EVERY == 0:
                    await self.prune()
            turn += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def _clear_deleted(self) -> None:
        """Each deleted experiment at once, and again when what was under way has ended."""
        while row := await self._database.row(_NEXT, list(self._unsettled)):
            await self.clear(ExperimentId(row["experiment"]))

    async def clear(self, experiment: ExperimentId) -> None:
        """Remove all that is left of a deleted experiment."""
        for table in _TABLES:
            await self._empty(table, experiment)
        if await self._database.row(_CLEARED, experiment):
            self._unsettled.discard(experiment)
        else:
            self._unsettled.add(experiment)

    async def prune(self) -> None:
        """Remove what is older than it is kept, and dead letters that are too many."""
        while self._points_days is not None and (
            row := await self._database.row(_OLD_POINTS, self._points_days)
        ):
            await self._empty("measurement", row["id"])
            await self._database.execute(
                "UPDATE experiment SET points_gone = true WHERE id = $1", row["id"]
            )
        for table, old in _OLD_IDS.items():
            await self._delete_in_parts(
                f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("
                f"SELECT ctid FROM {table} WHERE {old} LIMIT {ROWS_AT_ONCE})) RETURNING 1",
                [self._ids_days],
            )
        await self._dead_letters.drop_all_oldest()

    async def _empty(self, table: str, experiment: ExperimentId) -> None:
        """Delete the rows of an experiment in the order of their key, each part from where the one
        before it ended: what is deleted stays in the index for a while."""
        values: list[Any] = [experiment]
        while row := await self._database.row(_part(table, len(values) > 1), *values):
            if row["count"] < ROWS_AT_ONCE:
                return
            values[1:] = [row[name] for name in _TABLES[table]]
            await asyncio.sleep(PAUSE_SECONDS)

    async def _delete_in_parts(self, sql: str, values: Sequence[Any]) -> None:
        found = await self._database.fetch(sql, *values)
        while len(found) == ROWS_AT_ONCE:
            await asyncio.sleep(PAUSE_SECONDS)
            found = await self._database.fetch(sql, *values)


def _part(table: str, further: bool) -> str:
    """The statement that deletes the next rows of an experiment ($1), with `further` those behind a
    key ($2 …), and returns how many they were and the last key; no row if there were none."""
    columns = _TABLES[table]
    key, last = ", ".join(columns), ", ".join(f"{name} DESC" for name in columns)
    places = ", ".join(f"${place}" for place, _ in enumerate(columns, 2))
    behind = f"AND ({key}) > ({places})" if further else ""
    return f"""
        WITH part AS MATERIALIZED (
            SELECT ctid, {key} FROM {table} WHERE experiment = $1 {behind}
            ORDER BY {key} LIMIT {ROWS_AT_ONCE}),
        gone AS (DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM part)))
        SELECT count(*) OVER () AS count, {key} FROM part ORDER BY {last} LIMIT 1
    """
