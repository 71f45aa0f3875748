"""Effects that are still to be done, and requests that people left for the owner of an experiment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from controller.store.ledger import Effect, Recorded
from controller.store.postgres import Database
from events.envelope import Envelope
from events.facts import AnyFact, Fact
from events.ids import ExperimentId, TrialNumber
from events.signals import AnySignal, Signal
from events.space import Assignment

_FACT: TypeAdapter[Fact] = TypeAdapter(AnyFact)
_SIGNAL: TypeAdapter[Signal] = TypeAdapter(AnySignal)


@dataclass(frozen=True, slots=True)
class Due:
    """An effect to be done about a fact."""

    effect: Effect
    recorded: Recorded


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, experiment: ExperimentId) -> list[Due]:
        """All effects of an experiment that are not done, in the order of their facts."""
        rows = await self._database.fetch(
            "SELECT o.effect, f.* FROM outbox o JOIN fact f USING (experiment, seq) "
            "WHERE o.experiment = $1 ORDER BY seq, effect",
            experiment,
        )
        return [Due(Effect(row["effect"]), recorded(row)) for row in rows]

    async def done(self, effect: Effect, facts: Sequence[tuple[ExperimentId, int]]) -> None:
        """Forget effects that have been done."""
        await self._database.execute(
            "DELETE FROM outbox o USING unnest($2::uuid[], $3::bigint[]) AS d (experiment, seq) "
            "WHERE o.effect = $1 AND o.experiment = ANY($2) AND o.seq = ANY($3) "
            "AND o.experiment = d.experiment AND o.seq = d.seq",
            effect,
            [experiment for experiment, _ in facts],
            [seq for _, seq in facts],
        )

    async def assignments(self, experiment: ExperimentId) -> dict[TrialNumber, Assignment]:
        """The assignments of the trials without a conclusion."""
        rows = await self._database.fetch(
            "SELECT number, assignment FROM trial WHERE experiment = $1 AND ordinal IS NULL", experiment
        )
        return {row["number"]: row["assignment"] for row in rows}


class Mailbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def leave(self, letter: UUID, experiment: ExperimentId, at: datetime, signal: Signal) -> None:
        """Leave a request for the owner; the same id again is the same request."""
        await self._database.execute(
            "INSERT INTO mailbox (id, experiment, at, data) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            letter,
            experiment,
            at,
            signal.model_dump(mode="json"),
        )

    async def letters(self, experiment: ExperimentId) -> list[Envelope]:
        """All requests that no decision has been made on, oldest first."""
        rows = await self._database.fetch("SELECT * FROM mailbox WHERE experiment = $1 ORDER BY at, id", experiment)
        return [
            Envelope(row["id"], None, experiment, row["at"], _SIGNAL.validate_json(orjson.dumps(row["data"])))
            for row in rows
        ]


def recorded(row: Any) -> Recorded:
    """A row of `fact` as what was recorded."""
    fact = _FACT.validate_json(orjson.dumps(row["data"]))
    return Recorded(row["seq"], Envelope(row["id"], row["cause"], ExperimentId(row["experiment"]), row["at"], fact))
