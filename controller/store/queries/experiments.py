"""Experiments by name, as they are or as they were, and as a list."""

import logging
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from controller.core.experiment import Experiment
from controller.store.history import History, Moment
from controller.store.ledger import Ledger
from controller.store.postgres import Database
from controller.store.quarantine import Quarantined, Quarantines
from events.facts import ExperimentState
from events.ids import ExperimentId

_log = logging.getLogger(__name__)
MOST_LISTED = 1000
"""Experiments that a list has, the newest ones."""


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """An experiment in a list."""

    name: str
    namespace: str
    state: ExperimentState
    concluded: int
    budget: int | None
    live: int
    best: float | None
    front: int
    """How many trials of the Pareto front the state keeps; 0 with one objective."""
    created_at: datetime
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class ExperimentSnapshot:
    """An experiment at one moment, and when it was created and concluded.

    `now` is that moment: the database's clock at the time of the query, or an earlier moment if
    `past` is True.
    """

    experiment: Experiment
    created_at: datetime
    concluded_at: datetime | None
    now: datetime
    past: bool = False
    quarantine: Quarantined | None = None
    """Why it waits now, if it does."""

    @property
    def until(self) -> datetime | None:
        """Reports after this time are left out; None = none are."""
        return self.now if self.past else None


class ExperimentQueries:
    """Experiments by name, and the clock by which they are dated."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ledger = Ledger(database)
        self._quarantines = Quarantines(database)
        self._history = History(database)

    async def now(self) -> datetime:
        """The time by the clock of the database, which dates experiments and facts."""
        row = await self._database.row("SELECT now() AS now")
        assert row is not None
        at: datetime = row["now"]
        return at

    _NEWEST = """
        SELECT name, namespace, state, created_at, progress,
            spec->'maxTrialCount' AS budget,
            EXISTS (SELECT FROM quarantine WHERE experiment = id) AS quarantined
        FROM experiment WHERE $1::text IS NULL OR namespace = $1
        ORDER BY created_at DESC, id LIMIT $2
    """

    async def newest(
        self, namespace: str | None = None, limit: int = MOST_LISTED
    ) -> list[ExperimentSummary]:
        """Experiments of one namespace, or of all, newest first, as far as this version can read
        them."""
        rows = await self._database.fetch(self._NEWEST, namespace, limit)
        return [one for row in rows if (one := _summary(row)) is not None]

    async def names(self) -> list[tuple[str, str]]:
        """(namespace, name) of the newest experiments."""
        rows = await self._database.fetch(
            "SELECT namespace, name FROM experiment ORDER BY created_at DESC LIMIT $1", MOST_LISTED
        )
        return [(row["namespace"], row["name"]) for row in rows]

    async def find(self, namespace: str, name: str) -> ExperimentSnapshot | None:
        """The experiment of this name as it is now."""
        known = await self._ledger.find(namespace, name)
        if known is None:
            return None
        sql = "SELECT created_at, concluded_at, now() AS now FROM experiment WHERE id = $1"
        experiment_id = known[0].identity.id
        row = await self._database.row(sql, experiment_id)
        if row is None:
            return None
        times = row["created_at"], row["concluded_at"], row["now"]
        held = await self._quarantines.find([experiment_id])
        return ExperimentSnapshot(known[0], *times, quarantine=held.get(experiment_id))

    async def moment(self, experiment: ExperimentId, when: datetime | UUID | int) -> Moment | None:
        """The moment of a time, or of a fact that is named by its id or number; None if there is
        none."""
        if isinstance(when, datetime):
            return await self._history.at_time(experiment, when)
        return await self._history.at_event(experiment, when)

    async def as_of(self, found: ExperimentSnapshot, moment: Moment) -> ExperimentSnapshot:
        """The experiment as it was at a moment of its history. Reads all facts up to there."""
        known, concluded_at = found.experiment, None
        async with aclosing(self._history.folded(known.identity.id)) as folded:
            async for one, known in folded:
                concluded_at = (concluded_at or one.envelope.at) if known.done else None
                if one.seq == moment.seq:
                    break
        return ExperimentSnapshot(known, found.created_at, concluded_at, moment.at, past=True)


def _summary(row: Any) -> ExperimentSummary | None:
    try:
        return _read(row)
    except Exception as error:  # whatever it is, it is this row's
        _log.error("experiment %s is left to a newer version: %r", row["name"], error)
        return None


def _read(row: Any) -> ExperimentSummary:
    progress = row["progress"]
    best = progress.get("best")
    return ExperimentSummary(
        name=row["name"],
        namespace=row["namespace"],
        state=ExperimentState(row["state"]),
        concluded=sum(progress.get("counts", {}).values()),
        budget=row["budget"],
        live=len(progress.get("live", {})),
        best=best["value"] if best else None,
        front=len(progress.get("front", ())),
        created_at=row["created_at"],
        quarantined=row["quarantined"],
    )
