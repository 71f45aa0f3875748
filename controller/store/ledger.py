"""The ledger of decisions: loads experiments, and commits facts, state, trials and effects in one
statement."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from controller.core.experiment import Experiment, Identity, Progress
from controller.core.recorded import Effect, Recorded, effects
from controller.store import FencedError, UnreadableExperimentError
from controller.store.marks import Mark
from controller.store.positions import Move
from controller.store.postgres import Database, writing
from controller.store.statement import Statement
from controller.store.trials import trial_rows
from controller.telemetry.catalogue import TRANSACTION
from events.envelope import Envelope
from events.facts import (
    BudgetExtended,
    ExperimentAdmitted,
    SpecEdited,
    TrialState,
)
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Observation, Summary
from events.spec.space import Assignment

_log = logging.getLogger(__name__)
_PROGRESS = TypeAdapter(Progress)
FIRST_EMBEDDED_SHARD = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Decisions on one experiment that are committed together."""

    before: Experiment
    after: Experiment
    recorded: Sequence[Recorded]
    marks: Sequence[Mark] = field(default=())
    """The requests that were decided on."""


class FactRow(NamedTuple):
    """A row of `fact`."""

    seq: int
    id: UUID
    cause: UUID | None
    at: datetime
    type: str
    trial: TrialNumber | None
    data: str

    @classmethod
    def of(cls, recorded: Recorded) -> "FactRow":
        envelope, fact = recorded.envelope, recorded.envelope.body
        trial = getattr(fact, "trial", None)
        data = fact.model_dump_json(by_alias=True)
        return cls(recorded.seq, envelope.id, envelope.cause, envelope.at, fact.type, trial, data)


class EffectRow(NamedTuple):
    """A row of `outbox`."""

    seq: int
    effect: Effect


_COMMIT = Statement.load("commit.sql")

_ADMIT = Statement.load("admit.sql")


class Ledger:
    """The decisions of all experiments in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """The time by the clock of the database, which dates what people ask for."""
        row = await self._database.row("SELECT clock_timestamp() AS now")
        assert row is not None
        at: datetime = row["now"]
        return at

    async def admit_alone(self, experiment: Experiment, admitted: Envelope) -> Shard | None:
        """Record a new experiment in a shard of its own, and return that; None if the name is
        taken."""
        row = await self._admit(experiment, admitted, None, None)
        return Shard(row["shard"]) if row["made"] else None

    async def admit(
        self, experiment: Experiment, admitted: Envelope, shard: Shard, epoch: int
    ) -> bool:
        """Record a new experiment in our shard; False if its name is taken, or it was deleted.

        Raises FencedError.
        """
        row = await self._admit(experiment, admitted, shard, epoch)
        if row["shard"] is None:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")
        return bool(row["made"])

    async def _admit(
        self, experiment: Experiment, admitted: Envelope, shard: Shard | None, epoch: int | None
    ) -> Any:
        with writing():
            values = _ADMIT.values(
                shard=shard, epoch=epoch, **_admitted_values(experiment, admitted)
            )
        row = await self._database.row(_ADMIT.sql, *values)
        assert row is not None
        return row

    async def find(self, namespace: str, name: str) -> tuple[Experiment, Shard] | None:
        """The experiment of this name, and its shard. Raises UnreadableExperimentError."""
        row = await self._database.row(
            "SELECT * FROM experiment WHERE namespace = $1 AND name = $2", namespace, name
        )
        return (_experiment(row), Shard(row["shard"])) if row else None

    async def load(self, shard: Shard) -> list[Experiment]:
        """All experiments of a shard that have not ended, without those that only a newer version
        can read."""
        return _readable(
            await self._database.fetch(
                "SELECT * FROM experiment WHERE shard = $1 AND concluded_at IS NULL", shard
            )
        )

    async def done(self, shard: Shard, experiments: Collection[ExperimentId]) -> list[Experiment]:
        """Those of these experiments that have ended and are of the shard, as far as this version
        can read them."""
        if not experiments:
            return []
        rows = await self._database.fetch(
            "SELECT * FROM experiment WHERE id = ANY($1) AND shard = $2 AND concluded_at IS "
            "NOT NULL",
            list(experiments),
            shard,
        )
        return _readable(rows)

    async def get(self, experiment: ExperimentId) -> tuple[Experiment, Shard] | None:
        """The experiment with this id, and its shard.

        Raises UnreadableExperimentError.
        """
        row = await self._database.row("SELECT * FROM experiment WHERE id = $1", experiment)
        return (_experiment(row), Shard(row["shard"])) if row else None

    async def results(
        self, experiment: ExperimentId, sign: float, limit: int
    ) -> list[tuple[Assignment, Observation]]:
        """Assignment and observation of the `limit` best trials that succeeded, the lowest value
        times `sign` first."""
        rows = await self._database.fetch(
            "SELECT assignment, observation FROM trial "
            "WHERE experiment = $1 AND state = $2 AND value IS NOT NULL "
            "ORDER BY value * $3, number LIMIT $4",
            experiment,
            TrialState.SUCCEEDED,
            sign,
            limit,
        )
        return [
            (
                row["assignment"],
                {name: Summary(**one) for name, one in (row["observation"] or {}).items()},
            )
            for row in rows
        ]

    async def forbid(self, experiment: ExperimentId) -> None:
        """Let an experiment that is not recorded never be: it counts as deleted."""
        await self._database.execute(
            "INSERT INTO deleted (experiment) SELECT $1::uuid "
            "WHERE NOT EXISTS (SELECT FROM experiment WHERE id = $1) ON CONFLICT DO NOTHING",
            experiment,
        )

    async def was_deleted(self, experiment: ExperimentId) -> bool:
        """Whether there was an experiment with this id that has been deleted."""
        return (
            await self._database.row("SELECT FROM deleted WHERE experiment = $1", experiment)
            is not None
        )

    async def seen(self, experiment: ExperimentId, ids: Sequence[UUID]) -> dict[UUID, Mark]:
        """The marks of those of these requests that have been decided on.

        Those that are in the mailbox again are deleted there.
        """
        rows = await self._database.fetch(
            "WITH known AS (SELECT id, asked FROM inbox WHERE experiment = $1 AND id = ANY($2)), "
            "gone AS (DELETE FROM mailbox USING known "
            "WHERE mailbox.experiment = $1 AND mailbox.id = known.id) "
            "SELECT id, asked FROM known",
            experiment,
            list(ids),
        )
        return {row["id"]: Mark(row["id"], row["asked"]) for row in rows}

    async def delete(self, experiment: ExperimentId) -> None:
        """Forget an experiment: nobody finds it any more, and its name is free.

        Its trials, facts and measurements are left to `Upkeep`: there may be millions.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                "INSERT INTO deleted (experiment) VALUES ($1) ON CONFLICT DO NOTHING", experiment
            )
            await connection.execute(
                "WITH gone AS (DELETE FROM experiment WHERE id = $1 RETURNING shard) "
                "DELETE FROM shard USING gone WHERE shard.id = gone.shard AND shard.id >= $2 "
                "AND NOT EXISTS "
                "(SELECT FROM experiment e WHERE e.shard = gone.shard AND e.id <> $1)",
                experiment,
                FIRST_EMBEDDED_SHARD,
            )

    async def commit(
        self, shard: Shard, epoch: int, batch: Batch, move: Move | None = None
    ) -> None:
        """Commit all of `batch`, and the position with it, or nothing.

        Raises FencedError if the shard, the experiment or the position has moved on,
        DataRefusedError if Postgres cannot hold what was decided.
        """
        with writing():
            values = _COMMIT.values(shard=shard, epoch=epoch, **_commit_values(batch, move))
        with TRANSACTION.labels("commit").time():
            row = await self._database.row(_COMMIT.sql, *values)
        if row is None or row["moved"] != 1:
            known = (
                "the experiment has moved on" if row and row["fence"] else f"epoch {epoch} is over"
            )
            raise FencedError(f"shard {shard}: {known}")


