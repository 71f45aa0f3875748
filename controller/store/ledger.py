"""The decisions: load an experiment as it stands, and commit facts, state, trials and effects in one statement."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from controller.core.experiment import Experiment, Identity, Progress
from controller.core.recorded import Effect, Recorded, effects
from controller.store import FencedError
from controller.store.positions import Move
from controller.store.postgres import Database
from controller.store.trials import Rows, trial_rows
from controller.telemetry.catalogue import TRANSACTION
from events.envelope import Envelope
from events.facts import (
    BudgetExtended,
    ExperimentAdmitted,
    SpecEdited,
    TrialState,
)
from events.ids import ExperimentId, Shard
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
    marks: Sequence[UUID] = field(default=())
    """Ids of the requests that were decided on."""


_COMMIT = """
WITH fence AS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE),
moved AS (
    UPDATE experiment SET progress = $5, state = $6, version = $7, spec = coalesce($8, spec),
        concluded_at = CASE WHEN $10 THEN coalesce(concluded_at, $9) END
    WHERE id = $3 AND version = $4 AND EXISTS (SELECT FROM fence)
        AND ($40::text IS NULL OR EXISTS (
            SELECT FROM position WHERE shard = $1 AND topic = $40 AND log = $41 AND next = $42))
    RETURNING id),
advanced AS (
    UPDATE position SET next = $43 FROM moved WHERE shard = $1 AND topic = $40 AND log = $41 AND next = $42),
marked AS (
    INSERT INTO inbox (experiment, id) SELECT moved.id, mark FROM moved, unnest($11::uuid[]) AS mark),
unmailed AS (
    DELETE FROM mailbox USING moved WHERE mailbox.id = ANY($11::uuid[])),
told AS (
    INSERT INTO fact (experiment, seq, id, cause, at, type, trial, data, epoch)
    SELECT moved.id, f.seq, f.fact, f.cause, f.at, f.type, f.trial, f.data::jsonb, $2
    FROM moved, unnest($12::bigint[], $13::uuid[], $14::uuid[], $15::timestamptz[], $16::text[], $17::int[],
        $18::text[])
        AS f (seq, fact, cause, at, type, trial, data)),
made AS (
    INSERT INTO trial (experiment, number, state, attempt, assignment, told, proposed_at)
    SELECT moved.id, t.number, t.state, t.attempt, t.assignment::jsonb, t.told, t.at
    FROM moved, unnest($19::int[], $20::text[], $21::int[], $22::text[], $23::int[], $24::timestamptz[])
        AS t (number, state, attempt, assignment, told, at)),
changed AS (
    UPDATE trial SET state = t.state, attempt = t.attempt, ordinal = t.ordinal, cause = t.cause,
        exit_code = t.exit_code, message = t.message, observation = t.observation::jsonb, value = t.value,
        objective_values = t.objective_values::float8[], violations = t.violations::float8[],
        started_at = coalesce(t.started_at, trial.started_at), concluded_at = t.concluded_at
    FROM unnest($25::int[], $26::text[], $27::int[], $28::int[], $29::text[], $30::int[], $31::text[],
        $32::text[], $33::float8[], $34::text[], $35::text[], $36::timestamptz[], $37::timestamptz[])
        AS t (number, state, attempt, ordinal, cause, exit_code, message, observation, value, objective_values,
            violations, started_at, concluded_at)
    WHERE trial.experiment = $3 AND trial.number = ANY($25) AND trial.number = t.number
        AND EXISTS (SELECT FROM moved)),
due AS (
    INSERT INTO outbox (experiment, seq, effect)
    SELECT moved.id, o.seq, o.effect FROM moved, unnest($38::bigint[], $39::text[]) AS o (seq, effect))
SELECT (SELECT count(*) FROM fence) AS fence, (SELECT count(*) FROM moved) AS moved
"""

_ADMIT = """
WITH {place},
made AS (
    INSERT INTO experiment (id, shard, namespace, name, spec, seed, origin, state, progress, version, created_at)
    SELECT $2, place.id, $3, $4, $5, $6, $7, $8, $9, 1, $10 FROM place
    WHERE NOT EXISTS (SELECT FROM deleted WHERE experiment = $2)
    ON CONFLICT DO NOTHING RETURNING id),
told AS (
    INSERT INTO fact (experiment, seq, id, cause, at, type, data, epoch)
    SELECT made.id, 1, $11, $12, $10, $13, $14, $1 FROM made),
