"""Effects that are still to be done, and requests for the owner of an experiment."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from controller.core.recorded import Effect, Recorded
from controller.store.marks import Mark
from controller.store.postgres import Database
from controller.telemetry.catalogue import DEAD_LETTERS, TRANSACTION
from events import topics
from events.envelope import Envelope
from events.facts import AnyFact, Fact
from events.ids import ExperimentId, Shard, TrialNumber
from events.signals import AnySignal, Signal
from events.spec.space import Assignment

_log = logging.getLogger(__name__)
_FACT: TypeAdapter[Fact] = TypeAdapter(AnyFact)
_SIGNAL: TypeAdapter[Signal] = TypeAdapter(AnySignal)
# From what waits to its experiment: a shard has many that are over, of which nothing waits.
_ITS_EXPERIMENT = (
    "CROSS JOIN LATERAL (SELECT * FROM experiment WHERE id = o.experiment OFFSET 0) AS e"
)
_LEAVE = """
INSERT INTO mailbox (experiment, id, at, data) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING 1
"""
_LEFT = "SELECT * FROM mailbox WHERE experiment = $1 AND id = $2"


@dataclass(frozen=True, slots=True)
class Due:
    """An effect that is still to be done, and the fact it follows from."""

    effect: Effect
    recorded: Recorded


class Outbox:
    """The effects that are still to be done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, shard: Shard) -> list[Due]:
        """All effects of a shard that are not done, by experiment in the order of their facts;
        without experiments of which one fact cannot be read by this version."""
        rows = await self._database.fetch(
            "WITH due AS MATERIALIZED (SELECT o.*, e.shard, e.name, e.namespace "
            f"FROM outbox o {_ITS_EXPERIMENT}) "
            "SELECT due.effect, f.*, due.name, due.namespace FROM due "
            "JOIN fact f ON f.experiment = due.experiment AND f.seq = due.seq "
            "WHERE due.shard = $1 ORDER BY f.experiment, f.seq, due.effect",
            shard,
        )
        due: list[Due] = []
        strange: set[ExperimentId] = set()
        for row in rows:
            try:
                due.append(Due(Effect(row["effect"]), recorded(row)))
            except ValueError as error:
                strange.add(ExperimentId(row["experiment"]))
                _log.error("experiment %s waits for a newer version: %s", row["name"], error)
        return [one for one in due if one.recorded.envelope.experiment not in strange]

    async def waiting(self, shards: Collection[Shard]) -> dict[str, tuple[int, float]]:
        """By effect: how many are still to be done for these shards, and the age of the oldest in
        seconds."""
        rows = await self._database.fetch(
            f"WITH due AS MATERIALIZED (SELECT o.*, e.shard FROM outbox o {_ITS_EXPERIMENT}) "
            "SELECT due.effect, count(*) AS count, "
            "extract(epoch FROM now() - min(f.at))::float8 AS age "
            "FROM due JOIN fact f ON f.experiment = due.experiment AND f.seq = due.seq "
            "WHERE due.shard = ANY($1) GROUP BY due.effect",
            list(shards),
        )
        return {row["effect"]: (row["count"], row["age"]) for row in rows}

    async def is_empty(self, experiment: ExperimentId) -> bool:
        """Whether every effect of the experiment is done."""
        return (
            await self._database.row("SELECT FROM outbox WHERE experiment = $1 LIMIT 1", experiment)
            is None
        )

    async def done(self, effect: Effect, facts: Sequence[tuple[ExperimentId, int]]) -> None:
        """Delete effects that have been done."""
        with TRANSACTION.labels("outbox").time():
            await self._forget(effect, facts)

    async def _forget(self, effect: Effect, facts: Sequence[tuple[ExperimentId, int]]) -> None:
        await self._database.execute(
            "DELETE FROM outbox o USING unnest($2::uuid[], $3::bigint[]) AS d (experiment, seq) "
            "WHERE o.effect = $1 AND o.experiment = ANY($2) AND o.seq = ANY($3) "
            "AND o.experiment = d.experiment AND o.seq = d.seq",
            effect,
            [experiment for experiment, _ in facts],
            [seq for _, seq in facts],
        )

    async def assignments(
        self, trials: Collection[tuple[ExperimentId, TrialNumber]]
    ) -> dict[tuple[ExperimentId, TrialNumber], Assignment]:
        """The assignments of these trials; those before them, which are over, are not looked at."""
        rows = await self._database.fetch(
            "SELECT t.experiment, t.number, t.assignment "
            "FROM unnest($1::uuid[], $2::int[]) AS w (experiment, number) JOIN trial t "
            "ON t.experiment = ANY($1) AND t.number = ANY($2) "
            "AND t.experiment = w.experiment AND t.number = w.number",
            [experiment for experiment, _ in trials],
            [number for _, number in trials],
        )
        return {(ExperimentId(row["experiment"]), row["number"]): row["assignment"] for row in rows}


class Mailbox:
    """The requests that other processes leave for the owner of an experiment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, signal_id: UUID, experiment: ExperimentId, at: datetime, signal: Signal
    ) -> None:
        """Leave a request for the owner. Left there already, it changes nothing; another one under
        its id is put aside, as the owner does with what comes later."""
        mark = Mark.of(Envelope(signal_id, None, experiment, at, signal))
        data = signal.model_dump(mode="json")
        while not await self._database.row(_LEAVE, experiment, signal_id, at, data):
            row = await self._database.row(_LEFT, experiment, signal_id)
            if row is None:  # it has been decided on since
                continue
            known = _envelope(row)
            if known is None or Mark.of(known) != mark:
                DEAD_LETTERS.labels(topics.SIGNALS).inc()
                _log.error("a request is put aside: %s", mark.taken)
            return

    async def requests(self, shard: Shard) -> list[Envelope]:
        """All requests to experiments of the shard that are not decided on, oldest first."""
        rows = await self._database.fetch(
            "SELECT m.* FROM mailbox m JOIN experiment e ON e.id = m.experiment WHERE e.shard "
            "= $1 ORDER BY m.at, m.id",
            shard,
        )
        return [one for row in rows if (one := _envelope(row)) is not None]


def _envelope(row: Any) -> Envelope | None:
    """None if only a newer version can read it: it stays, and the others are not held up."""
    try:
        signal = _SIGNAL.validate_json(orjson.dumps(row["data"]))
    except ValidationError as error:
        _log.warning("request %s is left alone: %s", row["id"], error.errors()[0]["msg"])
        return None
    return Envelope(row["id"], None, ExperimentId(row["experiment"]), row["at"], signal)


def recorded(row: Any) -> Recorded:
    """A row of `fact` as what was recorded."""
    fact = _FACT.validate_json(
        orjson.dumps(row["data"]), extra="ignore"
    )  # a newer version may have written it
    experiment, name, namespace = (
        ExperimentId(row["experiment"]),
        row.get("name"),
        row.get("namespace"),
    )
    envelope = Envelope(
        row["id"], row["cause"], experiment, row["at"], fact, row["seq"], name, namespace
    )
    return Recorded(row["seq"], envelope)