def _admitted_values(experiment: Experiment, admitted: Envelope) -> dict[str, Any]:
    identity = experiment.identity
    fact = admitted.body
    assert isinstance(fact, ExperimentAdmitted)
    return {
        "experiment": identity.id,
        "namespace": identity.namespace,
        "name": identity.name,
        "spec": identity.spec.model_dump(mode="json"),
        "seed": identity.seed,
        "origin": identity.origin,
        "state": experiment.progress.state,
        "progress": _state(experiment.progress),
        "at": admitted.at,
        "fact": admitted.id,
        "cause": admitted.cause,
        "type": fact.type,
        "data": fact.model_dump(mode="json"),
        "effect": Effect.PUBLISH,
    }


def _readable(rows: Sequence[Any]) -> list[Experiment]:
    readable: list[Experiment] = []
    for row in rows:
        try:
            readable.append(_experiment(row))
        except UnreadableExperimentError as error:  # it must not hold up the others
            _log.error("%s", error)
    return readable


def _experiment(row: Any) -> Experiment:
    try:
        return _read(row)
    except MemoryError:
        raise
    except Exception as error:  # whatever else it is, it is this row's
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UnreadableExperimentError(
            f"the experiment {row['name']!r} in namespace {row['namespace']!r} is of a newer "
            f"version, and cannot be read by this one: {what}"
        ) from error


def _read(row: Any) -> Experiment:
    spec = ExperimentSpec.model_validate_json(orjson.dumps(row["spec"]))
    identity = Identity(
        ExperimentId(row["id"]), row["name"], row["namespace"], spec, row["seed"], row["origin"]
    )
    return Experiment(identity, _PROGRESS.validate_python(row["progress"]))


def _state(progress: Progress) -> Any:
    return _PROGRESS.dump_python(progress, mode="json", exclude_defaults=True)


def _commit_values(batch: Batch, move: Move | None) -> dict[str, Any]:
    rows = trial_rows(batch.before, batch.after, batch.recorded)
    return {
        **_experiment_values(batch),
        "mark": batch.marks,
        "fact": [FactRow.of(one) for one in batch.recorded],
        "new_trial": rows.new,
        "trial": rows.updated,
        "effect": [
            EffectRow(one.seq, effect) for one in batch.recorded for effect in effects(one.fact)
        ],
        **_position_values(move),
    }


def _experiment_values(batch: Batch) -> dict[str, Any]:
    progress = batch.after.progress
    extended = any(isinstance(one.fact, BudgetExtended | SpecEdited) for one in batch.recorded)
    return {
        "experiment": batch.after.identity.id,
        "version_before": batch.before.progress.version,
        "version_after": progress.version,
        "progress": _state(progress),
        "state": progress.state,
        "spec": batch.after.spec.model_dump(mode="json") if extended else None,
        "at": batch.recorded[-1].envelope.at if batch.after.done and batch.recorded else None,
        "done": batch.after.done,
    }


def _position_values(move: Move | None) -> dict[str, Any]:
    topic, log, before, after = move or (None,) * len(Move._fields)
    return {"topic": topic, "log": log, "position_before": before, "position_after": after}