due AS (INSERT INTO outbox (experiment, seq, effect) SELECT made.id, 1, $15 FROM made)
SELECT (SELECT count(*) FROM place) AS place, (SELECT count(*) FROM made) AS made
"""
_ADMIT_ALONE = _ADMIT.format(
    place="place AS (INSERT INTO shard (id) SELECT nextval('embedded_shard') WHERE $1::bigint IS NULL RETURNING id)"
)
_ADMIT_HERE = _ADMIT.format(place="place AS (SELECT id FROM shard WHERE id = $16 AND epoch = $1 FOR SHARE)")


class Ledger:
    """The decisions of all experiments in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit_alone(self, experiment: Experiment, admitted: Envelope) -> bool:
        """Record a new experiment in a shard of its own; False if its name is taken."""
        row = await self._database.row(_ADMIT_ALONE, None, *_admitted_values(experiment, admitted))
        return row is not None and row["made"] == 1

    async def admit(self, experiment: Experiment, admitted: Envelope, shard: Shard, epoch: int) -> bool:
        """Record a new experiment in our shard; False if its name is taken, or it was deleted. Raises FencedError."""
        row = await self._database.row(_ADMIT_HERE, epoch, *_admitted_values(experiment, admitted), shard)
        if row is None or not row["place"]:
            raise FencedError(f"shard {shard}: epoch {epoch} is over")
        return bool(row["made"])

    async def find(self, namespace: str, name: str) -> tuple[Experiment, Shard] | None:
        """The experiment of this name, and its shard."""
        row = await self._database.row("SELECT * FROM experiment WHERE namespace = $1 AND name = $2", namespace, name)
        return (_experiment(row), Shard(row["shard"])) if row else None

    async def load(self, shard: Shard) -> list[Experiment]:
        """All experiments of a shard that are not done, but for those that only a newer version can read."""
        return _readable(
            await self._database.fetch("SELECT * FROM experiment WHERE shard = $1 AND concluded_at IS NULL", shard)
        )

    async def done(self, shard: Shard, experiments: Collection[ExperimentId]) -> list[Experiment]:
        """Which of these are done and of the shard, but for those that only a newer version can read."""
        if not experiments:
            return []
        text = "SELECT * FROM experiment WHERE id = ANY($1) AND shard = $2 AND concluded_at IS NOT NULL"
        return _readable(await self._database.fetch(text, list(experiments), shard))

    async def get(self, experiment: ExperimentId) -> tuple[Experiment, Shard] | None:
        """The experiment with this id, and its shard. Raises ValidationError if only a newer version can read it."""
        row = await self._database.row("SELECT * FROM experiment WHERE id = $1", experiment)
        return (_experiment(row), Shard(row["shard"])) if row else None

    async def results(self, experiment: ExperimentId, sign: float, limit: int) -> list[tuple[Assignment, Observation]]:
        """What the `limit` best trials that succeeded were and observed, the lowest value times `sign` first."""
        rows = await self._database.fetch(
            "SELECT assignment, observation FROM trial WHERE experiment = $1 AND state = $2 AND value IS NOT NULL "
            "ORDER BY value * $3, number LIMIT $4",
            experiment,
            TrialState.SUCCEEDED,
            sign,
            limit,
        )
        return [
            (row["assignment"], {name: Summary(**one) for name, one in (row["observation"] or {}).items()})
            for row in rows
        ]

    async def was_deleted(self, experiment: ExperimentId) -> bool:
        return await self._database.row("SELECT FROM deleted WHERE experiment = $1", experiment) is not None

    async def seen(self, experiment: ExperimentId, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these requests have been decided on; one of them that waits in the mailbox again is deleted."""
        rows = await self._database.fetch(
            "WITH known AS (SELECT id FROM inbox WHERE experiment = $1 AND id = ANY($2)), "
            "gone AS (DELETE FROM mailbox USING known WHERE mailbox.id = known.id) SELECT id FROM known",
            experiment,
            list(ids),
        )
        return {row["id"] for row in rows}

    async def delete(self, experiment: ExperimentId) -> None:
        """Forget an experiment with all its trials, facts and measurements."""
        async with self._database.transaction() as connection:
            await connection.execute("INSERT INTO deleted (experiment) VALUES ($1) ON CONFLICT DO NOTHING", experiment)
            await connection.execute("DELETE FROM measurement WHERE experiment = $1", experiment)
            await connection.execute(
                "WITH gone AS (DELETE FROM experiment WHERE id = $1 RETURNING shard) "
                "DELETE FROM shard USING gone WHERE shard.id = gone.shard AND shard.id >= $2 "
                "AND NOT EXISTS (SELECT FROM experiment e WHERE e.shard = gone.shard AND e.id <> $1)",
                experiment,
                FIRST_EMBEDDED_SHARD,
            )

    async def commit(self, shard: Shard, epoch: int, batch: Batch, move: Move | None = None) -> None:
        """Commit all of `batch`, and the position with it, or nothing.

        Raises FencedError if the shard, the experiment or the position has moved on.
        """
        rows = trial_rows(batch.before, batch.after, batch.recorded)
        values = (
            *_experiment_values(batch),
            list(batch.marks),
            *_fact_values(batch.recorded),
            *_made_values(rows),
            *_changed_values(rows),
            *_effect_values(batch.recorded),
            *(move or (None,) * len(Move._fields)),
        )
        with TRANSACTION.labels("commit").time():
            row = await self._database.row(_COMMIT, shard, epoch, *values)
        if row is None or row["moved"] != 1:
            known = "the experiment has moved on" if row and row["fence"] else f"epoch {epoch} is over"
            raise FencedError(f"shard {shard}: {known}")


def _admitted_values(experiment: Experiment, admitted: Envelope) -> tuple[Any, ...]:
    identity = experiment.identity
    fact = admitted.body
    assert isinstance(fact, ExperimentAdmitted)
    return (
        identity.id,
        identity.namespace,
        identity.name,
        identity.spec.model_dump(mode="json"),
        identity.seed,
        identity.origin,
        experiment.progress.state,
        _state(experiment.progress),
        admitted.at,
        admitted.id,
        admitted.cause,
        fact.type,
        fact.model_dump(mode="json"),
        Effect.PUBLISH,
    )


def _readable(rows: Sequence[Any]) -> list[Experiment]:
    readable: list[Experiment] = []
    for row in rows:
        try:
            readable.append(_experiment(row))
        except ValidationError as error:
            _log.error("experiment %s is left to a newer version: %s", row["name"], error.errors()[0]["msg"])
    return readable


def _experiment(row: Any) -> Experiment:
    spec = ExperimentSpec.model_validate_json(orjson.dumps(row["spec"]))
    identity = Identity(ExperimentId(row["id"]), row["name"], row["namespace"], spec, row["seed"], row["origin"])
    return Experiment(identity, _PROGRESS.validate_python(row["progress"]))


def _state(progress: Progress) -> Any:
    return _PROGRESS.dump_python(progress, mode="json", exclude_defaults=True)


def _experiment_values(batch: Batch) -> tuple[Any, ...]:
    progress = batch.after.progress
    extended = any(isinstance(one.fact, BudgetExtended | SpecEdited) for one in batch.recorded)
    return (
        batch.after.identity.id,
        batch.before.progress.version,
        _state(progress),
        progress.state,
        progress.version,
        batch.after.spec.model_dump(mode="json") if extended else None,
        batch.recorded[-1].envelope.at if batch.after.done and batch.recorded else None,
        batch.after.done,
    )


def _fact_values(recorded: Sequence[Recorded]) -> tuple[list[Any], ...]:
    envelopes = [one.envelope for one in recorded]
    return (
        [one.seq for one in recorded],
        [one.id for one in envelopes],
        [one.cause for one in envelopes],
        [one.at for one in envelopes],
        [one.body.type for one in envelopes],
        [getattr(one.body, "trial", None) for one in envelopes],
        [one.body.model_dump_json(by_alias=True) for one in envelopes],
    )


def _made_values(rows: Rows) -> tuple[list[Any], ...]:
    made = rows.made
    return (
        [one.number for one in made],
        [one.state for one in made],
        [one.attempt for one in made],
        [orjson.dumps(one.assignment).decode() for one in made],
        [one.told for one in made],
        [one.at for one in made],
    )


def _changed_values(rows: Rows) -> tuple[list[Any], ...]:
    changed = rows.changed
    names = (
        "number", "state", "attempt", "ordinal", "cause", "exit_code", "message",
        "observation", "value", "objective_values", "violations", "started_at", "concluded_at",
    )  # fmt: skip
    return tuple([getattr(one, name) for one in changed] for name in names)


def _effect_values(recorded: Sequence[Recorded]) -> tuple[list[Any], ...]:
    pairs = [(one.seq, effect) for one in recorded for effect in effects(one.fact)]
    return [seq for seq, _ in pairs], [effect for _, effect in pairs]
